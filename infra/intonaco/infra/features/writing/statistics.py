"""Statistics of the events that a view's features are made of: per column and day, in a table that grows with each materialization.

What is stored are summaries that merge, so that pieces and days add up, whatever their order.
"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import define, field, frozen
from numpy.typing import NDArray

from intonaco.core.errors import MissingError
from intonaco.infra.compute.arrays import times
from intonaco.infra.compute.summaries import summaries
from intonaco.infra.compute.summary import Summary, merged, together
from intonaco.infra.compute.timeline import duration
from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.storage.arrowtypes import PRIVATE
from intonaco.infra.storage.tables import TableStore

__all__ = ["DAY_US", "Counting", "Statistics", "statistics", "statistics_table"]

DAY_US = duration("1d")
_NOTHING: Mapping[str, object] = {"mean": 0.0, "squares": 0.0, "least": float("inf"), "greatest": float("-inf")}
_HIDDEN: Mapping[str, object] = {"kind": "private", **_NOTHING, "buckets": [], "top": [], "top_rows": []}


def statistics_table(project: str, view: str, version: int) -> str:
    """The name of the table of a view's statistics."""
    return f"{project}/features.{view}.v{version}.statistics"


@define(eq=False)
class Counting:
    """Summarizes the columns of events by day; a column that several views share is looked at once."""

    tables: TableStore = field(repr=False)
    _moments: pa.ChunkedArray | None = field(default=None, init=False, repr=False)
    _known: dict[tuple[object, ...], tuple[pa.ChunkedArray, pa.Table]] = field(factory=dict, init=False, repr=False)

    def add(self, table: str, view: FeatureView, events: pa.Table, token: str) -> None:
        """Add the summaries of events that are stored; events that come again under the same token are counted once."""
        moments, timed = times(events, view.source.time, "the events")
        columns = dict.fromkeys(feature.column for feature in view.features if feature.column)
        if not columns or not timed.any():
            return
        self._look(events[view.source.time])
        held, days = (events, moments // DAY_US) if timed.all() else (events.filter(pa.array(timed)), moments[timed] // DAY_US)
        found = pa.concat_tables([self._summarized(held, name, days) for name in columns])
        self.tables.write(table, _discreet(found, view), token=token)

    def _look(self, moments: pa.ChunkedArray) -> None:
        """Forget what is known of other events."""
        if self._moments is None or _place(moments) != _place(self._moments):
            self._moments = moments
            self._known.clear()

    def _summarized(self, events: pa.Table, name: str, days: NDArray[np.int64]) -> pa.Table:
        """The summaries of a column; while they are known it is held, as the times are, so that its place in memory names it."""
        key = (name, *_place(events[name]))
        if key not in self._known:
            self._known[key] = events[name], summaries(events, [name], days)
        return self._known[key][1]


def _place(column: pa.ChunkedArray) -> tuple[object, ...]:
    """Where the values of a column lie in memory."""
    return tuple((chunk.offset, len(chunk), *map(_address, chunk.buffers())) for chunk in column.chunks)


def _address(buffer: pa.Buffer | None) -> int | None:
    return None if buffer is None else int(buffer.address)


def _discreet(rows: pa.Table, view: FeatureView) -> pa.Table:
    """The summaries, of personal data without anything that a value could be told from: counts of rows and of different values alone."""
    private = [each.name for each in view.source.columns if PRIVATE in each.tags]
    hidden = pc.is_in(rows["column"], pa.array(private, pa.string()))
    if not private or not pc.any(hidden).as_py():
        return rows
    told = [{**row, **(_HIDDEN if hide else {})} for row, hide in zip(rows.to_pylist(), hidden.to_pylist(), strict=True)]
    return pa.Table.from_pylist(told, schema=rows.schema)


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
