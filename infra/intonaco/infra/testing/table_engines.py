"""What every table engine must hold: answers equal to a row-by-row reference that follows the rule of time to the letter."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from intonaco.core.errors import SchemaError
from intonaco.infra.compute.tables import AsofColumns, Events, TableEngine
from intonaco.infra.testing.hardevents import COLUMNS, EVENTS, ROWS, UTC, Row, events_table, hard, rows_table
from intonaco.infra.testing.table_windows import WindowCases
from intonaco.infra.testing.windowrule import Event, rank_of, usable

__all__ = ["TableEngineContract"]


def _newest(seen: Sequence[Event], column: str) -> Event | None:
    """The last by event time, creation time and value; null is least of both."""
    return max(seen, key=lambda each: (each.time, _least_null(each.created), _least_null(each.values[column])), default=None)


def _whole(batches: Iterator[pa.Table]) -> pa.Table:
    return pa.concat_tables(batches)


def _least_null(value: Any) -> tuple[bool, Any]:
    return value is not None, None if value is None else rank_of(value)


class TableEngineContract(WindowCases):
    """Subclass it with a fixture `engine` that yields an open engine."""

    @hard
    @given(EVENTS, ROWS, st.sampled_from([0, 1, 7]), st.sampled_from([None, 5, 30]))
    def test_a_join_gives_the_newest_usable_event(
        self, engine: TableEngine, events: list[Event], rows: list[Row], delay: int, valid_for: int | None
    ) -> None:
        source = Events(data=events_table(events), keys=("key",), time="time", created="created", delay_us=delay)
        for column in COLUMNS:
            join = AsofColumns(events=source, columns=((column, "found"),), ties=(column,), valid_for_us=valid_for, age="age")
            answer = _whole(engine.asof_join(rows_table(rows), "at", [join])).to_pylist()
            assert len(answer) == len(rows)
            for (key, at), got in zip(rows, answer, strict=True):
                newest = _newest(usable(events, key, at, delay), column)
                age = None if newest is None or newest.time is None else at - newest.time
                expired = age is not None and valid_for is not None and age > valid_for
                expected = None if newest is None or expired else newest.values[column]
                assert repr(got) == repr({"found": expected, "age": age})

    def test_joined_values_are_those_of_the_table_to_the_bit(self, engine: TableEngine) -> None:
        values = {
            "whole": pa.array([2**53 + 1, -(2**63)]),
            "large": pa.array([2**64 - 1, 0], pa.uint64()),
            "money": pa.array([Decimal("12345678901234567890.12"), None], pa.decimal128(38, 2)),
            "value": pa.array([float("nan"), -0.0]),
            "blob": pa.array([b"\x00\xff", None]),
            "list": pa.array([[1, 2], []]),
        }
        events = pa.table({"key": ["a", "b"], "time": pa.array([-5, -5], UTC), **values})
        rows = rows_table([("b", 0), ("a", 0), ("a", -5), (None, 0)])
        join = AsofColumns(events=Events(data=events, keys=("key",), time="time"), columns=tuple((name, name) for name in values))
        answer = _whole(engine.asof_join(rows, "at", [join]))
        for name, column in values.items():
            assert repr(answer[name].to_pylist()) == repr([column[1].as_py(), column[0].as_py(), None, None])

    def test_several_keys_of_several_types_never_meet(self, engine: TableEngine) -> None:
        keys = {"left": ["a", "ab", "a"], "right": ["bc", "c", None], "number": [1, 1, 1]}
        events = pa.table({**keys, "time": pa.array([1, 2, 3], UTC), "value": [1.0, 2.0, 3.0]})
        rows = pa.table({"left": ["ab", "a", "a"], "right": ["c", "bc", None], "number": [1, 1, 1], "at": pa.array([9, 9, 9], UTC)})
        source = Events(data=events, keys=("left", "right", "number"), time="time")
        answer = _whole(engine.asof_join(rows, "at", [AsofColumns(events=source, columns=(("value", "found"),))]))
        assert answer["found"].to_pylist() == [2.0, 1.0, None]

    def test_keys_of_the_rows_may_have_other_names(self, engine: TableEngine) -> None:
        events = pa.table({"airport": ["JFK"], "time": pa.array([1], UTC), "value": [1.5]})
        rows = pa.table({"dest": ["JFK", "LGA"], "at": pa.array([2, 2], UTC)})
        source = Events(data=events, keys=("airport",), row_keys=("dest",), time="time")
        answer = _whole(engine.asof_join(rows, "at", [AsofColumns(events=source, columns=(("value", "found"),))]))
        assert answer["found"].to_pylist() == [1.5, None]

    def test_texts_are_joined_as_they_are(self, engine: TableEngine) -> None:
        events = pa.table({"key": ["a", "a"], "time": pa.array([1, 1], UTC), "value": ["x", "y"]})
        rows = pa.table({"key": ["a"], "at": pa.array([2], UTC)})
        join = AsofColumns(events=Events(data=events, keys=("key",), time="time"), columns=(("value", "found"),), ties=("value",))
        assert _whole(engine.asof_join(rows, "at", [join]))["found"].to_pylist() == ["y"]

    def test_times_too_far_apart_to_be_packed_are_told_apart(self, engine: TableEngine) -> None:
        far = 2**61
        events = pa.table({"key": ["a", "b", "a"], "time": pa.array([-far, 0, far], UTC), "value": [1.0, 2.0, 4.0]})
        rows = pa.table({"key": ["a", "a", "b"], "at": pa.array([0, far + 1, 1], UTC)})
        join = AsofColumns(events=Events(data=events, keys=("key",), time="time"), columns=(("value", "found"),))
        assert _whole(engine.asof_join(rows, "at", [join]))["found"].to_pylist() == [1.0, 4.0, 2.0]

    def test_a_missing_column_is_named(self, engine: TableEngine) -> None:
        source = Events(data=events_table([]), keys=("key",), time="when")
        with pytest.raises(SchemaError, match="'when'"):
            _whole(engine.asof_join(rows_table([("a", 1)]), "at", [AsofColumns(events=source, columns=(("value", "found"),))]))

    @hard
    @given(EVENTS)
    def test_the_latest_row_of_each_key_is_kept(self, engine: TableEngine, events: list[Event]) -> None:
        table = events_table([evolve(each, created=number) for number, each in enumerate(events)])
        rows = table.to_pylist()
        latest = _whole(engine.latest_per_key(table, ["key"], ["time", "created"])).to_pylist()
        assert [row["key"] for row in latest] == list(dict.fromkeys(row["key"] for row in rows))
        for row in latest:
            of_key = [each for each in rows if each["key"] == row["key"]]
            assert repr(row) == repr(max(of_key, key=lambda each: (_least_null(each["time"]), each["created"])))

    def test_batches_are_mapped_in_order_and_no_larger_than_asked(self, engine: TableEngine) -> None:
        sizes: list[int] = []

        def double(piece: pa.Table) -> pa.Table:
            sizes.append(piece.num_rows)
            return pa.table({"twice": [2 * value.as_py() for value in piece["value"]]}, schema=pa.schema({"twice": pa.int64()}))

        answer = _whole(engine.map_batches(pa.table({"value": list(range(10))}), double, rows=4))
        assert answer["twice"].to_pylist() == [2 * value for value in range(10)]
        assert max(sizes) <= 4
