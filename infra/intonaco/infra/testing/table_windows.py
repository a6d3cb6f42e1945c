"""What the windows of every table engine must hold: answers equal, bit for bit, to plain loops over the rule of time."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import attrs
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intonaco.core.errors import IntonacoError, InvalidError, SchemaError
from intonaco.infra.compute.measures import DEFAULT_RESOLUTION, KINDS, WHOLE_KINDS, measures_of
from intonaco.infra.compute.tables import Events, TableEngine, WindowColumn, Windows
from intonaco.infra.testing.hardevents import COLUMNS, EVENTS, ROWS, UTC, Row, events_table, hard, rows_table
from intonaco.infra.testing.windowrule import Event, aggregate, held_in, usable

__all__ = ["WindowCases"]

#: Parameters of the kinds that have some, as `Feature` has them.
_PARAMETERS: dict[str, tuple[float, ...]] = {"last_k": (3,), "distinct": (4,), "quantile": (0.75, 6)}
_TYPES = {"value": "float64", "whole": "int64", "flag": "int64", "money": "decimal(18,2)"}
_UNITS = {"value": DEFAULT_RESOLUTION, "money": 10.0**-2}

_SPANS = st.sampled_from([(10, 10), (10, 3), (24, 1), (45, 4), (1, 1)])


def _any_windows(over: int, hop: int) -> tuple[WindowColumn, ...]:
    """Every kind of every column that has it; squares of the largest numbers here have no room."""
    without = {"text": set(KINDS) - {"count", "distinct"}, "whole": {"variance"}, "money": {"variance"}}
    made = [_window(kind, column, over, hop) for column in COLUMNS for kind in KINDS if kind not in without.get(column, ())]
    return (*made, _window("count", "", over, hop))


def _window(kind: str, column: str, over: int, hop: int) -> WindowColumn:
    floats, resolution, parameters = column == "value", _UNITS.get(column, 1.0), _PARAMETERS.get(kind, ())
    return WindowColumn(
        name=f"{column}_{kind}",
        kind=kind,
        column=column,
        over_us=over,
        hop_us=hop,
        resolution=resolution,
        floats=floats,
        measures=measures_of(kind, column, resolution if floats else 1.0, parameters),
        parameters=parameters,
        dtype=_TYPES.get(column, "") if kind in WHOLE_KINDS and not floats else "float64",
    )


def _expected(window: WindowColumn, inside: Sequence[Event]) -> Any:
    if window.kind == "sum" and all(each.values[window.column] is None for each in inside):
        return {"value": 0.0, "money": Decimal(0)}.get(window.column, 0)
    return aggregate(window.kind, window.column, inside, DEFAULT_RESOLUTION, window.parameters)


def _exact(value: Any) -> Any:
    """The value so that equal means equal in type and bits."""
    if isinstance(value, list):
        return [_exact(each) for each in value]
    return value.hex() if isinstance(value, float) else (type(value).__name__, value)


class WindowCases:
    """Windows of a table engine: part of `TableEngineContract`."""

    @pytest.fixture
    def engine(self) -> TableEngine:
        """The engine under test."""
        raise NotImplementedError("the subclass provides the fixture `engine`")

    @hard
    @given(EVENTS, ROWS, st.sampled_from([0, 1, 7]), _SPANS, st.sampled_from([None, 30]))
    def test_windows_hold_what_the_rule_of_time_says(
        self, engine: TableEngine, events: list[Event], rows: list[Row], delay: int, window: tuple[int, int], valid_for: int | None
    ) -> None:
        columns = _any_windows(*window)
        source = Events(data=events_table(events), keys=("key",), time="time", created="created", delay_us=delay)
        windows = Windows(events=source, columns=columns, valid_for_us=valid_for, age="age")
        answer = pa.concat_tables(engine.window_aggregates(rows_table(rows), "at", [windows])).to_pylist()
        assert len(answer) == len(rows)
        for (key, at), got in zip(rows, answer, strict=True):
            seen = usable(events, key, at, delay)
            newest = max((each.time for each in seen if each.time is not None), default=None)
            age = None if newest is None else at - newest
            shown = age is not None and (valid_for is None or age <= valid_for)
            inside = held_in(seen, at, delay, *window)
            assert got.pop("age") == age
            for column in columns:
                expected = _expected(column, inside) if shown else None
                assert _exact(got[column.name]) == _exact(expected), (column.name, got[column.name], expected)

    @hard
    @given(EVENTS, ROWS, st.randoms(use_true_random=False))
    def test_the_order_of_events_does_not_matter(self, engine: TableEngine, events: list[Event], rows: list[Row], random: Any) -> None:
        shuffled = list(events)
        random.shuffle(shuffled)
        answers = []
        for given_events in (events, shuffled):
            source = Events(data=events_table(given_events), keys=("key",), time="time", created="created")
            answers.append(
                pa.concat_tables(engine.window_aggregates(rows_table(rows), "at", [Windows(events=source, columns=_any_windows(24, 3))]))
            )
        assert answers[0].equals(answers[1])

    def test_windows_over_empty_tables_are_empty_or_null(self, engine: TableEngine) -> None:
        windows = [Windows(events=Events(data=events_table([]), keys=("key",), time="time"), columns=_any_windows(10, 1))]
        assert pa.concat_tables(engine.window_aggregates(rows_table([]), "at", windows)).num_rows == 0
        answer = pa.concat_tables(engine.window_aggregates(rows_table([("a", 3)]), "at", windows))
        assert answer.to_pylist() == [{column.name: None for column in _any_windows(10, 1)}]

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e300])
    def test_a_value_that_fixed_point_cannot_hold_is_refused(self, engine: TableEngine, value: float) -> None:
        assert "value" in str(_refused(engine, "sum", "value", pa.array([value]), InvalidError))

    @pytest.mark.parametrize("kind", ["minimum", "maximum", "first", "last", "last_k", "distinct", "quantile"])
    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_a_value_that_is_not_finite_is_refused(self, engine: TableEngine, kind: str, value: float) -> None:
        error = _refused(engine, kind, "value", pa.array([1.0, value]), InvalidError)
        assert error.hint == "write a missing value as null"

    def test_a_sum_past_63_bits_is_refused(self, engine: TableEngine) -> None:
        assert "63 bits" in str(_refused(engine, "sum", "whole", pa.array([2**62, 2**62]), InvalidError))

    def test_an_integer_past_63_bits_is_refused(self, engine: TableEngine) -> None:
        for kind in ("sum", "minimum", "last_k"):
            assert "63 bits" in str(_refused(engine, kind, "whole", pa.array([2**63 + 1], pa.uint64()), InvalidError))

    def test_a_decimal_past_63_bits_is_refused(self, engine: TableEngine) -> None:
        values = pa.array([Decimal("1e20")], pa.decimal128(38, 2))
        assert "63 bits" in str(_refused(engine, "sum", "money", values, InvalidError))

    def test_sums_of_which_the_running_sum_passes_63_bits_are_exact(self, engine: TableEngine) -> None:
        events = pa.table({"key": ["a"] * 8, "time": pa.array(range(8), UTC), "whole": pa.array([2**61 + number for number in range(8)])})
        windows = [Windows(events=Events(data=events, keys=("key",), time="time"), columns=(_window("sum", "whole", 2, 1),))]
        answer = pa.concat_tables(engine.window_aggregates(rows_table([("a", 8), ("a", 2)]), "at", windows))
        assert answer["whole_sum"].to_pylist() == [2**62 + 13, 2**62 + 1]

    def test_variances_of_whole_numbers_and_decimals_are_exact(self, engine: TableEngine) -> None:
        assert _answer(engine, "variance", "whole", pa.array([2**40, 2**40 + 1, 2**40 + 2, None])) == 2 / 3
        assert _answer(engine, "variance", "money", pa.array([Decimal("1.10"), Decimal("1.30")], COLUMNS["money"])) == 100 * 0.01 * 0.01

    def test_a_number_whose_square_has_no_room_is_refused(self, engine: TableEngine) -> None:
        assert "variance" in str(_refused(engine, "variance", "whole", pa.array([2**46]), InvalidError))

    def test_texts_have_no_sum(self, engine: TableEngine) -> None:
        assert "text" in str(_refused(engine, "sum", "text", pa.array(["a"]), SchemaError))

    def test_categories_are_counted_as_their_texts(self, engine: TableEngine) -> None:
        plain = pa.array(["x", "y", None, "x"])
        answers = []
        for values in (plain, plain.dictionary_encode(), plain.cast(pa.large_string())):
            events = pa.table({"key": ["a"] * 4, "time": pa.array(range(4), UTC), "text": values})
            columns = (_window("distinct", "text", 9, 1), _window("count", "text", 9, 1))
            windows = [Windows(events=Events(data=events, keys=("key",), time="time"), columns=columns)]
            answers.append(pa.concat_tables(engine.window_aggregates(rows_table([("a", 9)]), "at", windows)).to_pylist())
        assert answers == [[{"text_distinct": 2.0, "text_count": 3.0}]] * 3

    def test_equal_numbers_of_any_width_are_one_value(self, engine: TableEngine) -> None:
        for values in ([1, 3, 1], [1.0, 3.0, 1.0]):
            found = [_answer(engine, "distinct", "whole", pa.array(values, kind)) for kind in (_widths(values))]
            assert found == [2.0] * len(found)


def _widths(values: list[Any]) -> list[pa.DataType]:
    return [pa.float32(), pa.float64()] if isinstance(values[0], float) else [pa.int8(), pa.uint16(), pa.int64(), pa.uint64()]


def _answer(engine: TableEngine, kind: str, column: str, values: pa.Array) -> Any:
    """The aggregate of all these values."""
    times = pa.array(range(len(values)), UTC)
    source = Events(data=pa.table({"key": ["a"] * len(values), "time": times, column: values}), keys=("key",), time="time")
    window = attrs.evolve(_window(kind, column, 60, 1), floats=pa.types.is_floating(values.type))
    answer = pa.concat_tables(engine.window_aggregates(rows_table([("a", 50)]), "at", [Windows(events=source, columns=(window,))]))
    return answer[window.name].to_pylist()[0]


def _refused(engine: TableEngine, kind: str, column: str, values: pa.Array, expected: type[IntonacoError]) -> IntonacoError:
    with pytest.raises(expected) as caught:
        _answer(engine, kind, column, values)
    return caught.value
