"""Drift is nothing where nothing moved, and grows with what did."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from intonaco.core.errors import MissingError, SchemaError
from intonaco.infra.compute.distributions import psi
from intonaco.infra.monitoring.buckets import Buckets
from intonaco.infra.monitoring.drift import drift
from intonaco.infra.monitoring.reference import Reference

DAY_US = 86_400_000_000
COUNTS = some.lists(some.integers(0, 1000), min_size=2, max_size=12).filter(any)


def normal(rows: int, seed: int = 0, shift: float = 0.0) -> Any:
    return np.random.default_rng(seed).normal(shift, size=rows)


@given(COUNTS, some.integers(1, 50))
def test_psi_of_equal_distributions_is_zero(counts: list[int], times: int) -> None:
    assert psi(np.array([counts]) * times, np.array(counts)).tolist() == [0.0]


@given(COUNTS, COUNTS)
def test_psi_is_never_negative_and_finite(counts: list[int], reference: list[int]) -> None:
    width = min(len(counts), len(reference))
    if any(counts[:width]) and any(reference[:width]):
        value = psi(np.array([counts[:width]]), np.array(reference[:width]))[0]
        assert 0 <= value < np.inf


@given(some.lists(some.tuples(some.integers(1, 1000), some.integers(1, 1000)), min_size=2, max_size=12))
def test_psi_does_not_depend_on_which_side_is_the_reference(pairs: list[tuple[int, int]]) -> None:
    left, right = np.array(pairs).T
    assert psi(left[None], right)[0] == pytest.approx(psi(right[None], left)[0])


@given(some.lists(some.tuples(some.integers(1, 100), some.integers(1, 100)), min_size=2, max_size=8), some.randoms())
def test_psi_does_not_depend_on_the_order_of_the_bins(pairs: list[tuple[int, int]], random: Any) -> None:
    mixed = random.sample(pairs, len(pairs))
    before, after = (psi(np.array(each)[None, :, 0], np.array(each)[:, 1])[0] for each in (pairs, mixed))
    assert before == pytest.approx(after)


def test_chance_alone_gives_a_psi_near_zero_whatever_the_size_of_the_window() -> None:
    reference = Reference.of({"x": normal(100_000)})
    for rows in (200, 1000, 10_000):
        values = [drift(reference, {"x": normal(rows, seed)}).psi[0, 0] for seed in range(1, 30)]
        assert np.mean(values) < 9 / rows
        assert max(values) < 0.1


def test_a_shift_of_one_standard_deviation_has_the_psi_and_distance_of_theory() -> None:
    reference = Reference.of({"x": normal(200_000)})
    moved = drift(reference, {"x": normal(200_000, 1, shift=1.0)})
    assert 0.8 < moved.psi[0, 0] < 1.0  # 1 without binning, Jeffreys' divergence of two such normals
    assert moved.distance[0, 0] == pytest.approx(0.3829, abs=0.01)  # 2 * Phi(0.5) - 1


def test_the_distance_of_categories_is_the_total_variation() -> None:
    reference = Reference.of({"x": np.array(["a"] * 500 + ["b"] * 500, dtype=object)})
    assert drift(reference, {"x": np.array(["a"] * 400 + ["new"] * 600, dtype=object)}).distance[0, 0] == pytest.approx(0.6)


def test_more_nulls_are_a_null_change_and_no_drift_of_the_values() -> None:
    reference = Reference.of({"x": normal(10_000)})
    window = normal(10_000)
    window[:2500] = np.nan
    found = drift(reference, {"x": window})
    assert found.null_change[0, 0] == pytest.approx(0.25)
    assert found.psi[0, 0] < 0.01
    assert found.n[0, 0] == 7500


def test_a_constant_that_changes_is_a_great_drift_in_either_direction() -> None:
    reference = Reference.of({"x": np.zeros(1000)})
    for changed in (-1.0, 1.0):
        found = drift(reference, {"x": np.full(1000, changed)})
        assert found.psi[0, 0] > 1
        assert found.distance[0, 0] == 1


def test_too_few_values_have_no_drift() -> None:
    reference = Reference.of({"x": normal(1000)})
    found = drift(reference, {"x": normal(199)})
    assert np.isnan(found.psi[0, 0])
    assert not np.isnan(drift(reference, {"x": normal(199)}, at_least=100).psi[0, 0])


@given(some.lists(some.integers(0, 4), min_size=1, max_size=5))
def test_drift_by_day_is_the_drift_of_each_days_rows(days: list[int]) -> None:
    rows = np.repeat(days, 50)
    at_us, columns = rows * DAY_US, {"x": normal(len(rows), 1), "t": np.array(["a", "b", None, "c", "a"] * (len(rows) // 5), dtype=object)}
    reference = Reference.of({"x": normal(1000), "t": columns["t"]})
    buckets = Buckets.of(at_us)
    together = drift(reference, columns, buckets, at_least=1)
    for place, chosen in enumerate(buckets.split()):
        alone = drift(reference, {name: column[chosen] for name, column in columns.items()}, at_least=1)
        for measure in ("psi", "distance", "null_change", "n"):
            assert getattr(together, measure)[:, place].tolist() == pytest.approx(getattr(alone, measure)[:, 0].tolist(), nan_ok=True)


def test_columns_that_only_one_side_has_are_left_out_unless_asked_for() -> None:
    reference = Reference.of({"x": normal(1000), "gone": normal(1000)})
    assert drift(reference, {"x": normal(1000), "new": normal(1000)}).columns == ("x",)
    with pytest.raises(SchemaError, match="the rows have no column 'gone'"):
        drift(reference, {"x": normal(1000)}, names=["gone"])
    with pytest.raises(MissingError, match="the reference has no column 'new'"):
        drift(reference, {"new": normal(1000)}, names=["new"])


def test_one_measure_of_one_column_is_found_by_name() -> None:
    found = drift(Reference.of({"speed": normal(1000)}), {"speed": normal(1000)})
    assert found.of("speed", "distance").tolist() == found.distance[0].tolist()
    with pytest.raises(MissingError, match="did you mean 'speed'"):
        found.of("sped")


def test_without_columns_or_rows_there_is_no_drift() -> None:
    assert drift(Reference.of({}), {"x": normal(10)}).psi.shape == (0, 1)
    assert drift(Reference.of({"x": normal(10)}), {"x": normal(0)}, Buckets.of(np.empty(0, np.int64))).psi.shape == (1, 0)
