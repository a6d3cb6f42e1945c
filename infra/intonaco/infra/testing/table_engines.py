"""What every table engine must hold: answers equal to a row-by-row reference that follows the rule of time to the letter."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intonaco.core.errors import SchemaError
from intonaco.infra.compute.tables import AsofColumns, Events, TableEngine
from intonaco.infra.testing.table_windows import WindowContract

__all__ = ["TableEngineContract"]

_UTC = pa.timestamp("us", tz="UTC")
_VALUES = st.none() | st.integers(-40, 40).map(lambda eighths: eighths / 8) | st.sampled_from([0.1, -1e6, 1e-7])
_EVENTS = st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.integers(0, 60), st.integers(0, 2), _VALUES), max_size=25)
_ROWS = st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.integers(-5, 90)), min_size=1, max_size=12)
_property = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]
)

Row = tuple[str | None, int]
Event = tuple[str | None, int, int, float | None]


def _events_table(events: Sequence[Event]) -> pa.Table:
    columns: list[list[Any]] = [list(column) for column in zip(*events, strict=True)] or [[], [], [], []]
    kinds = [pa.string(), _UTC, _UTC, pa.float64()]
    arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    return pa.table(dict(zip(("key", "time", "created", "value"), arrays, strict=True)))


def _rows_table(rows: Sequence[Row]) -> pa.Table:
    return pa.table({"key": pa.array([key for key, _ in rows], pa.string()), "at": pa.array([at for _, at in rows], _UTC)})


def _usable(events: Sequence[Event], key: str | None, at: int, delay: int) -> list[Event]:
    return [event for event in events if event[0] is not None and event[0] == key and event[1] + delay < at]


class TableEngineContract(WindowContract):
    """Subclass it with a fixture `engine` that yields an open engine."""

    @_property
    @given(_EVENTS, _ROWS, st.sampled_from([0, 1, 7]), st.sampled_from([None, 5, 30]))
    def test_a_join_gives_the_newest_usable_event(
        self, engine: TableEngine, events: list[Event], rows: list[Row], delay: int, valid_for: int | None
    ) -> None:
        source = Events(data=_events_table(events), keys=("key",), time="time", created="created", delay_us=delay)
        join = AsofColumns(events=source, columns=(("value", "found"),), ties=("value",), valid_for_us=valid_for, age="age")
        answer = engine.asof_join(_rows_table(rows), "at", [join]).to_pylist()
        assert len(answer) == len(rows)
        for (key, at), got in zip(rows, answer, strict=True):
            usable = _usable(events, key, at, delay)
            newest = max(usable, key=lambda event: (event[1], event[2], event[3] is not None, event[3] or 0.0), default=None)
            age = None if newest is None else at - newest[1]
            expired = age is not None and valid_for is not None and age > valid_for
            assert got == {"found": None if newest is None or expired else newest[3], "age": age}

    def test_several_keys_of_several_types_never_meet(self, engine: TableEngine) -> None:
        keys = {"left": ["a", "ab", "a"], "right": ["bc", "c", None], "number": [1, 1, 1]}
        events = pa.table({**keys, "time": pa.array([1, 2, 3], _UTC), "value": [1.0, 2.0, 3.0]})
        rows = pa.table({"left": ["ab", "a", "a"], "right": ["c", "bc", None], "number": [1, 1, 1], "at": pa.array([9, 9, 9], _UTC)})
        source = Events(data=events, keys=("left", "right", "number"), time="time")
        answer = engine.asof_join(rows, "at", [AsofColumns(events=source, columns=(("value", "found"),))])
        assert answer["found"].to_pylist() == [2.0, 1.0, None]

    def test_keys_of_the_rows_may_have_other_names(self, engine: TableEngine) -> None:
        events = pa.table({"airport": ["JFK"], "time": pa.array([1], _UTC), "value": [1.5]})
        rows = pa.table({"dest": ["JFK", "LGA"], "at": pa.array([2, 2], _UTC)})
        source = Events(data=events, keys=("airport",), row_keys=("dest",), time="time")
        answer = engine.asof_join(rows, "at", [AsofColumns(events=source, columns=(("value", "found"),))])
        assert answer["found"].to_pylist() == [1.5, None]

    def test_texts_are_joined_as_they_are(self, engine: TableEngine) -> None:
        events = pa.table({"key": ["a", "a"], "time": pa.array([1, 1], _UTC), "value": ["x", "y"]})
        rows = pa.table({"key": ["a"], "at": pa.array([2], _UTC)})
        join = AsofColumns(events=Events(data=events, keys=("key",), time="time"), columns=(("value", "found"),), ties=("value",))
        assert engine.asof_join(rows, "at", [join])["found"].to_pylist() == ["y"]

    def test_times_too_far_apart_to_be_packed_are_told_apart(self, engine: TableEngine) -> None:
        far = 2**61
        events = pa.table({"key": ["a", "b", "a"], "time": pa.array([-far, 0, far], _UTC), "value": [1.0, 2.0, 4.0]})
        rows = pa.table({"key": ["a", "a", "b"], "at": pa.array([0, far + 1, 1], _UTC)})
        join = AsofColumns(events=Events(data=events, keys=("key",), time="time"), columns=(("value", "found"),))
        assert engine.asof_join(rows, "at", [join])["found"].to_pylist() == [1.0, 4.0, 2.0]

    def test_a_missing_column_is_named(self, engine: TableEngine) -> None:
        source = Events(data=_events_table([]), keys=("key",), time="when")
        with pytest.raises(SchemaError, match="'when'"):
            engine.asof_join(_rows_table([("a", 1)]), "at", [AsofColumns(events=source, columns=(("value", "found"),))])

    @_property
    @given(_EVENTS)
    def test_the_latest_row_of_each_key_is_kept(self, engine: TableEngine, events: list[Event]) -> None:
        table = _events_table([(key, time, row, value) for row, (key, time, _, value) in enumerate(events)])
        latest = engine.latest_per_key(table, ["key"], ["time", "created"]).to_pylist()
        rows = table.to_pylist()
        assert [row["key"] for row in latest] == list(dict.fromkeys(row["key"] for row in rows))
        for row in latest:
            assert row == max((each for each in rows if each["key"] == row["key"]), key=lambda each: (each["time"], each["created"]))

    def test_batches_are_mapped_in_order_and_no_larger_than_asked(self, engine: TableEngine) -> None:
        sizes: list[int] = []

        def double(piece: pa.Table) -> pa.Table:
            sizes.append(piece.num_rows)
            return pa.table({"twice": [2 * value.as_py() for value in piece["value"]]}, schema=pa.schema({"twice": pa.int64()}))

        answer = engine.map_batches(pa.table({"value": list(range(10))}), double, rows=4)
        assert answer["twice"].to_pylist() == [2 * value for value in range(10)]
        assert max(sizes) <= 4
