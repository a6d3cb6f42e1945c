"""Findings: what monitors see in predictions and their outcomes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
from attrs import field, frozen

from intonaco.core.columns import Column
from intonaco.core.errors import InvalidError, SchemaError
from intonaco.core.schema import suggestion
from intonaco.infra.lineage.cells import Cells
from intonaco.infra.monitoring.accuracy import AccuracySeries, accuracy
from intonaco.infra.monitoring.alerts import Alert
from intonaco.infra.monitoring.buckets import Buckets
from intonaco.infra.monitoring.drift import DriftSeries, drift
from intonaco.infra.monitoring.monitors import EVERY, AccuracyMonitor, DriftMonitor, Monitor
from intonaco.infra.monitoring.outcomes import Outcomes
from intonaco.infra.monitoring.predictions import Predictions
from intonaco.infra.monitoring.reference import Reference

__all__ = ["Findings", "find"]

Needed = TypeVar("Needed")


def _worst_first(alerts: Iterable[Alert]) -> tuple[Alert, ...]:
    return tuple(sorted(alerts, key=lambda each: (-each.severity, each.from_us, each.monitor, each.segment)))


@frozen(kw_only=True, eq=False)
class Findings:
    """What monitors saw.

    Parameters
    ----------
    accuracy, drift
        Series by the length of their buckets, such as `1d`.
    alerts
        The worst first.
    """

    endpoint: str
    accuracy: Mapping[str, AccuracySeries] = field(factory=dict)
    drift: Mapping[str, DriftSeries] = field(factory=dict)
    alerts: tuple[Alert, ...] = field(default=(), converter=_worst_first)


def find(
    monitors: Sequence[Monitor],
    predictions: Predictions,
    *,
    outcomes: Outcomes | None = None,
    output: str = "",
    reference: Reference | None = None,
    held_out: Cells | None = None,
    beside: Iterable[str] = (),
    until_us: int | None = None,
) -> Findings:
    """Run monitors over predictions.

    Parameters
    ----------
    outcomes
        Row for row with the predictions; monitors of accuracy need them.
    output
        The name of the output that the outcomes are the truth of; needed if there are several.
    reference
        Monitors of drift need it.
    held_out
        What thresholds given as `times` relate to.
    beside
        Metrics to follow though no monitor watches them, such as `base_mae`.
    until_us
        Stretches of time that end after it raise no alert yet.

    Raises
    ------
    InvalidError
        Something that a monitor needs was not given.
    MissingError
        A threshold relates to a metric, or a monitor to a column, that is not there.
    """
    on_accuracy = [each for each in monitors if isinstance(each, AccuracyMonitor)]
    on_drift = [each for each in monitors if isinstance(each, DriftMonitor)]
    accuracies: dict[str, AccuracySeries] = {}
    drifts: dict[str, DriftSeries] = {}
    for every, watching in _by_length(on_accuracy):
        metrics = tuple(dict.fromkeys([*(each.metric for each in watching), *beside]))
        accuracies[every] = _accuracy(predictions, _given(outcomes, "outcomes", watching), output, metrics, watching, every)
    for every, looking in _by_length(on_drift):
        drifts[every] = _drift(predictions, _given(reference, "a training reference", looking), looking, every)
    alerts = [
        *(alert for each in on_accuracy for alert in _accuracy_alerts(each, accuracies[each.every], predictions, held_out or Cells())),
        *(alert for each in on_drift for alert in _drift_alerts(each, drifts[each.every], predictions)),
    ]
    ended = [alert for alert in alerts if until_us is None or alert.to_us <= until_us]
    return Findings(endpoint=predictions.endpoint, accuracy=accuracies, drift=drifts, alerts=ended)


Kind = TypeVar("Kind", AccuracyMonitor, DriftMonitor)


def _by_length(monitors: Sequence[Kind]) -> Iterator[tuple[str, list[Kind]]]:
    for every in dict.fromkeys(each.every for each in monitors):
        yield every, [each for each in monitors if each.every == every]


def _given(needed: Needed | None, what: str, monitors: Sequence[Monitor]) -> Needed:
    if needed is None:
        name = monitors[0].name
        raise InvalidError(f"the monitor {name!r} needs {what}", hint="give them, or leave the monitor out", field=name)
    return needed


def _accuracy(
    predictions: Predictions, outcomes: Outcomes, output: str, metrics: Sequence[str], monitors: Sequence[AccuracyMonitor], every: str
) -> AccuracySeries:
    cuts = {name: _column(predictions, name) for name in dict.fromkeys(each.cut for each in monitors) if name}
    return accuracy(predictions.output(output), outcomes, predictions.at_us, metrics=metrics, segments=cuts, every=every)


def _drift(predictions: Predictions, reference: Reference, monitors: Sequence[DriftMonitor], every: str) -> DriftSeries:
    columns = {**predictions.columns, **predictions.outputs}
    everything = any(each.column == EVERY for each in monitors)
    names = () if everything else tuple(dict.fromkeys(each.column for each in monitors))
    return drift(reference, columns, Buckets.of(predictions.at_us, every), names=names, at_least=min(each.at_least for each in monitors))


def _column(predictions: Predictions, name: str) -> Column:
    if name not in predictions.columns:
        hint = suggestion(name, predictions.columns)
        raise SchemaError(f"the predictions of {predictions.endpoint!r} have no column {name!r} to cut by", hint=hint, field=name)
    return predictions.columns[name]


def _accuracy_alerts(monitor: AccuracyMonitor, series: AccuracySeries, predictions: Predictions, held_out: Cells) -> Iterator[Alert]:
    for bucket in series.buckets:
        if bucket.pending_share > monitor.pending_up_to:
            continue
        for cell in bucket.cells:
            if cell.metric == monitor.metric and monitor.watches(cell.segment) and cell.n >= monitor.at_least:
                threshold = monitor.threshold(cell.segment, held_out)
                if cell.value > threshold:
                    yield _alert(monitor.name, predictions, bucket.from_us, bucket.to_us, cell.value, threshold, cell.segment)


def _drift_alerts(monitor: DriftMonitor, series: DriftSeries, predictions: Predictions) -> Iterator[Alert]:
    from_us, to_us = series.buckets.from_us, series.buckets.to_us
    for name in series.columns if monitor.column == EVERY else (monitor.column,):
        values, n = series.of(name, monitor.measure), series.of(name, "n")
        for place in np.flatnonzero((values > monitor.above) & (n >= monitor.at_least)):
            start, end, value = int(from_us[place]), int(to_us[place]), float(values[place])
            yield _alert(f"{monitor.name} {name}", predictions, start, end, value, monitor.above)


def _alert(name: str, predictions: Predictions, from_us: int, to_us: int, value: float, threshold: float, segment: str = "") -> Alert:
    rows = np.flatnonzero((predictions.at_us >= from_us) & (predictions.at_us < to_us))
    return Alert(
        monitor=name,
        segment=segment,
        from_us=from_us,
        to_us=to_us,
        value=value,
        threshold=threshold,
        endpoint=predictions.endpoint,
        version=predictions.version(rows),
    )
