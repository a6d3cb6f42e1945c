"""No flight sees anything that happened at or after its own departure, apart from how late it left.

Whatever happened from a moment on is changed in the tables themselves: flights arrive and leave at other times and with
other delays, are cancelled or never recorded, others are added, the weather is another. The features of every flight that
left up to that moment must not move by a bit. That the same changes before the moment do move features shows that the
comparison can fail.
"""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from intonaco.general.demo import events
from intonaco.general.demo.definitions import ETA, VIEWS
from intonaco.general.demo.sources import MINUTE_US, read_airports, read_flights, read_weather
from intonaco.general.demo.steps import outcomes
from intonaco.infra import Examples, FeatureStore, Workspace
from intonaco.infra.storage.arrow import to_arrow

pytestmark = pytest.mark.slow

MOMENT = pa.timestamp("us", tz="UTC")
FIRST, FLIGHTS = 40_000, 4_000  # a few days of the middle of February
EVENTS = ("arrivals", "departures", "weather", "routes")


@frozen
class Week:
    """What happened in a few days, and a workspace in which other versions of it can be told."""

    workspace: Workspace
    flights: pa.Table
    weather: pa.Table
    airports: pa.Table
    truth: Examples

    def told(self, flights: pa.Table, weather: pa.Table) -> dict[str, pa.Table]:
        return {
            "arrivals": events.arrivals(flights),
            "departures": events.departures(flights),
            "weather": events.weather_reports(weather),
            "routes": events.routes(self.flights, self.airports),
        }

    def examples(self, tables: dict[str, pa.Table], rows: pa.Table | None = None) -> Examples:
        return examples_of(self.workspace, tables, self.flights if rows is None else rows)


def examples_of(workspace: Workspace, tables: dict[str, pa.Table], flights: pa.Table) -> Examples:
    versions = {name: workspace.tables.write(f"default/{name}", table, mode="replace").version for name, table in tables.items()}
    written = workspace.tables.write("default/flights", flights, mode="replace")
    rows = workspace.tables.read(outcomes(workspace, flights=written))
    left = rows.filter(pc.is_valid(rows["departure"]))
    return FeatureStore(workspace).training_set(ETA, left, labels=("error_min",), at="departure", versions=versions)


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Week]:
    flights = read_flights().slice(FIRST, FLIGHTS)
    hours = pc.min_max(flights["time_hour"]).as_py()
    weather = read_weather()
    near = pc.and_(
        pc.greater_equal(weather["time_hour"], hours["min"] - timedelta(days=1)), pc.less_equal(weather["time_hour"], hours["max"])
    )
    with Workspace.open(tmp_path_factory.mktemp("week")) as workspace:
        FeatureStore(workspace).apply([*VIEWS, ETA])
        airports = read_airports()
        bare = Week(workspace, flights, weather.filter(near), airports, None)  # type: ignore[arg-type]
        yield Week(workspace, flights, bare.weather, airports, bare.examples(bare.told(flights, bare.weather)))


def micros(column: pa.ChunkedArray) -> NDArray[np.int64]:
    values: NDArray[np.int64] = pc.fill_null(pc.cast(column, pa.int64()), -1).to_numpy()
    return values


def replaced(table: pa.Table, name: str, values: NDArray[np.float64] | pa.Array) -> pa.Table:
    array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, mask=np.isnan(values))
    return table.set_column(table.column_names.index(name), name, array)


def changed_values(table: pa.Table, here: NDArray[np.bool_], names: list[str], draw: np.random.Generator) -> pa.Table:
    """Other numbers, some of them missing, where `here`."""
    for name in names:
        values = pc.fill_null(table[name], float("nan")).to_numpy().copy()
        values[here] = np.where(draw.random(here.sum()) < 0.2, np.nan, draw.normal(50, 30, here.sum()).round())
        table = replaced(table, name, values)
    return table


def changed_moments(table: pa.Table, here: NDArray[np.bool_], name: str, moments: NDArray[np.int64]) -> pa.Table:
    values = micros(table[name]).copy()
    unknown = values < 0
    values[here], unknown[here] = moments, False
    return replaced(table, name, pa.array(values, mask=unknown).cast(MOMENT))


def without_some(table: pa.Table, here: NDArray[np.bool_], draw: np.random.Generator) -> pa.Table:
    return table.filter(pa.array(~(here & (draw.random(len(here)) < 0.3))))


def with_copies(table: pa.Table, here: NDArray[np.bool_], time: str, moments: NDArray[np.int64]) -> pa.Table:
    """Events that never were, of the same airports, carriers and aircraft, at these moments and once at the first of them."""
    rows = table.take(pa.array(np.resize(np.flatnonzero(here), len(moments))))
    return pa.concat_tables([table, changed_moments(rows, np.ones(len(moments), dtype=bool), time, moments)])


def disturbed(week: Week, here_from: int, here_until: int, seed: int) -> dict[str, pa.Table]:
    """The tables, with everything that happened in a stretch of time changed within that stretch."""
    draw = np.random.default_rng(seed)
    told = week.told(week.flights, week.weather)
    numbers = {"arrivals": ["gain", "air_excess", "headwind", "on_ground"], "departures": ["dep_delay"], "weather": ["temp", "visib"]}
    for name, time in (("arrivals", "arrival"), ("departures", "departure"), ("weather", "time_hour")):
        table = told[name]
        here = (micros(table[time]) >= here_from) & (micros(table[time]) < here_until)
        if not here.any():
            continue
        moments = draw.integers(here_from, here_until, 200)
        moments[:5] = here_from
        table = changed_values(
            with_copies(table, here, time, moments), np.concatenate([here, np.ones(200, dtype=bool)]), numbers[name], draw
        )
        now = (micros(table[time]) >= here_from) & (micros(table[time]) < here_until)
        shifted = np.clip(micros(table[time])[now] + draw.integers(-60, 60, now.sum()) * MINUTE_US, here_from, here_until - 1)
        table = changed_moments(table, now, time, shifted)
        kept = without_some(table, now, draw)
        told[name] = kept.filter(pc.is_valid(kept["dep_delay"])) if name == "departures" else kept
    return told


