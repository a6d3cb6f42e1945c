"""What happened, as events: one for each thing, at the moment it did."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from intonaco.general.demo import events

LEFT = datetime(2013, 1, 1, 10, tzinfo=UTC)


@pytest.fixture
def flights() -> pa.Table:
    """A flight that arrived, one that was diverted, one that never left."""
    moment = pa.timestamp("us", tz="UTC")
    return pa.table(
        {
            "departure": pa.array([LEFT, LEFT, None], moment),
            "arrival": pa.array([LEFT + timedelta(minutes=190), None, None], moment),
            "carrier": ["AA", "AA", "UA"],
            "flight": ["1", "2", "3"],
            "tailnum": ["N1", "N2", None],
            "origin": ["JFK", "LGA", "JFK"],
            "dest": ["LAX", "ORD", "LAX"],
            "dep_delay": [5.0, 7.0, None],
            "arr_delay": [15.0, None, None],
            "gain": [10.0, None, None],
            "air_time": [160.0, None, None],
            "distance": [1200.0, 700.0, 1200.0],
            "scheduled_block": [180.0, 120.0, 180.0],
        }
    )


def test_only_flights_that_arrived_give_arrivals(flights: pa.Table) -> None:
    made = events.arrivals(flights).to_pylist()
    assert [(row["arrival"], row["flight"]) for row in made] == [(LEFT + timedelta(minutes=190), "1")]


def test_an_arrival_tells_where_its_minutes_went(flights: pa.Table) -> None:
    (row,) = events.arrivals(flights).to_pylist()
    assert row["air_excess"] == 160.0 - 180.0
    assert row["headwind"] == 160.0 - 1200.0 / 8.0
    assert row["on_ground"] == (180.0 + 10.0) - 160.0  # from gate to gate, less the air


def test_only_flights_that_left_give_departures(flights: pa.Table) -> None:
    made = events.departures(flights)
    assert made["dep_delay"].to_pylist() == [5.0, 7.0]
    assert "arr_delay" not in made.column_names


def test_no_departure_tells_of_the_arrival(flights: pa.Table) -> None:
    assert set(events.departures(flights).column_names) == {"departure", "origin", "carrier", "dep_delay"}


def test_routes_are_known_since_before_the_first_flight(flights: pa.Table) -> None:
    airports = pa.table({"faa": ["LAX"], "lat": [33.9], "lon": [-118.4]})
    made = events.routes(flights, airports).to_pylist()
    assert [(row["origin"], row["dest"], row["lat"]) for row in made] == [("JFK", "LAX", 33.9), ("LGA", "ORD", None)]
    assert made[0]["still_air"] == 150.0
    assert {row["since"] for row in made} == {datetime(1970, 1, 1, tzinfo=UTC)}
