"""The flights and what happened before them, as Arrow tables in memory."""

from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import frozen

from intonaco.general.demo import events
from intonaco.general.demo.sources import read_flights, read_weather

__all__ = ["Flights", "read"]

_LEAP_YEAR_US = 366 * 86_400_000_000


@frozen(eq=False)
class Flights:
    """All flights of the main job, with the moment `at` of which each is asked, and two tables of events with a creation time."""

    rows: pa.Table
    weather: pa.Table
    arrivals: pa.Table


@cache
def read(limit: int | None = None, copies: int = 1) -> Flights:
    """The flights in file order, or the first of them; and as often again, each time a leap year later."""
    once = _read(limit)
    return Flights(*(_again(table, copies) for table in (once.rows, once.weather, once.arrivals))) if copies > 1 else once


def _again(table: pa.Table, copies: int) -> pa.Table:
    """The rows as many times, the times of each copy a leap year after those of the one before."""
    later = [table] * copies
    for number, name in enumerate(table.column_names):
        if pa.types.is_timestamp(table.schema[number].type):
            moments = table[name].cast(pa.int64())
            for year in range(copies):
                moved = pc.add(moments, year * _LEAP_YEAR_US).cast(table.schema[number].type)
                later[year] = later[year].set_column(number, name, moved)
    return pa.concat_tables(later).combine_chunks()


def _read(limit: int | None) -> Flights:
    flights = read_flights().slice(0, limit)
    at = pc.coalesce(flights["departure"], flights["scheduled_departure"])
    rows = flights.select(["origin", "dest", "carrier"]).append_column("at", at).combine_chunks()
    weather = _created(events.weather_reports(read_weather()), "time_hour")
    return Flights(rows, weather, _created(events.arrivals(flights), "arrival"))


def _created(table: pa.Table, time: str) -> pa.Table:
    """The table with a creation time within an hour of the event, which decides between events of one time."""
    later_us = np.random.default_rng(13).integers(0, 3_600_000_000, table.num_rows)
    created = pc.add(table[time].cast(pa.int64()), pa.array(later_us)).cast(pa.timestamp("us", tz="UTC"))
    return table.append_column("created", created).combine_chunks()
