"""Alerts of rows that violate what is expected of them, told to whoever listens to monitors."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from intonaco.core.errors import QualityError

if TYPE_CHECKING:
    from intonaco.infra.workspace import Workspace

__all__ = ["alerting"]

_HOUR_US = 3_600_000_000


@contextmanager
def alerting(workspace: "Workspace", tables: Iterable[str]) -> Iterator[None]:
    """Raise an alert for each expectation that rows of these tables of the project violate inside, refused or not; one an hour."""
    since_us = time.time_ns() // 1000
    try:
        yield
    except QualityError:
        _raise(workspace, tables, since_us)
        raise
    _raise(workspace, tables, since_us)


def _raise(workspace: "Workspace", tables: Iterable[str], since_us: int) -> None:
    from intonaco.infra.monitoring.alerts import Alert, Alerts
    from intonaco.infra.storage.quality.gates import verdicts

    project = workspace.settings.project
    found = [each for table in tables for each in verdicts(workspace.stream, f"{project}/{table}") if each.at_us >= since_us]
    bad = [each for each in found if each.violations]
    hours = [each.at_us // _HOUR_US * _HOUR_US for each in bad]
    alerts = [
        Alert(
            monitor=f"quality {each.table.partition('/')[2]} {each.check}",
            from_us=hour,
            to_us=hour + _HOUR_US,
            value=each.violations / each.rows,
            threshold=0.0,
        )
        for each, hour in zip(bad, hours, strict=True)
    ]
    if alerts:
        Alerts(workspace, project).raise_(alerts, since_us)
