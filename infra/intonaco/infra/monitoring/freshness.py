"""Freshness and nulls of tables, those too that no model serves."""

from collections.abc import Iterable, Sequence

import numpy as np
from attrs import field, frozen

from intonaco.core.columns import Column, Columns, Masked, Ragged, present
from intonaco.core.errors import SchemaError
from intonaco.core.schema import suggestion
from intonaco.infra.compute.timeline import as_us_array, duration
from intonaco.infra.monitoring.alerts import Alert

__all__ = ["Freshness", "TableMonitor", "check_table", "freshness"]


def _shares(given: Iterable[tuple[str, float]] | dict[str, float]) -> dict[str, float]:
    return dict(given)


@frozen(kw_only=True)
class TableMonitor:
    """Watches the newest event of a table, and how many rows of it are without a value.

    Parameters
    ----------
    table
        Its name in the project.
    time
        The column of event times.
    within
        How old the newest event may be: `3h`.
    nulls
        Columns to the greatest share of nulls that is well.
    over
        The length of the stretches of event time in which nulls are counted.
    """

    table: str = field(kw_only=False)
    time: str
    within: str
    nulls: dict[str, float] = field(factory=dict, converter=_shares)
    over: str = "1d"

    @property
    def columns(self) -> list[str]:
        """What it reads."""
        return list(dict.fromkeys([self.time, *self.nulls]))


@frozen(kw_only=True)
class Freshness:
    """How old a table is: its newest event up to a moment; None if there is no event."""

    table: str
    newest_us: int | None
    age_us: int | None


def freshness(table: str, times: Column, at_us: int) -> Freshness:
    """The newest event at or before the moment `at_us`, and its age; events of the future do not count."""
    values = as_us_array(times.values if isinstance(times, Masked | Ragged) else times)
    seen = values[present(times)]
    seen = seen[seen <= at_us]
    newest = int(seen.max()) if len(seen) else None
    return Freshness(table=table, newest_us=newest, age_us=None if newest is None else at_us - newest)


def check_table(monitor: TableMonitor, columns: Columns, at_us: int) -> list[Alert]:
    """What is out of bounds in a table's rows as of a moment.

    A late table is one alert until its next event comes, from its newest event to when the next was due, its value the age in
    seconds. Nulls are counted in the newest whole stretch `over`, aligned to UTC.
    """
    for name in monitor.columns:
        if name not in columns:
            raise SchemaError(f"table {monitor.table!r} has no column {name!r}", hint=suggestion(name, columns), field=name)
    return [*_late(monitor, columns[monitor.time], at_us), *_nulls(monitor, columns, at_us)]


def _late(monitor: TableMonitor, times: Column, at_us: int) -> Sequence[Alert]:
    within_us = duration(monitor.within)
    found = freshness(monitor.table, times, at_us)
    newest_us = 0 if found.newest_us is None else found.newest_us
    if at_us - newest_us <= within_us:
        return ()
    name = f"freshness {monitor.table}"
    age_s = (at_us - newest_us) / 1e6
    return (Alert(monitor=name, from_us=newest_us, to_us=newest_us + within_us, value=age_s, threshold=within_us / 1e6),)


def _nulls(monitor: TableMonitor, columns: Columns, at_us: int) -> Iterable[Alert]:
    over_us = duration(monitor.over)
    to_us = at_us // over_us * over_us
    times = columns[monitor.time]
    values = as_us_array(times.values if isinstance(times, Masked | Ragged) else times)
    rows = present(times) & (values >= to_us - over_us) & (values < to_us)
    for name, most in monitor.nulls.items():
        share = float(np.mean(~present(columns[name])[rows])) if rows.any() else 0.0
        if share > most:
            yield Alert(monitor=f"nulls {monitor.table}.{name}", from_us=to_us - over_us, to_us=to_us, value=share, threshold=most)
