"""What happened, and when: the events from which the main job's features are made."""

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["arrivals", "departures", "routes", "weather_reports"]

#: Miles that an airliner covers in a minute, about; makes air times over different distances comparable.
_MILES_PER_MIN = 8.0


def arrivals(flights: pa.Table) -> pa.Table:
    """One event for each flight that arrived, at the moment it did.

    `gain` is what it lost on the way (minutes, negative if it made up time), `air_excess` its air time beyond the timetable's
    block, `headwind` its air time beyond that of an average airliner, `on_ground` its time on taxiways.
    """
    landed = flights.filter(pc.is_valid(flights["arrival"]))
    air = landed["air_time"]
    added = {
        "air_excess": pc.subtract(air, landed["scheduled_block"]),
        "headwind": pc.subtract(air, pc.divide(landed["distance"], _MILES_PER_MIN)),
        "on_ground": pc.subtract(pc.add(landed["scheduled_block"], landed["gain"]), air),
    }
    kept = ("arrival", "carrier", "flight", "tailnum", "origin", "dest", "gain", "arr_delay")
    return pa.table({**{name: landed[name] for name in kept}, **added})


def departures(flights: pa.Table) -> pa.Table:
    """One event for each flight that left, at the moment it did."""
    left = flights.filter(pc.is_valid(flights["departure"]))
    return left.select(["departure", "origin", "carrier", "dep_delay"])


def weather_reports(weather: pa.Table) -> pa.Table:
    """Hourly observations, known when their hour begins."""
    return weather.select(["time_hour", "origin", "temp", "humid", "wind_dir", "wind_speed", "precip", "visib"])


def routes(flights: pa.Table, airports: pa.Table) -> pa.Table:
    """Where routes lead and how long an average airliner takes in still air; known since before the first flight."""
    pairs = flights.group_by(["origin", "dest"]).aggregate([("distance", "min")]).sort_by([("origin", "ascending"), ("dest", "ascending")])
    at = pc.index_in(pairs["dest"], value_set=airports["faa"])
    since = pa.array([0] * pairs.num_rows).cast(pa.timestamp("us", tz="UTC"))
    still_air = pc.divide(pairs["distance_min"], _MILES_PER_MIN)
    place = {name: airports[name].take(at) for name in ("lat", "lon")}
    return pa.table({"since": since, "origin": pairs["origin"], "dest": pairs["dest"], "still_air": still_air, **place})
