from collections.abc import Iterable

import pytest
from attrs import evolve

from intonaco.core.errors import DefinitionError, MissingError
from intonaco.infra.features.definitions import Entity, FeatureSet, FeatureView, TableSource, columns, mean
from intonaco.infra.features.registry import Step
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.features.tables import ROOM
from intonaco.infra.storage.catalog import Room
from intonaco.infra.testing.catalog import RoomContract
from intonaco.infra.workspace import Workspace

AIRPORT = Entity("airport", {"airport": "str"}, description="where planes land")
WEATHER = FeatureView(
    name="weather",
    entity=AIRPORT,
    source=TableSource("weather", {"temp": "float64", "wind": "float64"}, time="time"),
    features=[columns("temp", "wind")],
    owner="maps",
    tags=("sky",),
)
SET = FeatureSet(name="eta", features=[WEATHER])


class TestFeaturesRoom(RoomContract):
    @pytest.fixture
    def room(self) -> Room:
        return ROOM


def actions(steps: Iterable[Step]) -> dict[str, str]:
    return {f"{step.kind}:{step.name}@{step.version}": step.action for step in steps}


def test_plan_tells_what_apply_then_does(store: FeatureStore) -> None:
    planned = store.plan([SET])
    assert actions(planned) == {"entity:airport@1": "add", "view:weather@1": "add", "set:eta@1": "add"}
    assert store.apply([SET]) == planned
    assert set(actions(store.plan([SET])).values()) == {"same"}


def test_a_plan_changes_nothing(store: FeatureStore) -> None:
    store.plan([SET])
    with pytest.raises(MissingError, match="'eta'"):
        store.feature_set("eta")


def test_descriptions_change_in_place(store: FeatureStore) -> None:
    store.apply([WEATHER])
    assert actions(store.apply([evolve(WEATHER, owner="other")]))["view:weather@1"] == "describe"
    assert store.registry.get("view", "weather").definition.owner == "other"


def test_a_changed_meaning_is_a_new_version_beside_the_old_one(store: FeatureStore) -> None:
    store.apply([WEATHER])
    changed = evolve(WEATHER, features=[columns("temp"), mean("wind", over="1d")])
    [_, step] = store.apply([changed])
    assert (step.action, step.version) == ("change", 2)
    assert step.detail == "adds wind_mean_1d, drops wind"
    assert store.registry.version_of(WEATHER) == 1
    assert store.registry.version_of(changed) == 2
    assert store.registry.get("view", "weather", 1).definition == WEATHER


def test_a_set_whose_view_is_not_applied_has_no_plan(store: FeatureStore) -> None:
    with pytest.raises(MissingError, match="not applied") as caught:
        store.read_plan(SET)
    assert "apply" in caught.value.hint


def test_projects_do_not_see_each_other(workspace: Workspace, store: FeatureStore) -> None:
    store.apply([SET])
    assert FeatureStore(workspace, "other").registry.search() == []


def test_definitions_are_found_by_name_tag_and_owner(store: FeatureStore) -> None:
    store.apply([SET])
    found = store.registry.search
    assert [each.name for each in found("planes land", kind="entity")] == ["airport"]
    assert [each.name for each in found(tag="sky")] == ["weather"]
    assert [each.name for each in found(owner="maps")] == ["weather"]
    assert found("submarine") == []


def test_two_definitions_of_one_name_are_refused(store: FeatureStore) -> None:
    with pytest.raises(DefinitionError, match="two different definitions"):
        store.apply([WEATHER, evolve(WEATHER, delay="1h")])
