"""The as-of join of the main job: the weather at the airport and the last arrival on the route, for every flight."""

import os

os.environ["POLARS_MAX_THREADS"] = "1"  # before Polars is imported: both sides on one core, so that threads cost neither anything

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pyarrow as pa

from benchmarks import flights
from benchmarks.harness import Scale, alone, compare, here
from intonaco.infra.compute.polars import PolarsTableEngine
from intonaco.infra.compute.tables import AsofColumns, Events
from intonaco.infra.storage.tables import Snapshot

__all__ = ["joining", "joins_of", "work"]

_WEATHER = ("temp", "humid", "wind_dir", "wind_speed", "visib")
_ARRIVAL = ("gain", "air_excess")
_HOUR_US = 3_600_000_000


def joining(scale: Scale) -> None:
    """Two views, with `valid_for` and ties by creation time, from Arrow to Arrow."""
    limit = 2000 if scale.smoke else None
    given = flights.read(limit)
    engine = PolarsTableEngine(cast("Any", SimpleNamespace(tables=None)))
    joins = joins_of(given.weather, given.arrivals)
    _same(_by_hand(given), pa.concat_tables(engine.asof_join(given.rows, "at", joins)))
    systems = {
        "polars": here(lambda: _by_hand(given)),
        "intonaco": here(lambda: pa.concat_tables(engine.asof_join(given.rows, "at", joins))),
    }
    compare("asof", systems, n=given.rows.num_rows, rounds=scale(7), reach=1.5)
    for name, copies in (("asof_alone", 1), ("asof_10m", scale(30))):
        alike = {system: alone("asof:work", system, copies, limit or 0) for system in systems}
        compare(name, alike, n=copies * given.rows.num_rows, rounds=scale(3), reach=1.5)


def work(system: str, copies: str, limit: str) -> Callable[[], object]:
    """The join by one system over the flights and as many years of them as there are copies."""
    given = flights.read(int(limit) or None, int(copies))
    if system == "polars":
        return lambda: _by_hand(given)
    engine = PolarsTableEngine(cast("Any", SimpleNamespace(tables=None)))
    joins = joins_of(given.weather, given.arrivals)
    return lambda: pa.concat_tables(engine.asof_join(given.rows, "at", joins))


def joins_of(weather: pa.Table | Snapshot, arrivals: pa.Table | Snapshot) -> list[AsofColumns]:
    """The two views, over tables in memory or stored ones."""
    observed = Events(data=weather, keys=("origin",), time="time_hour", created="created")
    landed = Events(data=arrivals, keys=("origin", "dest"), time="arrival", created="created")
    return [
        AsofColumns(events=observed, columns=_as_named(_WEATHER), ties=_WEATHER, valid_for_us=3 * _HOUR_US),
        AsofColumns(events=landed, columns=_as_named(_ARRIVAL), ties=_ARRIVAL, valid_for_us=24 * _HOUR_US),
    ]


def _as_named(columns: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((name, name) for name in columns)


def _by_hand(given: flights.Flights) -> pa.Table:
    """The same join as one would write it in Polars."""
    rows = _frame(given.rows).with_row_index("row").sort("at")
    views = ((given.weather, ["origin"], "time_hour", 3, _WEATHER), (given.arrivals, ["origin", "dest"], "arrival", 24, _ARRIVAL))
    for table, keys, time, hours, columns in views:
        events = _frame(table.select([*keys, time, "created", *columns])).sort(time, "created")
        rows = rows.join_asof(
            events.drop("created"),
            left_on="at",
            right_on=time,
            by=keys,
            strategy="backward",
            tolerance=timedelta(hours=hours),
            allow_exact_matches=False,
            check_sortedness=False,
        )
    return rows.sort("row").select(*_WEATHER, *_ARRIVAL).to_arrow()


def _frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _same(hand: pa.Table, ours: pa.Table) -> None:
    for name in (*_WEATHER, *_ARRIVAL):
        assert hand[name].to_pylist() == ours[name].to_pylist(), f"{name} differs"
