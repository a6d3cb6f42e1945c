"""Values of every type come back from the tables and from online entries bit for bit, or are refused; none is changed silently."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from intonaco.core.columns import Column, Masked
from intonaco.core.errors import InvalidError
from intonaco.core.schema import DTYPES, Field
from intonaco.infra.features.definitions import Entity, FeatureSet, FeatureView, TableSource, columns
from intonaco.infra.features.online.status import Status
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.storage.arrow import arrow_schema, from_arrow
from intonaco.infra.storage.arrowtypes import scalar_type
from intonaco.infra.testing.rows import scalars
from intonaco.infra.workspace import Workspace

UTC = pa.timestamp("us", tz="UTC")
TYPES = (*DTYPES, "decimal(5,2)", "decimal(38,0)")
THING = Entity("thing", {"thing": "int64"})


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FeatureStore]:
    """One store for many examples, each with a table of its own."""
    with Workspace.open(tmp_path_factory.mktemp("exact")) as workspace:
        yield FeatureStore(workspace)


_NUMBERS = itertools.count()


def bits(column: Column, row: int) -> Any:
    """What a row holds, floats by their bits."""
    values = column.values if isinstance(column, Masked) else column
    held = values[row]
    return held.tobytes() if isinstance(held, np.generic) else held


def _materialized(store: FeatureStore, wanted: FeatureSet) -> bool:
    """Whether the events are stored; a refusal names the column."""
    try:
        store.materialize(wanted, 2)
    except InvalidError as error:
        told = str(error)
    else:
        return True
    assert "'value'" in told
    return False


@pytest.mark.slow
@pytest.mark.parametrize("dtype", TYPES)
@settings(max_examples=5, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(data=st.data())
def test_the_newest_value_comes_back_bit_for_bit_or_is_refused(shared: FeatureStore, dtype: str, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.none() | scalars(dtype), min_size=1, max_size=12))
    number = next(_NUMBERS)
    source = TableSource(f"things{number}", [Field("value", dtype, nullable=True)], time="at_time")
    view = FeatureView(name=f"things{number}", entity=THING, source=source, features=[columns("value")])
    wanted = FeatureSet(name=f"set{number}", features=[view])
    shared.apply([wanted])
    kind = pa.int64() if dtype == "timestamp" else scalar_type(dtype)
    column = pa.array(values, kind).cast(scalar_type(dtype))
    things = pa.array(range(len(values)), pa.int64())
    rows = pa.table({"thing": things, "at_time": pa.array([1] * len(values), UTC), "value": column})
    rows = rows.cast(pa.schema([rows.schema.field(0), rows.schema.field(1), arrow_schema(view.source.columns).field(0)]))
    shared.workspace.tables.write(f"default/things{number}", rows)
    asked = {"thing": np.arange(len(values))}
    offline = shared.read_offline(wanted, asked, 2)
    if not _materialized(shared, wanted):
        return
    online = shared.read(wanted, asked, 2)
    assert online.statuses["value"].tolist() == offline.statuses["value"].tolist()
    for row, value in enumerate(values):
        missing = value is None or value != value
        assert offline.statuses["value"][row] == (Status.null if missing else Status.present)
        if not missing:
            assert bits(online.columns["value"], row) == bits(offline.columns["value"], row), (value, row)
            assert bits(offline.columns["value"], row) == bits(from_arrow(rows.select(["value"]))["value"], row), (value, row)
