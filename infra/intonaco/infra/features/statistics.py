"""Statistics of the events that a view's features are made of: per column and day, in a table that grows with each materialization.

What is stored are summaries that merge, so that pieces and days add up, whatever their order.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import field, frozen

from intonaco.core.errors import MissingError
from intonaco.infra.compute.arrays import times
from intonaco.infra.compute.summaries import Summary, merged, summaries, together
from intonaco.infra.compute.timeline import duration
from intonaco.infra.features.views import FeatureView
from intonaco.infra.storage.arrowtypes import PRIVATE
from intonaco.infra.storage.tables import TableStore

__all__ = ["DAY_US", "Statistics", "add_statistics", "statistics", "statistics_table"]

DAY_US = duration("1d")
_NOTHING: Mapping[str, object] = {"mean": 0.0, "squares": 0.0, "least": float("inf"), "greatest": float("-inf")}
_HIDDEN: Mapping[str, object] = {"kind": "private", **_NOTHING, "buckets": [], "top": [], "top_rows": []}


def statistics_table(project: str, view: str, version: int) -> str:
    """The name of the table of a view's statistics."""
    return f"{project}/features.{view}.v{version}.statistics"


def add_statistics(tables: TableStore, table: str, view: FeatureView, events: pa.Table, token: str) -> None:
    """Add the summaries of events that are stored; events that come again under the same token are counted once."""
    moments, timed = times(events, view.source.time, "the events")
    columns = _columns(view)
    if not columns or not timed.any():
        return
    held, days = (events, moments) if timed.all() else (events.filter(pa.array(timed)), moments[timed])
    tables.write(table, _discreet(summaries(held, columns, days // DAY_US), view), token=token)


def _discreet(rows: pa.Table, view: FeatureView) -> pa.Table:
    """The summaries, of personal data without anything that a value could be told from: counts of rows and of different values alone."""
    private = [each.name for each in view.source.columns if PRIVATE in each.tags]
    hidden = pc.is_in(rows["column"], pa.array(private, pa.string()))
    if not private or not pc.any(hidden).as_py():
        return rows
    told = [{**row, **(_HIDDEN if hide else {})} for row, hide in zip(rows.to_pylist(), hidden.to_pylist(), strict=True)]
    return pa.Table.from_pylist(told, schema=rows.schema)


def _columns(view: FeatureView) -> Sequence[str]:
    return tuple(dict.fromkeys(feature.column for feature in view.features if feature.column))


@frozen(kw_only=True, eq=False)
class Statistics:
    """What the events of a view look like.

    Parameters
    ----------
    days
        For each column the summary of each day of event time, days counted from 1970.
    """

    days: dict[str, dict[int, Summary]] = field(repr=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that have statistics."""
        return tuple(self.days)

    def total(self, column: str) -> Summary:
        """The summary of all days of a column."""
        return together(list(self.days[column].values()))

    def histogram(self, column: str, bins: int = 24) -> tuple[list[float], list[float]]:
        """The middles of bins between the 0.5th and the 99.5th percentile of a column of numbers, and the shares of values in them."""
        whole = self.total(column)
        low, high = whole.quantile(0.005), whole.quantile(0.995)
        if not low < high:
            return [low], [1.0]
        edges = np.linspace(low, high, bins + 1)
        return ((edges[1:] + edges[:-1]) / 2).tolist(), whole.shares(edges).tolist()


def statistics(tables: TableStore, project: str, view: str, version: int) -> Statistics:
    """The statistics of a version of a view; of no columns where it was never materialized."""
    try:
        snapshot = tables.snapshot(statistics_table(project, view, version))
    except MissingError:
        return Statistics(days={})
    return Statistics(days=merged(tables.read(snapshot)))
