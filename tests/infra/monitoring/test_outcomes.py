"""Each prediction gets one outcome, or waits for it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from intonaco.core.columns import Masked
from intonaco.core.errors import SchemaError
from intonaco.infra.features.defined.labels import Labels
from intonaco.infra.monitoring.outcomes import Outcome, join_outcomes

LABELS = Labels(name="arrivals", table="arrivals", keys=("flight",), value="delay", final="arrived", at="left")


def table(*rows: tuple[str, float, int]) -> dict[str, Any]:
    """Labels: flight, delay, arrived."""
    flights, delays, arrived = zip(*rows, strict=True) if rows else ((), (), ())
    return {"flight": np.array(flights, dtype=object), "delay": np.array(delays, dtype=float), "arrived": np.array(arrived, dtype=np.int64)}


def asked(*flights: str) -> dict[str, Any]:
    return {"flight": np.array(flights, dtype=object)}


def at(*moments: int) -> Any:
    return np.array(moments, dtype=np.int64)


def test_an_outcome_is_found_by_its_keys() -> None:
    joined = join_outcomes(asked("UA1", "UA2"), at(5, 5), table(("UA2", 20, 9), ("UA1", 10, 8)), LABELS)
    assert np.asarray(joined.values).tolist() == [10, 20]
    assert joined.label_rows.tolist() == [1, 0]


def test_of_several_events_the_first_at_or_after_the_prediction_counts() -> None:
    labels = table(("UA1", 1, 10), ("UA1", 2, 20), ("UA1", 3, 30))
    assert np.asarray(join_outcomes(asked(*["UA1"] * 4), at(0, 10, 11, 30), labels, LABELS).values).tolist() == [1, 1, 2, 3]


def test_an_event_before_the_prediction_is_not_its_outcome() -> None:
    assert join_outcomes(asked("UA1"), at(11), table(("UA1", 1, 10)), LABELS).states.tolist() == [Outcome.pending]


def test_what_becomes_final_later_is_still_to_come() -> None:
    labels = table(("UA1", 1, 10), ("UA2", 2, 20))
    joined = join_outcomes(asked("UA1", "UA2", "UA3"), at(5, 5, 5), labels, LABELS, until_us=15)
    assert joined.states.tolist() == [Outcome.known, Outcome.pending, Outcome.pending]


def test_after_the_time_to_wait_no_outcome_will_come() -> None:
    joined = join_outcomes(asked("UA1", "UA1"), at(5, 90), table(), LABELS, until_us=100, wait=50)
    assert joined.states.tolist() == [Outcome.absent, Outcome.pending]


def test_a_label_without_a_value_says_that_there_is_no_outcome() -> None:
    joined = join_outcomes(asked("UA1"), at(5), table(("UA1", float("nan"), 10)), LABELS)
    assert joined.states.tolist() == [Outcome.absent]


def test_a_cancelled_flight_has_no_time_of_arrival_and_no_outcome() -> None:
    labels = {**table(("UA1", float("nan"), 0)), "arrived": Masked(at(0), np.array([True])), "left": at(5)}
    assert join_outcomes(asked("UA1"), at(5), labels, LABELS).states.tolist() == [Outcome.absent]


def test_the_later_of_two_labels_of_the_same_moment_counts() -> None:
    assert np.asarray(join_outcomes(asked("UA1"), at(5), table(("UA1", 1, 10), ("UA1", 2, 10)), LABELS).values).tolist() == [2]


def test_text_labels_and_times_of_numpy_are_joined_alike() -> None:
    labels = {**table(("UA1", 0, 10)), "delay": np.array(["late"], dtype=object), "arrived": np.array([10], dtype="datetime64[us]")}
    assert np.asarray(join_outcomes(asked("UA1"), at(5), labels, LABELS).values).tolist() == ["late"]


def test_without_labels_everything_is_still_to_come() -> None:
    joined = join_outcomes(asked("UA1"), at(5), table(), LABELS)
    assert joined.pending.all()
    assert len(joined.values) == 1


def test_without_predictions_there_are_no_outcomes() -> None:
    assert len(join_outcomes(asked(), at(), table(("UA1", 1, 10)), LABELS)) == 0


def test_a_missing_key_column_is_named() -> None:
    with pytest.raises(SchemaError, match="the predictions have no column 'flight'"):
        join_outcomes({"flite": at(1)}, at(1), table(), LABELS)


def test_keys_of_different_types_are_refused() -> None:
    with pytest.raises(SchemaError, match="key 'flight' is int64 in the predictions and string in the labels"):
        join_outcomes({"flight": at(1)}, at(1), table(("UA1", 1, 10)), LABELS)


ROW = some.tuples(some.sampled_from(["a", "b", "c", None]), some.integers(0, 3), some.integers(0, 9))


@given(some.lists(ROW, max_size=30), some.lists(ROW, max_size=30), some.integers(0, 12))
def test_every_prediction_gets_what_a_search_one_by_one_finds(predictions: list[Any], labels: list[Any], until: int) -> None:
    definition = Labels(name="l", table="l", keys=("k", "n"), value="v", final="t")
    asks = {"k": np.array([row[0] for row in predictions], dtype=object), "n": np.array([row[1] for row in predictions], dtype=np.int64)}
    offers = {"k": np.array([row[0] for row in labels], dtype=object), "n": np.array([row[1] for row in labels], dtype=np.int64)}
    offers |= {"v": np.arange(len(labels)), "t": np.array([row[2] for row in labels], dtype=np.int64)}
    moments = np.array([row[2] for row in predictions], dtype=np.int64)
    joined = join_outcomes(asks, moments, offers, definition, until_us=until)
    assert joined.label_rows.tolist() == [_searched(row, labels, until) for row in predictions]


def _searched(prediction: Any, labels: list[Any], until: int) -> int:
    found = [(time, -row) for row, (key, number, time) in enumerate(labels) if (key, number) == prediction[:2]]
    return -min(((time, row) for time, row in found if prediction[2] <= time <= until), default=(0, 1))[1]
