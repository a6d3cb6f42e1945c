"""Findings as a report."""

from collections.abc import Iterator

import numpy as np

from intonaco.infra.lineage.reports.report import Block, Chart, Metric, Report, Table, Text
from intonaco.infra.monitoring.accuracy import AccuracySeries
from intonaco.infra.monitoring.alerts import Alert
from intonaco.infra.monitoring.buckets import moment_text
from intonaco.infra.monitoring.drift import DriftSeries
from intonaco.infra.monitoring.findings import Findings

__all__ = ["monitoring_blocks", "monitoring_report"]

_MOST_ROWS = 20


def monitoring_report(findings: Findings) -> Report:
    """What monitors saw, to look at."""
    return Report(f"Monitoring of {findings.endpoint}", monitoring_blocks(findings))


def monitoring_blocks(findings: Findings) -> list[Block]:
    """The same as blocks, to stand in a report on more."""
    blocks: list[Block] = [*_totals(findings), *_alerts(findings.alerts)]
    for every, accuracies in findings.accuracy.items():
        blocks += _accuracy(accuracies, every)
    for every, drifts in findings.drift.items():
        blocks += _drift(drifts, every)
    return blocks


def _totals(findings: Findings) -> Iterator[Block]:
    for series in list(findings.accuracy.values())[:1]:
        predictions = sum(bucket.n for bucket in series.buckets)
        expected = sum(bucket.known + bucket.pending for bucket in series.buckets)
        pending = sum(bucket.pending for bucket in series.buckets)
        yield Metric("predictions", predictions)
        yield Metric("outcomes still to come", 100 * pending / expected if expected else 0.0, unit="%")
    yield Metric("alerts", len(findings.alerts))


def _alerts(alerts: tuple[Alert, ...]) -> Iterator[Block]:
    if not alerts:
        yield Text("No alert: nothing that is watched was out of bounds.")
        return
    together: dict[tuple[str, str, int], list[Alert]] = {}
    for alert in alerts:  # the worst first, so each group's first is its worst
        together.setdefault((alert.monitor, alert.segment, _length(alert)), []).append(alert)
    more = f", {_MOST_ROWS} of {len(together)} monitors" if len(together) > _MOST_ROWS else ""
    columns = ("monitor", "segment", "worst", "threshold", "when", "alerts", "version")
    yield Table(f"Alerts, the worst first{more}", columns, [_row(each) for each in list(together.values())[:_MOST_ROWS]])


def _row(alerts: list[Alert]) -> tuple[str | float, ...]:
    worst = alerts[0]
    when = moment_text(worst.from_us, _length(worst))
    return (worst.monitor, worst.segment or "all", worst.value, worst.threshold, when, len(alerts), worst.version)


def _length(alert: Alert) -> int:
    return alert.to_us - alert.from_us


def _accuracy(series: AccuracySeries, every: str) -> Iterator[Block]:
    if not series.buckets:
        return
    starts = [moment_text(bucket.from_us, bucket.to_us - bucket.from_us) for bucket in series.buckets]
    metrics = list(dict.fromkeys(cell.metric for bucket in series.buckets for cell in bucket.cells))
    yield Text("Accuracy over time", heading=True)
    if metrics:
        lines = {name: series.values(name) for name in metrics}
        yield Chart(f"Of predictions whose outcome is known, every {every}", x=starts, series=lines, x_label="time of the prediction, UTC")
    shares = [100 * bucket.pending_share if bucket.n else None for bucket in series.buckets]
    if any(shares):
        yield Chart("Outcomes still to come", form="bar", x=starts, series={"pending": shares}, y_label="% of predictions")


def _drift(series: DriftSeries, every: str) -> Iterator[Block]:
    if not series.columns or not len(series.buckets):
        return
    yield Text("Drift from the training reference", heading=True)
    matrix = {name: series.psi[place] for place, name in enumerate(series.columns)}
    yield Chart(f"Population stability index, every {every}", form="heatmap", x=series.buckets.texts, series=matrix, x_label="UTC")
    columns = ("column", "worst PSI", "when", "median PSI", "greatest distance", "greatest null change")
    yield Table("Drift by column", columns, [_summary(series, place) for place in _most_drifted(series)])


def _most_drifted(series: DriftSeries) -> list[int]:
    worst = np.nan_to_num(series.psi, nan=-1.0).max(axis=1)
    return [int(place) for place in np.argsort(-worst, kind="stable")]


def _summary(series: DriftSeries, place: int) -> tuple[str | float | None, ...]:
    psi = series.psi[place]
    if np.isnan(psi).all():
        return (series.columns[place], None, "too few values", None, None, None)
    worst = int(np.nanargmax(psi))
    greatest = [float(np.nanmax(np.abs(measure[place]))) for measure in (series.distance, series.null_change)]
    return (series.columns[place], float(psi[worst]), series.buckets.texts[worst], float(np.nanmedian(psi)), *greatest)
