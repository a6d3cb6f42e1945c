"""What the main job's features are."""

from collections import Counter
from pathlib import Path

from intonaco.general.demo.definitions import ARRIVALS, DEFINITIONS, ETA, KEYS, VIEWS
from intonaco.infra import FeatureStore, Workspace


def test_definitions_are_applied_once(tmp_path: Path) -> None:
    with Workspace.open(tmp_path) as workspace:
        features = FeatureStore(workspace)
        assert {step.action for step in features.apply(DEFINITIONS)} == {"add"}
        assert {step.action for step in features.plan(DEFINITIONS)} == {"same"}


def test_no_feature_has_the_name_of_another() -> None:
    names = Counter(feature.name for view in VIEWS for feature in view.features)
    assert max(names.values()) == 1
    assert max(Counter(view.name for view in VIEWS).values()) == 1


def test_every_view_of_flights_reads_what_is_known_when_they_arrived_or_left() -> None:
    moments = {view.source.table: view.source.time for view in VIEWS}
    assert moments == {"arrivals": "arrival", "departures": "departure", "weather": "time_hour", "routes": "since"}


def test_nothing_that_is_asked_with_the_request_is_known_after_the_departure() -> None:
    assert {column.name for column in ETA.request} == {"dep_delay", "scheduled_block", "carrier", "origin"}
    assert not {column.name for column in ETA.request} & {"arr_delay", "air_time", "arrival", "error_min", "gain"}


def test_outcomes_are_final_when_the_flight_has_arrived() -> None:
    assert (ARRIVALS.value, ARRIVALS.final, ARRIVALS.at, ARRIVALS.keys) == ("error_min", "arrival", "departure", KEYS)
