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
    """The same where only a few events are merged at a time, for a few rows."""

    @pytest.fixture
    def engine(self, workspace: Workspace) -> TableEngine:
        return PolarsTableEngine(workspace, events_at_once=3, rows_at_once=2)


def test_snapshots_are_read_from_the_workspaces_tables(workspace: Workspace) -> None:
    stamp = pa.timestamp("us", tz="UTC")
    events = workspace.tables.write("default/events", pa.table({"key": ["a"], "time": pa.array([1], stamp), "value": [1.5]}))
    rows = workspace.tables.write("default/rows", pa.table({"key": ["a"], "at": pa.array([2], stamp)}))
    join = AsofColumns(events=Events(data=events, keys=("key",), time="time"), columns=(("value", "found"),))
    assert pa.concat_tables(workspace.engine.asof_join(rows, "at", [join]))["found"].to_pylist() == [1.5]


def test_a_column_that_a_snapshot_lacks_is_named(workspace: Workspace) -> None:
    stamp = pa.timestamp("us", tz="UTC")
    events = workspace.tables.write("default/events", pa.table({"key": ["a"], "time": pa.array([1], stamp)}))
    rows = pa.table({"key": ["a"], "at": pa.array([2], stamp)})
    join = AsofColumns(events=Events(data=events, keys=("key",), time="time"), columns=(("value", "found"),))
    with pytest.raises(SchemaError, match="'value'"):
        pa.concat_tables(workspace.engine.asof_join(rows, "at", [join]))


def test_answers_of_stored_rows_become_a_stored_table_batch_by_batch(workspace: Workspace) -> None:
    stamp = pa.timestamp("us", tz="UTC")
    events = pa.table({"key": ["a", "b"], "time": pa.array([1, 4], stamp), "value": [1.5, 2.5]})
    rows = pa.table({"other": ["x"] * 9, "at": pa.array(range(9), stamp), "key": ["a", "b", None] * 3})
    stored = [workspace.tables.write("default/rows", rows.slice(start, 4)) for start in (0, 4, 8)][-1]
    source = Events(data=workspace.tables.write("default/events", events), keys=("key",), time="time")
    join = AsofColumns(events=source, columns=(("value", "found"),), age="age")
    engine = PolarsTableEngine(workspace, rows_at_once=2)
    batches = list(engine.asof_join(stored, "at", [join]))
    assert [batch.num_rows for batch in batches] == [2, 2, 2, 2, 1]
    made = workspace.tables.write("default/made", engine.asof_join(stored, "at", [join]))
    held = pa.concat_tables(PolarsTableEngine(workspace).asof_join(rows, "at", [join]))
    assert (made.version, workspace.tables.read(made).to_pydict()) == (0, held.to_pydict())
    assert held["found"].to_pylist() == [None, None, None, 1.5, None, None, 1.5, 2.5, None]


def test_a_row_without_a_moment_is_told_by_its_number_among_all(workspace: Workspace) -> None:
    stamp = pa.timestamp("us", tz="UTC")
    events = pa.table({"key": ["a"], "time": pa.array([1], stamp), "value": [1.5]})
    rows = pa.table({"key": ["a"] * 5, "at": pa.array([1, 2, 3, 4, None], stamp)})
    join = AsofColumns(events=Events(data=events, keys=("key",), time="time"), columns=(("value", "found"),))
    with pytest.raises(SchemaError, match="row 4"):
        list(PolarsTableEngine(workspace, rows_at_once=2).asof_join(rows, "at", [join]))


def test_keys_of_other_types_than_the_events_are_refused(workspace: Workspace) -> None:
    stamp = pa.timestamp("us", tz="UTC")
    events = pa.table({"key": ["a"], "time": pa.array([1], stamp), "value": [1.5]})
    join = AsofColumns(events=Events(data=events, keys=("key",), time="time"), columns=(("value", "found"),))
    for key in (pa.array([1]), pa.array([1.5]), pa.array([True])):
        with pytest.raises(SchemaError, match="key"):
            list(workspace.engine.asof_join(pa.table({"key": key, "at": pa.array([2], stamp)}), "at", [join]))
