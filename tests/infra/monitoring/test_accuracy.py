"""Accuracy is measured where outcomes are known, and says how many are not."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from intonaco.core.columns import Masked, Ragged
from intonaco.core.errors import NotRegisteredError, SchemaError
from intonaco.infra.monitoring.accuracy import accuracy, rowwise
from intonaco.infra.monitoring.outcomes import Outcome, Outcomes

DAY_US = 86_400_000_000


def outcomes(values: Any, states: Any = None) -> Outcomes:
    values = np.asarray(values)
    codes = np.zeros(len(values)) if states is None else np.asarray(states)
    return Outcomes(values=values, states=codes.astype(np.uint8), label_rows=np.arange(len(values)))


def days(*numbers: int) -> Any:
    return np.array(numbers, dtype=np.int64) * DAY_US


def test_the_error_of_each_day_is_the_mean_over_its_rows() -> None:
    series = accuracy(np.zeros(3), outcomes([1.0, 3.0, -5.0]), days(0, 0, 1), metrics=["mae", "bias"])
    assert series.values("mae") == [2.0, 5.0]
    assert series.values("bias") == [-2.0, 5.0]


def test_rows_that_wait_are_counted_and_not_measured() -> None:
    states = [Outcome.known, Outcome.pending, Outcome.pending, Outcome.absent]
    bucket = accuracy(np.zeros(4), outcomes([1.0, 9.0, 9.0, 9.0], states), days(0, 0, 0, 0)).buckets[0]
    assert (bucket.n, bucket.known, bucket.pending, bucket.absent) == (4, 1, 2, 1)
    assert bucket.pending_share == pytest.approx(2 / 3)
    assert bucket.cells.pick("mae").value == 1.0


def test_a_day_without_outcomes_has_no_cells() -> None:
    series = accuracy(np.zeros(2), outcomes([1.0, 1.0]), days(0, 2))
    assert series.values("mae") == [1.0, None, 1.0]
    assert series.buckets[1].pending_share == 0.0


def test_segments_are_measured_by_day() -> None:
    origin = np.array(["JFK"] * 40 + ["EWR"] * 40, dtype=object)
    series = accuracy(np.zeros(80), outcomes(np.repeat([1.0, 3.0], 40)), days(*[0] * 80), segments={"origin": origin})
    assert series.values("mae", "origin=JFK") == [1.0]
    assert series.values("mae", "origin=EWR") == [3.0]


def test_the_estimators_own_error_stands_beside_that_of_its_correction() -> None:
    series = accuracy(np.array([8.0]), outcomes([10.0]), days(0), metrics=["mae", "base_mae"])
    assert (series.values("mae"), series.values("base_mae")) == ([2.0], [10.0])


def test_names_are_right_or_wrong() -> None:
    told, truth = np.array(["a", "b"], dtype=object), np.array(["a", "c"], dtype=object)
    assert accuracy(told, outcomes(truth), days(0, 0), metrics=["error_rate"]).values("error_rate") == [0.5]


def test_masked_columns_are_measured_alike() -> None:
    told = Masked(np.array([1, 2]), np.array([False, False]))
    assert accuracy(told, outcomes([1, 4]), days(0, 0)).values("mae") == [1.0]


def test_an_unknown_metric_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(NotRegisteredError, match="did you mean 'mae'"):
        rowwise("maee", np.zeros(1), outcomes([1.0]))


def test_predictions_of_several_values_cannot_be_measured() -> None:
    with pytest.raises(SchemaError, match="the prediction holds several values a row"):
        accuracy(Ragged(np.zeros(2), np.array([0, 1, 2])), outcomes([1.0, 1.0]), days(0, 0))


def test_another_number_of_outcomes_is_refused() -> None:
    with pytest.raises(SchemaError, match="3 predictions cannot be measured by 1 outcomes"):
        accuracy(np.zeros(3), outcomes([1.0]), days(0))


def test_nothing_gives_nothing() -> None:
    assert accuracy(np.zeros(0), outcomes([]), days()).buckets == ()


@given(some.lists(some.tuples(some.integers(0, 5), some.sampled_from(list(Outcome)), some.integers(-9, 9)), max_size=60))
def test_buckets_hold_every_prediction_once_and_add_up_to_the_whole(rows: list[Any]) -> None:
    at_us = days(*(row[0] for row in rows))
    joined = outcomes([float(row[2]) for row in rows], [row[1] for row in rows])
    buckets = accuracy(np.zeros(len(rows)), joined, at_us).buckets
    assert sum(bucket.n for bucket in buckets) == len(rows)
    total = sum(cell.value * cell.n for bucket in buckets for cell in bucket.cells)
    assert total == pytest.approx(sum(abs(row[2]) for row in rows if row[1] == Outcome.known))
