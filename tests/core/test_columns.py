from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from intonaco.core import Columns, Masked, Ragged
from intonaco.core.columns import check_column, concatenate, present, rows_of, take
from intonaco.core.errors import SchemaError
from intonaco.core.schema import Field

ROWS = st.lists(st.lists(st.integers(-9, 9), max_size=4), max_size=6)


def ragged(rows: list[list[int]]) -> Ragged:
    return Ragged(np.array([value for row in rows for value in row], np.int32), np.cumsum([0, *map(len, rows)]))


def objects(*values: object) -> NDArray[np.object_]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def lists(column: object) -> list[list[int]]:
    assert isinstance(column, Ragged)
    return [row.tolist() for row in column]


@given(ROWS)
def test_ragged_rows_come_back(rows: list[list[int]]) -> None:
    assert lists(ragged(rows)) == rows


@given(ROWS, st.data())
def test_ragged_rows_are_taken_like_a_list(rows: list[list[int]], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=8)) if rows else []
    taken = take({"a": ragged(rows)}, np.array(chosen, np.intp))["a"]
    assert lists(taken) == [rows[row] for row in chosen]
    assert isinstance(taken, Ragged)
    assert taken.values.dtype == np.int32


@given(ROWS, st.integers(0, 6))
def test_a_slice_and_a_mask_take_the_same_rows(rows: list[list[int]], start: int) -> None:
    column = ragged(rows)
    mask = np.arange(len(rows)) >= start
    assert lists(column.take(slice(start, None))) == lists(column.take(mask)) == rows[start:]


@given(ROWS, st.integers(0, 6))
def test_parts_of_ragged_rows_make_the_whole(rows: list[list[int]], cut: int) -> None:
    whole = {"a": ragged(rows)}
    assert lists(concatenate([take(whole, slice(cut)), take(whole, slice(cut, None))])["a"]) == rows


def test_ragged_rows_count_from_the_end_and_end() -> None:
    column = ragged([[1], [2, 3]])
    assert column[-1].tolist() == [2, 3]
    with pytest.raises(IndexError):
        column[2]


@pytest.mark.parametrize("offsets", [[], [1, 2], [0, 1], [0, 2, 1, 2], [0, 3]])
def test_offsets_that_do_not_fit_are_refused(offsets: list[int]) -> None:
    with pytest.raises(SchemaError, match="offsets must rise from 0"):
        Ragged(np.arange(2), offsets)


@pytest.mark.parametrize("missing", [np.array([True]), np.array([0, 1]), np.array([[True, False]])])
def test_a_mask_that_does_not_fit_is_refused(missing: NDArray[np.bool_]) -> None:
    with pytest.raises(SchemaError, match="one bool per row"):
        Masked(np.arange(2), missing)


@given(arrays(np.float64, st.integers(0, 9)), st.integers(0, 9))
def test_parts_of_plain_columns_make_the_whole_to_the_bit(values: NDArray[np.float64], cut: int) -> None:
    whole: Columns = {"a": values, "b": Masked(values, np.isnan(values))}
    joined = concatenate([take(whole, slice(cut)), take(whole, slice(cut, None))])
    masked = joined["b"]
    assert isinstance(masked, Masked)
    assert np.asarray(joined["a"]).tobytes() == values.tobytes() == masked.values.tobytes()
    assert present(masked).tolist() == present(values).tolist()


def test_a_masked_part_makes_the_whole_masked() -> None:
    joined = concatenate([{"a": np.array([1.0, np.nan])}, {"a": Masked(np.array([3.0]), np.array([True]))}])["a"]
    assert present(joined).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"a": np.array([2**60])}, {"a": np.array([0.5])}),
        ({"a": np.array(["x"], object)}, {"a": np.array([1])}),
        ({"a": np.array([1])}, {"a": Ragged.from_rows([np.array([1])])}),
        ({"a": np.array([1])}, {"b": np.array([1])}),
        ({"a": np.array([1])}, {"a": np.array([1]), "b": np.array([1])}),
    ],
)
def test_parts_that_do_not_fit_are_refused(first: Columns, second: Columns) -> None:
    with pytest.raises(SchemaError, match=r"'a'|columns"):
        concatenate([first, second])


def test_no_parts_are_no_columns() -> None:
    assert concatenate([]) == {}


@pytest.mark.parametrize(
    ("column", "held"),
    [
        (np.array([1, 2]), [True, True]),
        (np.array([1.0, np.nan]), [True, False]),
        (np.array([[1.0, np.nan], [1.0, 2.0]]), [False, True]),
        (np.empty((0, 3)), []),
        (np.array(["NaT", "2013-01-01"], "datetime64[us]"), [False, True]),
        (np.array(["", None], object), [True, True]),
        (Masked(np.array([1, 2]), np.array([True, False])), [False, True]),
        (Ragged.from_rows([np.array([]), np.array([1.0])]), [True, True]),
    ],
)
def test_presence_is_told_for_every_kind_of_column(column: NDArray[np.float64], held: list[bool]) -> None:
    assert present(column).tolist() == held


def test_rows_are_counted_and_must_agree() -> None:
    assert rows_of({}) == 0
    assert rows_of({"a": np.arange(3), "b": ragged([[], [], []])}) == 3
    with pytest.raises(SchemaError, match="the request: columns differ in length"):
        rows_of({"a": np.arange(3), "b": np.arange(2)}, "the request")


@pytest.mark.parametrize("held", ["0", "-999.99", "1E+2", "100.10000", "0E-9"])
def test_decimals_within_their_digits_are_taken(held: str) -> None:
    check_column(objects(Decimal(held)), Field("price", "decimal(5,2)"), 1, "the columns")


@pytest.mark.parametrize(
    ("held", "says"),
    [
        (Decimal("1000"), "more digits than it has"),
        (Decimal("0.001"), "more digits than it has"),
        (Decimal("NaN"), "where a decimal(5,2) was expected"),
        (Decimal("Infinity"), "where a decimal(5,2) was expected"),
        (1.5, "where a decimal(5,2) was expected"),
    ],
)
def test_what_a_decimal_cannot_hold_is_refused(held: object, says: str) -> None:
    with pytest.raises(SchemaError) as caught:
        check_column(objects(Decimal("1"), held), Field("price", "decimal(5,2)"), 2, "the columns")
    assert "row 1" in str(caught.value)
    assert says in str(caught.value)


def test_what_stands_at_a_missing_decimal_may_be_anything() -> None:
    check_column(Masked(objects(None), np.array([True])), Field("price", "decimal(5,2)", nullable=True), 1, "the columns")


@pytest.mark.parametrize("dtype", ["decimal", "decimal(0,0)", "decimal(39,2)", "decimal(2,3)", "decimal(5, 2)"])
def test_decimals_of_impossible_digits_are_refused(dtype: str) -> None:
    with pytest.raises(SchemaError, match="unknown type"):
        Field("price", dtype)
