"""The main job's own steps: tables, events, and the examples on both sides of the cut."""

from collections.abc import Callable
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from intonaco.general.demo import events
from intonaco.general.demo.definitions import ETA, KEYS
from intonaco.general.demo.sources import read_airports, read_flights, read_planes, read_weather
from intonaco.infra import Examples, FeatureStore, Snapshot, Workspace, step
from intonaco.infra.storage.checks import Check, InRange, NotNull, Unique
from intonaco.infra.storage.values import value_digest

__all__ = ["TRAINING_ROWS", "derive", "examples", "ingest", "outcomes"]

#: Labelled flights before the cut; what follows, from 2013-10-19T18:00Z on, is held out.
TRAINING_ROWS = 261_876

_READERS = {"flights": read_flights, "weather_raw": read_weather, "planes": read_planes, "airports": read_airports}
_CHECKS: dict[str, list[Check]] = {
    "flights": [NotNull(("carrier", "flight", "origin", "dest", "scheduled_departure")), InRange("scheduled_block", 30, 900)],
    "weather_raw": [Unique(("origin", "time_hour")), InRange("humid", 0, 100)],
    "planes": [Unique(("tailnum",))],
    "airports": [Unique(("faa",)), InRange("lat", -90, 90), InRange("lon", -180, 180)],
}


@step
def ingest(workspace: Workspace, table: Literal["flights", "weather_raw", "planes", "airports"]) -> Snapshot:
    """A table of the data package, checked and written."""
    return _write(workspace, table, _READERS[table](), _CHECKS[table])


@step
def derive(workspace: Workspace, table: Literal["arrivals", "departures", "weather", "routes"], sources: list[Snapshot]) -> Snapshot:
    """A table of events, made from ingested ones."""
    data = [workspace.tables.read(source) for source in sources]
    made: dict[str, Callable[..., pa.Table]] = {
        "arrivals": events.arrivals,
        "departures": events.departures,
        "weather": events.weather_reports,
        "routes": events.routes,
    }
    return _write(workspace, table, made[table](*data), [])


@step
def outcomes(workspace: Workspace, flights: Snapshot) -> Snapshot:
    """One row for each flight: what was known when it left, and by how many minutes the timetable was wrong about its arrival."""
    data = workspace.tables.read(flights)
    hour = pc.hour(data["scheduled_departure"])
    delayed = pc.if_else(pc.greater(data["dep_delay"], 15), "left late", "left on time")
    names = (*KEYS, "scheduled_departure", "departure", "arrival", "dep_delay", "scheduled_block")
    rows = {**{name: data[name] for name in names}, "error_min": data["arr_delay"], "hour_utc": hour, "delayed": delayed}
    return _write(workspace, "outcomes", pa.table(rows), [])


@step
def examples(workspace: Workspace, part: Literal["training", "held_out"], outcomes: Snapshot, sources: list[Snapshot]) -> Examples:
    """Features as of each flight's departure, with the error of the timetable; training rows that arrived after the cut are dropped."""
    data = workspace.tables.read(outcomes)
    labelled = data.filter(pc.is_valid(data["error_min"]))
    first, rest = labelled.slice(0, TRAINING_ROWS), labelled.slice(TRAINING_ROWS)
    rows = rest if part == "held_out" else first.filter(pc.less(first["arrival"], pc.min(rest["scheduled_departure"])))
    versions = {source.table.partition("/")[2]: source.version for source in sources}
    return FeatureStore(workspace).training_set(ETA, rows, labels=("error_min",), at="departure", versions=versions)


def _write(workspace: Workspace, table: str, data: pa.Table, checks: list[Check]) -> Snapshot:
    """Commit the table; the same rows again are the same version."""
    name = f"{workspace.settings.project}/{table}"
    return workspace.tables.write(name, data, mode="replace", checks=checks, token=value_digest(data))