def retold(week: Week, moment: int, seed: int) -> pa.Table:
    """The flights themselves, with whatever they did from a moment on done otherwise; those in the air arrive otherwise."""
    draw = np.random.default_rng(seed)
    landing, leaving = (micros(week.flights[name]) >= moment for name in ("arrival", "departure"))
    table = changed_values(week.flights, landing, ["arr_delay", "air_time", "gain"], draw)
    table = changed_moments(table, landing, "arrival", draw.integers(moment, end_of(week), landing.sum()))
    delays = pc.fill_null(table["dep_delay"], float("nan")).to_numpy().copy()
    delays[leaving] = draw.normal(40, 30, leaving.sum()).round()
    return changed_moments(replaced(table, "dep_delay", delays), leaving, "departure", draw.integers(moment, end_of(week), leaving.sum()))


def bits(examples: Examples, rows: NDArray[np.bool_]) -> dict[str, list[bytes]]:
    """Values and statuses of features, row by row, as bytes."""
    some = examples.take(rows)
    table = to_arrow(some.features, some.inputs)
    values = {name: [repr(each).encode() for each in table[name].to_pylist()] for name in table.column_names}
    return values | {f"status of {name}": [bytes([code]) for code in codes.tolist()] for name, codes in some.statuses.items()}


def moved(one: Examples, other: Examples, rows: NDArray[np.bool_]) -> set[str]:
    before, after = bits(one, rows), bits(other, rows)
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}


def at_us(week: Week) -> NDArray[np.int64]:
    assert week.truth.at_us is not None
    return week.truth.at_us


def end_of(week: Week) -> int:
    return int(micros(week.flights["arrival"]).max()) + 86_400_000_000


@settings(max_examples=8)
@given(row=st.integers(100, 3_800), seed=st.integers(0, 2**32))
def test_nothing_that_happened_at_or_after_a_departure_moves_its_features(week: Week, row: int, seed: int) -> None:
    moment = int(at_us(week)[row])
    other = week.examples(disturbed(week, moment, end_of(week), seed))
    left = at_us(week) <= moment
    assert left[row]
    assert moved(week.truth, other, left) == set()


@settings(max_examples=4)
@given(row=st.integers(100, 3_800), seed=st.integers(0, 2**32))
def test_no_event_is_told_before_it_happened(week: Week, row: int, seed: int) -> None:
    moment = int(at_us(week)[row])
    other = week.examples(week.told(retold(week, moment, seed), week.weather))
    assert moved(week.truth, other, at_us(week) <= moment) == set()


@settings(max_examples=4)
@given(row=st.integers(1_500, 3_800), seed=st.integers(0, 2**32))
def test_what_happened_before_a_departure_does_move_features(week: Week, row: int, seed: int) -> None:
    moment = int(at_us(week)[row])
    other = week.examples(disturbed(week, moment - 86_400_000_000, moment, seed))
    there = np.arange(len(week.truth)) == row
    of_the_flight = moved(week.truth, other, there)
    after = (at_us(week) >= moment) & (at_us(week) < moment + 3_600_000_000)
    of_the_hour = moved(week.truth, other, after)
    assert len(of_the_flight) >= 3
    assert {"flight_gain_30d", "service_gain_1d", "route_air_excess_1d", "aircraft_gain_7d", "dest_headwind_6h"} <= of_the_hour
    assert {"carrier_gain_6h", "origin_on_ground_1h", "departures_30m", "departure_delay_1h", "temp", "visib"} <= of_the_hour


@pytest.mark.parametrize(("early_us", "more"), [(1, 1), (0, 0), (-1, 0)])
def test_a_departure_counts_from_the_very_next_moment_on(week: Week, early_us: int, more: int) -> None:
    row = 2_000
    moment, origin = int(week.truth.at_us[row]), week.truth.columns["origin"][row]  # type: ignore[index]
    told = week.told(week.flights, week.weather)
    one = told["departures"].filter(pc.equal(told["departures"]["origin"], origin)).slice(0, 1)
    added = changed_moments(one, np.array([True]), "departure", np.array([moment - early_us]))
    other = week.examples(told | {"departures": pa.concat_tables([told["departures"], added])})
    count = [np.asarray(each.columns["departures_30m"], dtype=float)[row] for each in (week.truth, other)]
    assert count[1] - count[0] == more


def test_how_a_flight_itself_went_on_moves_none_of_its_features(week: Week) -> None:
    """Its own arrival, air time and label, in the rows that are asked for; its departure delay is given."""
    draw = np.random.default_rng(5)
    everywhere = np.ones(week.flights.num_rows, dtype=bool)
    rows = changed_values(week.flights, everywhere, ["arr_delay", "air_time", "gain"], draw)
    later = micros(week.flights["scheduled_arrival"]) + draw.integers(0, 600, len(everywhere)) * MINUTE_US
    rows = changed_moments(rows, everywhere, "arrival", later)
    other = week.examples(week.told(week.flights, week.weather), rows)
    assert moved(week.truth, other, np.ones(len(week.truth), dtype=bool)) == set()
