from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from intonaco.core.columns import Masked, Ragged
from intonaco.infra.compute.dependence import Rated, information, rank_correlation, rated, uncertainty

RANDOM = np.random.default_rng(0)


def held(values: Any) -> Rated:
    found = rated("x", values)
    assert found is not None
    return found


@pytest.mark.parametrize("rho", [0.3, 0.6, 0.9])
def test_the_information_of_two_normals_is_nearly_that_of_theory(rho: float) -> None:
    x = RANDOM.normal(size=100_000)
    y = rho * x + np.sqrt(1 - rho**2) * RANDOM.normal(size=100_000)
    theory = -0.5 * np.log2(1 - rho**2)
    assert 0.8 * theory < information(held(x), held(y)) <= 1.02 * theory  # bins lose a little
    assert rank_correlation(held(x), held(y)) == pytest.approx(6 / np.pi * np.arcsin(rho / 2), abs=0.01)


def test_what_is_independent_has_no_information_however_few_rows() -> None:
    for rows in (300, 3000):
        found = [information(held(RANDOM.normal(size=rows)), held(RANDOM.normal(size=rows))) for _ in range(20)]
        assert np.mean(found) < 0.06


def test_what_tells_the_other_fully_is_certain() -> None:
    words = np.array(["a", "b", "c", "d"] * 250, dtype=object)
    numbers = np.array([4.0, 3.0, 2.0, 1.0] * 250)
    assert uncertainty(held(words), held(numbers)) == pytest.approx(1.0, abs=0.01)
    assert np.isnan(rank_correlation(held(words), held(numbers)))


def test_that_a_value_is_missing_may_tell_something() -> None:
    target = RANDOM.integers(0, 2, 2000).astype(np.float64)
    numbers = np.where(target == 1, np.nan, RANDOM.normal(size=2000))
    words = Masked(np.array(["a"] * 2000, dtype=object), target == 1)
    for column in (numbers, words):
        assert information(held(column), held(target)) == pytest.approx(1.0, abs=0.01)


def test_rank_correlation_looks_at_rows_where_both_are_there() -> None:
    x = np.arange(10.0)
    y = np.where(x < 3, np.nan, -x)
    assert rank_correlation(held(x), held(y)) == pytest.approx(-1.0)
    assert np.isnan(rank_correlation(held(x), held(np.zeros(10))))


def test_times_and_bools_take_part_and_rows_of_different_lengths_do_not() -> None:
    times = np.arange(1000).astype("datetime64[us]")
    assert rank_correlation(held(times), held(np.arange(1000) >= 500)) == pytest.approx(0.866, abs=0.01)
    assert rated("x", Ragged(np.arange(3), np.array([0, 1, 3]))) is None
    assert rated("x", np.zeros((3, 2))) is None


@given(some.lists(some.tuples(some.integers(0, 5), some.integers(0, 5)), max_size=60))
def test_information_is_symmetric_and_within_its_bounds(pairs: list[tuple[int, int]]) -> None:
    x, y = (np.array([pair[side] for pair in pairs], dtype=np.float64) for side in (0, 1))
    one, other = held(x), held(y)
    assert information(one, other) == pytest.approx(information(other, one))
    assert 0 <= information(one, other) <= min(one.entropy, other.entropy) + 1e-9
    assert 0 <= uncertainty(one, other) <= 1
