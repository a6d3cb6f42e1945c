"""Monitors say what is too much, and findings hold what was."""

from typing import Any

import numpy as np
import pytest
from attrs import evolve

from intonaco.core.errors import DefinitionError, InvalidError, MissingError, SchemaError
from intonaco.infra.lineage.cells import Cell, Cells
from intonaco.infra.monitoring.findings import Findings, find
from intonaco.infra.monitoring.monitors import AccuracyMonitor, DriftMonitor, Monitor
from intonaco.infra.monitoring.outcomes import Outcome, Outcomes
from intonaco.infra.monitoring.predictions import Predictions
from intonaco.infra.monitoring.reference import Reference

DAY_US = 86_400_000_000
ROWS = 300
HELD_OUT = Cells([Cell("", "mae", 2.0, n=9), Cell("origin=JFK", "mae", 4.0, n=5)])


def scene(*daily_errors: float) -> tuple[Predictions, Outcomes]:
    """A day of 300 flights for each error, half of them from JFK."""
    rows = ROWS * len(daily_errors)
    columns: dict[str, Any] = {
        "origin": np.array(["JFK", "EWR"] * (rows // 2), dtype=object),
        "speed": np.random.default_rng(0).normal(size=rows),
    }
    predictions = Predictions(
        endpoint="eta",
        at_us=np.repeat(np.arange(len(daily_errors)) * DAY_US, ROWS),
        columns=columns,
        outputs={"error_min": np.zeros(rows)},
        versions=np.full(rows, 3),
    )
    return predictions, Outcomes(values=np.repeat(daily_errors, ROWS), states=np.zeros(rows, np.uint8), label_rows=np.arange(rows))


def run(*monitors: Monitor, errors: tuple[float, ...] = (1.0, 3.5, 9.0), **more: Any) -> Findings:
    predictions, outcomes = scene(*errors)
    return find(monitors, predictions, outcomes=outcomes, held_out=HELD_OUT, **more)


def test_days_above_the_threshold_raise_alerts_the_worst_first() -> None:
    found = run(AccuracyMonitor("mae", above=3))
    assert [(each.value, each.from_us, each.to_us) for each in found.alerts] == [(9.0, 2 * DAY_US, 3 * DAY_US), (3.5, DAY_US, 2 * DAY_US)]
    assert {(each.monitor, each.endpoint, each.version, each.threshold) for each in found.alerts} == {("accuracy mae", "eta", "eta@3", 3.0)}


def test_a_relative_threshold_follows_the_held_out_cell() -> None:
    assert [(each.value, each.threshold) for each in run(AccuracyMonitor("mae", times=2)).alerts] == [(9.0, 4.0)]


def test_each_segment_has_its_own_threshold_and_falls_back_to_that_of_all_rows() -> None:
    found = run(AccuracyMonitor("mae", segment="origin=*", times=1.5))
    assert {(each.segment, each.value, each.threshold) for each in found.alerts} == {
        ("origin=JFK", 9.0, 6.0),
        ("origin=EWR", 9.0, 3.0),
        ("origin=EWR", 3.5, 3.0),
    }


def test_one_segment_can_be_watched_alone() -> None:
    assert {each.segment for each in run(AccuracyMonitor("mae", segment="origin=JFK", above=3)).alerts} == {"origin=JFK"}


def test_few_outcomes_raise_no_alert() -> None:
    assert run(AccuracyMonitor("mae", above=3, at_least=ROWS + 1)).alerts == ()


def test_a_day_that_mostly_waits_for_outcomes_raises_no_alert_yet() -> None:
    predictions, outcomes = scene(9.0)
    states = np.where(np.arange(ROWS) < ROWS // 3, Outcome.pending, Outcome.known).astype(np.uint8)
    waiting = evolve(outcomes, states=states)
    assert find([AccuracyMonitor("mae", above=3)], predictions, outcomes=waiting).alerts == ()
    assert len(find([AccuracyMonitor("mae", above=3, pending_up_to=0.5)], predictions, outcomes=waiting).alerts) == 1


def test_a_day_that_is_not_over_raises_no_alert_yet() -> None:
    assert len(run(AccuracyMonitor("mae", above=3), until_us=2 * DAY_US).alerts) == 1


def test_metrics_beside_are_followed_without_being_watched() -> None:
    assert run(AccuracyMonitor("mae", above=99), beside=["base_mae"]).accuracy["1d"].values("base_mae") == [1.0, 3.5, 9.0]


def test_monitors_may_look_at_different_stretches_of_time() -> None:
    found = run(AccuracyMonitor("mae", above=3), AccuracyMonitor("mae", above=3, every="3d"))
    assert [len(found.accuracy[every].buckets) for every in ("1d", "3d")] == [3, 1]


def test_drift_of_features_and_outputs_raises_alerts_by_column() -> None:
    rows = np.random.default_rng(1)
    reference = Reference.of(
        {"speed": rows.normal(3, size=5000), "error_min": np.zeros(5000), "origin": np.array(["JFK", "EWR"] * 2500, dtype=object)}
    )
    found = run(DriftMonitor(), reference=reference)
    assert {each.monitor for each in found.alerts} == {"drift psi speed"}
    assert len(found.alerts) == 3
    assert found.drift["1d"].columns == ("speed", "error_min", "origin")


def test_a_drift_monitor_of_one_column_measures_no_other() -> None:
    reference = Reference.of({"speed": np.random.default_rng(1).normal(size=5000), "error_min": np.ones(5000)})
    found = run(DriftMonitor("error_min", measure="distance", above=0.5), reference=reference)
    assert found.drift["1d"].columns == ("error_min",)
    assert {each.monitor for each in found.alerts} == {"drift distance error_min"}


def test_what_a_monitor_needs_must_be_given() -> None:
    predictions, _ = scene(1.0)
    with pytest.raises(InvalidError, match="'accuracy mae' needs outcomes"):
        find([AccuracyMonitor("mae", above=3)], predictions)
    with pytest.raises(InvalidError, match="'drift psi' needs a training reference"):
        find([DriftMonitor()], predictions)


def test_a_threshold_that_relates_to_nothing_is_an_error() -> None:
    with pytest.raises(MissingError, match="metric 'mse' was not measured"):
        run(AccuracyMonitor("mse", times=2))


def test_a_segment_of_an_unknown_column_is_an_error() -> None:
    with pytest.raises(SchemaError, match="did you mean 'origin'"):
        run(AccuracyMonitor("mae", segment="orgin=*", above=1))


@pytest.mark.parametrize("given", [{}, {"above": 1, "times": 2}])
def test_an_accuracy_monitor_has_one_threshold(given: dict[str, float]) -> None:
    with pytest.raises(DefinitionError, match="needs one of `above` and `times`"):
        AccuracyMonitor("mae", **given)  # type: ignore[arg-type]


def test_what_is_good_when_great_cannot_be_watched() -> None:
    with pytest.raises(DefinitionError, match="'accuracy' cannot be watched"):
        AccuracyMonitor("accuracy", above=0.9)


def test_malformed_segments_and_lengths_are_refused() -> None:
    with pytest.raises(DefinitionError, match="write origin=\\* for each"):
        AccuracyMonitor("mae", above=1, segment="origin")
    with pytest.raises(DefinitionError, match="write 1d or 1h"):
        DriftMonitor(every="0d")


def test_the_version_of_most_rows_stands_for_them() -> None:
    predictions, _ = scene(1.0)
    mixed = evolve(predictions, versions=np.where(np.arange(ROWS) < 100, 2, 3), model="arrival")
    assert mixed.version() == "arrival@3"
    assert mixed.version(np.arange(50)) == "arrival@2"
    assert evolve(predictions, versions=np.zeros(ROWS, np.int64)).version() == ""


def test_predictions_of_a_stretch_of_time_hold_its_rows_alone() -> None:
    predictions, _ = scene(1.0, 2.0)
    assert len(predictions.between(None, DAY_US)) == len(predictions.between(DAY_US, None)) == ROWS
    assert predictions.between(0, None) is predictions


def test_an_output_is_found_by_name_or_alone() -> None:
    predictions, _ = scene(1.0)
    assert predictions.output("whatever") is predictions.outputs["error_min"]
    two = evolve(predictions, outputs={"a": np.zeros(ROWS), "b": np.zeros(ROWS)})
    with pytest.raises(SchemaError, match="endpoint 'eta' answers no 'c'"):
        two.output("c")
