"""Watching endpoints and tables: monitors run on what the workspace holds, their alerts recorded and told."""

import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from attrs import frozen

from intonaco.core.columns import Column
from intonaco.infra.compute.timeline import as_us
from intonaco.infra.features.defined.labels import Labels
from intonaco.infra.lineage.artifacts import Artifacts
from intonaco.infra.lineage.cells import Cells
from intonaco.infra.lineage.registry.registry import Registry
from intonaco.infra.monitoring.alerts import Alerts
from intonaco.infra.monitoring.findings import Findings, find
from intonaco.infra.monitoring.freshness import TableMonitor, check_table
from intonaco.infra.monitoring.monitors import Monitor
from intonaco.infra.monitoring.outcomes import join_outcomes
from intonaco.infra.monitoring.predictions import Predictions
from intonaco.infra.monitoring.reference import Reference
from intonaco.infra.serving.endpoints.deployments import Deployments
from intonaco.infra.serving.ledger.ledger import Ledger
from intonaco.infra.storage.arrow import from_arrow
from intonaco.infra.workspace import Workspace

__all__ = ["REFERENCE", "Truth", "read_predictions", "run_monitors", "watch_predictions", "watch_table"]

#: Under this name a version's reports hold the digest of its training `Reference`.
REFERENCE = "reference"


@frozen(kw_only=True)
class Truth:
    """Where outcomes of an endpoint's predictions come from.

    Parameters
    ----------
    output
        The output that the labels are the truth of; the one of the name of their value, or the only one, if empty.
    wait
        A prediction without a label after this long will have none; None waits for ever.
    """

    labels: Labels
    output: str = ""
    wait: str | int | timedelta | None = None


def run_monitors(
    workspace: Workspace,
    endpoint: str,
    monitors: Sequence[Monitor],
    *,
    truth: Truth | None = None,
    since: datetime | int | None = None,
    at: datetime | int | None = None,
    beside: Iterable[str] = (),
    project: str = "",
) -> Findings:
    """What the monitors find in an endpoint's ledger, from `since` up to `at`; the rest as in `watch_predictions`."""
    at_us = _now_us() if at is None else as_us(at)
    predictions = read_predictions(workspace, endpoint, since=since, until=at_us, project=project)
    return watch_predictions(workspace, predictions, monitors, truth=truth, at=at_us, beside=beside, project=project)


def read_predictions(
    workspace: Workspace, endpoint: str, *, since: datetime | int | None = None, until: datetime | int | None = None, project: str = ""
) -> Predictions:
    """The ledger of an endpoint from `since` up to before `until`; MissingError if it never recorded anything."""
    inside = project or workspace.settings.project
    bounds = (None if moment is None else as_us(moment) for moment in (since, until))
    table = Ledger(workspace, inside).read(endpoint, *bounds)
    routes = [route for each in Deployments(workspace, inside).wanted() if each.endpoint == endpoint for route in each.routes]
    return Predictions.of_ledger(endpoint, table, next((route.model for route in routes), ""))


def watch_predictions(
    workspace: Workspace,
    predictions: Predictions,
    monitors: Sequence[Monitor],
    *,
    truth: Truth | None = None,
    at: datetime | int | None = None,
    beside: Iterable[str] = (),
    project: str = "",
) -> Findings:
    """What the monitors find in predictions; alerts that are new are recorded and told to listeners.

    Thresholds and drift relate to the version that made most of the predictions: to its held-out cells, and to the
    `Reference` that its reports hold.

    Parameters
    ----------
    at
        The moment as of which to look; predictions and labels after it do not count. Now by default.
    beside
        Metrics to follow though no monitor watches them.
    """
    at_us = _now_us() if at is None else as_us(at)
    seen = predictions.between(None, at_us)
    held_out, reference = _compared_with(workspace, seen.version(), project)
    outcomes = None
    if truth is not None:
        rows = _rows(workspace, truth.labels, project)
        outcomes = join_outcomes(seen.columns, seen.at_us, rows, truth.labels, until_us=at_us, wait=truth.wait)
    output = "" if truth is None else truth.output or truth.labels.value
    found = find(monitors, seen, outcomes=outcomes, output=output, reference=reference, held_out=held_out, beside=beside, until_us=at_us)
    Alerts(workspace, project).raise_(found.alerts, at_us)
    return found


def watch_table(workspace: Workspace, monitor: TableMonitor, *, at: datetime | int | None = None, project: str = "") -> Findings:
    """What is out of bounds in the newest version of a table; alerts that are new are recorded and told to listeners."""
    at_us = _now_us() if at is None else as_us(at)
    columns = _columns(workspace, monitor.table, monitor.columns, project)
    found = Findings(endpoint="", alerts=check_table(monitor, columns, at_us))
    Alerts(workspace, project).raise_(found.alerts, at_us)
    return found


def _now_us() -> int:
    return time.time_ns() // 1000


def _compared_with(workspace: Workspace, version: str, project: str) -> tuple[Cells, Reference | None]:
    if not version:
        return Cells(), None
    found = Registry(workspace, project).version(version)
    digest = found.reports.get(REFERENCE)
    return found.cells, Artifacts(workspace, found.project).load(digest) if digest else None


def _rows(workspace: Workspace, labels: Labels, project: str) -> dict[str, Column]:
    names = dict.fromkeys([*labels.keys, labels.value, labels.final, *([labels.at] if labels.at else [])])
    return _columns(workspace, labels.table, list(names), project)


def _columns(workspace: Workspace, table: str, names: Sequence[str], project: str) -> dict[str, Column]:
    snapshot = workspace.tables.snapshot(f"{project or workspace.settings.project}/{table}")
    return from_arrow(workspace.tables.read(snapshot, names))
