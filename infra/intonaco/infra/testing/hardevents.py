"""Generated events with ties, repeats, nulls, late ones and values at the edges of their types, and the rows that ask for them."""

from collections.abc import Sequence
from decimal import Decimal

import pyarrow as pa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from intonaco.infra.testing.windowrule import Event

__all__ = ["COLUMNS", "EVENTS", "ROWS", "UTC", "Row", "events_table", "hard", "rows_table"]

UTC = pa.timestamp("us", tz="UTC")
COLUMNS = {"value": pa.float64(), "whole": pa.int64(), "flag": pa.bool_(), "money": pa.decimal128(18, 2), "text": pa.string()}

_VALUES = st.fixed_dictionaries(
    {
        "value": st.none() | st.integers(-40, 40).map(lambda eighths: eighths / 8) | st.sampled_from([0.1, -0.0, -1e6, 1e-7]),
        "whole": st.sampled_from([None, 0, 1, -3, 7, 2**53 + 1, -(2**53) - 1, 2**57]),
        "flag": st.sampled_from([None, True, False]),
        "money": st.sampled_from([None, "0.00", "-0.01", "12.50", "90071992547409.93", "0.10"]).map(lambda text: text and Decimal(text)),
        "text": st.sampled_from([None, "", "a", "b", "é", "a longer text"]),
    }
)
EVENTS = st.lists(
    st.builds(Event, st.sampled_from(["a", "a", "b", None]), st.none() | st.integers(-30, 60), st.sampled_from([None, 0, 1, 2]), _VALUES),
    max_size=25,
)
ROWS = st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.integers(-40, 90)), min_size=1, max_size=12)
#: How a test over generated events runs.
hard = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]
)

Row = tuple[str | None, int]


def events_table(events: Sequence[Event]) -> pa.Table:
    """The events as a table of columns key, time, created, and one of each type."""
    shared = {
        "key": pa.array([each.key for each in events], pa.string()),
        "time": pa.array([each.time for each in events], UTC),
        "created": pa.array([each.created for each in events], UTC),
    }
    return pa.table(shared | {name: pa.array([each.values[name] for each in events], kind) for name, kind in COLUMNS.items()})


def rows_table(rows: Sequence[Row]) -> pa.Table:
    """Rows of keys and moments."""
    return pa.table({"key": pa.array([key for key, _ in rows], pa.string()), "at": pa.array([at for _, at in rows], UTC)})
