"""Means of rows, for all of them and by segment."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from intonaco.core.columns import Masked
from intonaco.core.errors import SchemaError
from intonaco.infra.lineage.cells import Cell
from intonaco.infra.lineage.measures import mean_cells


def words(*given: str) -> Any:
    return np.array(given, dtype=object)


def by_segment(cells: list[Cell]) -> dict[str, tuple[float, int]]:
    return {cell.segment: (cell.value, cell.n) for cell in cells}


def test_all_rows_come_first_then_each_segment() -> None:
    cells = mean_cells("mae", np.array([1.0, 3.0, 8.0]), {"origin": words("JFK", "JFK", "EWR")}, at_least=1)
    assert cells[0].segment == ""
    assert by_segment(cells) == {"": (4.0, 3), "origin=EWR": (8.0, 1), "origin=JFK": (2.0, 2)}


def test_rows_without_a_value_do_not_count() -> None:
    cells = mean_cells("mae", np.array([1.0, np.nan]), {"origin": words("JFK", "EWR")}, at_least=1)
    assert by_segment(cells) == {"": (1.0, 1), "origin=JFK": (1.0, 1)}


def test_small_segments_and_columns_of_many_values_are_left_out() -> None:
    columns = {"origin": words(*["JFK"] * 40, *["EWR"] * 20), "row": np.arange(60)}
    assert by_segment(mean_cells("mae", np.ones(60), columns, at_most=10)) == {"": (1.0, 60), "origin=JFK": (1.0, 40)}


def test_rows_of_no_segment_are_called_missing() -> None:
    column = Masked(words("a", "b"), np.array([False, True]))
    assert set(by_segment(mean_cells("mae", np.ones(2), {"x": column}, at_least=1))) == {"", "x=a", "x=missing"}


def test_the_interval_holds_the_true_mean_in_about_19_of_20_samples() -> None:
    rows = np.random.default_rng(0)
    cells = [mean_cells("m", rows.exponential(size=400))[0] for _ in range(400)]
    inside = sum(cell.low is not None and cell.high is not None and cell.low <= 1.0 <= cell.high for cell in cells)
    assert 0.91 < inside / 400 < 0.98


def test_one_row_has_no_interval() -> None:
    assert (mean_cells("m", np.array([2.0]))[0].low, mean_cells("m", np.array([2.0]))[0].value) == (None, 2.0)


def test_a_segment_of_another_length_is_refused() -> None:
    with pytest.raises(SchemaError, match="segment 'origin' has 1 rows, the metric 'mae' 2"):
        mean_cells("mae", np.ones(2), {"origin": words("JFK")})


@given(some.lists(some.tuples(some.integers(-99, 99), some.sampled_from("abc")), min_size=1, max_size=50))
def test_segments_add_up_to_the_whole(rows: list[tuple[int, str]]) -> None:
    whole, *parts = mean_cells("m", np.array([row[0] for row in rows]), {"s": words(*(row[1] for row in rows))}, at_least=1)
    assert sum(cell.n for cell in parts) == whole.n == len(rows)
    assert sum(cell.n * cell.value for cell in parts) == pytest.approx(whole.n * whole.value)
