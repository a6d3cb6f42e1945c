"""Alerts: what a monitor found out of bounds; recorded once, then told to listeners."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from attrs import asdict, define, field, fields, frozen

from intonaco.core.plugins import Plugins
from intonaco.infra.lineage.artifacts import insert_new
from intonaco.infra.monitoring.buckets import moment_text
from intonaco.infra.monitoring.tables import ALERTS
from intonaco.infra.workspace import Workspace

__all__ = ["Alert", "Alerts", "tell"]

_LOG = logging.getLogger(__name__)


@frozen(kw_only=True)
class Alert:
    """A monitor's value above its threshold in one stretch of time.

    Parameters
    ----------
    monitor
        What was watched: `accuracy mae`, `drift psi dep_delay`, `freshness weather`.
    segment
        `""` for all rows, else `column=value`.
    endpoint
        Of the predictions; empty for a table that no model serves.
    version
        The model version that made most of them: `eta@3`.
    """

    monitor: str
    segment: str = ""
    from_us: int
    to_us: int
    value: float = field(converter=float)
    threshold: float = field(converter=float)
    endpoint: str = ""
    version: str = ""

    @property
    def severity(self) -> float:
        """How many times the threshold the value is; what is worst comes first in lists."""
        return self.value / self.threshold if self.threshold > 0 else float("inf")

    def to_json(self) -> dict[str, Any]:
        """Plain values for people and programs, the times as ISO text in UTC."""
        stretch = {"from": _iso(self.from_us), "to": _iso(self.to_us)}
        measured = {"value": self.value, "threshold": self.threshold, "endpoint": self.endpoint, "version": self.version}
        return {"monitor": self.monitor, "segment": self.segment, **stretch, **measured}


def _iso(at_us: int) -> str:
    return moment_text(at_us).replace(" ", "T") + "Z"


@define(eq=False)
class Alerts:
    """The alerts of a workspace's project."""

    workspace: Workspace = field(repr=False)
    project: str = ""

    def __attrs_post_init__(self) -> None:
        self.project = self.project or self.workspace.settings.project

    def raise_(self, alerts: Iterable[Alert], at_us: int) -> list[Alert]:
        """Record alerts and tell listeners of those that were not recorded before, which are returned.

        The same monitor, segment, endpoint and stretch of time is one alert, whatever its value; the first value stays.
        """
        with self.workspace.catalog.transaction() as connection:
            new = [each for each in alerts if insert_new(connection, ALERTS, {"project": self.project, **asdict(each), "raised_us": at_us})]
        for alert in new:
            tell(self.workspace.plugins, alert, self.workspace.home)
        return new

    def list(self, endpoint: str | None = None) -> list[Alert]:
        """All alerts, or those of one endpoint, the oldest first."""
        table = ALERTS.c
        kept = sql.select(*(table[each.name] for each in fields(Alert)))
        query = kept.where(table.project == self.project).order_by(table.from_us, table.monitor, table.segment)
        if endpoint is not None:
            query = query.where(table.endpoint == endpoint)
        with self.workspace.catalog.read() as connection:
            return [Alert(**row) for row in connection.execute(query).mappings()]


def tell(plugins: Plugins, alert: Alert, home: Path) -> None:
    """Tell every listener of `alert_raised`; one that fails keeps neither the others nor the monitors from going on."""
    modules = [plugin.module for plugin in plugins.loaded]
    for plugin in plugins.loaded:
        others = [module for module in modules if module is not plugin.module]
        try:
            plugins.manager.subset_hook_caller("alert_raised", others)(alert=alert, home=home)
        except Exception:  # a foreign listener may raise anything
            _LOG.exception("the plugin %s of %s failed on an alert", plugin.name, plugin.distribution)
