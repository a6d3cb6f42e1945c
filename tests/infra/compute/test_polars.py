from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from intonaco.core.errors import SchemaError
from intonaco.infra.compute.polars import PolarsTableEngine
from intonaco.infra.compute.tables import AsofColumns, Events, TableEngine
from intonaco.infra.testing.table_engines import TableEngineContract
from intonaco.infra.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(tmp_path) as workspace:
        yield workspace


class TestPolarsTableEngine(TableEngineContract):
    @pytest.fixture
    def engine(self, workspace: Workspace) -> Iterator[TableEngine]:
        with PolarsTableEngine.open(workspace) as engine:
            yield engine


@pytest.mark.slow
class TestPolarsTableEngineInPieces(TableEngineContract):
    """The same where only a few events are merged at a time."""

    @pytest.fixture
    def engine(self, workspace: Workspace) -> TableEngine:
        return PolarsTableEngine(workspace, events_at_once=3)


def test_snapshots_are_read_from_the_workspaces_tables(workspace: Workspace) -> None:
    stamp = pa.timestamp("us", tz="UTC")
    events = workspace.tables.write("default/events", pa.table({"key": ["a"], "time": pa.array([1], stamp), "value": [1.5]}))
    rows = workspace.tables.write("default/rows", pa.table({"key": ["a"], "at": pa.array([2], stamp)}))
    join = AsofColumns(events=Events(data=events, keys=("key",), time="time"), columns=(("value", "found"),))
    assert workspace.engine.asof_join(rows, "at", [join])["found"].to_pylist() == [1.5]


def test_a_column_that_a_snapshot_lacks_is_named(workspace: Workspace) -> None:
    stamp = pa.timestamp("us", tz="UTC")
    events = workspace.tables.write("default/events", pa.table({"key": ["a"], "time": pa.array([1], stamp)}))
    rows = pa.table({"key": ["a"], "at": pa.array([2], stamp)})
    join = AsofColumns(events=Events(data=events, keys=("key",), time="time"), columns=(("value", "found"),))
    with pytest.raises(SchemaError, match="'value'"):
        workspace.engine.asof_join(rows, "at", [join])
