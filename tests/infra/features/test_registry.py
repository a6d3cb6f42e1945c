from collections.abc import Iterable

import pytest
from attrs import evolve

from intonaco.core.errors import DefinitionError, InvalidError, MissingError, RefusedError
from intonaco.core.references import Reference
from intonaco.core.schema import Field
from intonaco.infra.features.definitions import Entity, FeatureSet, FeatureView, JoinSource, TableSource, columns, mean
from intonaco.infra.features.recorded.registry import Step
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.features.tables import ROOM
from intonaco.infra.lineage.registry.lines import Line, insert_uses
from intonaco.infra.storage.catalog.catalog import Room
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


def test_a_rename_is_told_from_a_change_and_keeps_what_is_stored(store: FeatureStore) -> None:
    store.apply([SET])
    named = evolve(WEATHER, name="sky")
    renamed = evolve(SET, features=[named])
    planned = store.plan([renamed], complete=True)
    assert actions(planned) == {"entity:airport@1": "same", "view:sky@1": "rename", "set:eta@1": "describe"}
    assert [step.was for step in planned if step.kind == "view"] == ["weather@1"]
    assert store.apply([renamed], complete=True) == planned
    assert store.registry.stored(named, 1) == (WEATHER, 1)
    assert store.read_plan("eta").views[0].view == "weather"
    assert set(actions(store.plan([renamed], complete=True)).values()) == {"same"}


def test_a_renamed_view_that_is_renamed_again_stays_where_it_was_first(store: FeatureStore) -> None:
    for name in ("weather", "sky", "heaven"):
        store.apply([evolve(WEATHER, name=name)], complete=True)
    assert store.registry.stored(evolve(WEATHER, name="heaven"), 1) == (WEATHER, 1)


def test_a_copy_beside_the_original_is_no_rename(store: FeatureStore) -> None:
    store.apply([WEATHER])
    assert actions(store.plan([WEATHER, evolve(WEATHER, name="sky")], complete=True))["view:sky@1"] == "add"
    assert actions(store.plan([evolve(WEATHER, name="sky")]))["view:sky@1"] == "add"


def test_what_is_not_declared_any_more_is_told_and_stays(store: FeatureStore) -> None:
    store.apply([SET], complete=True)
    [_, _, gone] = store.apply([WEATHER], complete=True)
    assert (gone.kind, gone.name, gone.action) == ("set", "eta", "gone")
    assert store.feature_set("eta") == SET


def test_features_that_are_renamed_need_no_new_version(store: FeatureStore) -> None:
    store.apply([SET])
    heat = evolve(WEATHER, features=[evolve(WEATHER.features[0], name="heat"), WEATHER.features[1]])
    [_, step] = store.apply([heat])
    assert (step.action, step.version, step.detail) == ("describe", 1, "renames temp to heat")
    assert store.read_plan("eta").views[0].version == 1


def test_who_reads_what_goes_away_is_named_and_the_apply_refused(store: FeatureStore) -> None:
    source = JoinSource(TableSource("flights", {"airport": "str"}, time="left"), WEATHER["wind"])
    chained = FeatureView(name="chained", entity=AIRPORT, source=source, features=[columns("wind")])
    store.apply([SET, chained])
    register(store, "view:default/weather@1", "view:default/weather[temp]@1", "view:default/weather[wind]@1")
    without = evolve(WEATHER, features=[columns("temp")])
    [_, step] = store.plan([without])
    assert step.breaks == (
        "set:default/eta@1 reads wind",
        "view:default/chained@1 reads wind",
        "model:default/eta[JFK]@1 reads wind",
    )
    with pytest.raises(RefusedError, match=r"set:default/eta@1 reads wind, and 2 more"):
        store.apply([without])
    assert store.registry.get("view", "weather").version == 1
    assert store.apply([without], force=True)[1].version == 2


def test_a_reader_that_is_applied_with_it_is_not_broken(store: FeatureStore) -> None:
    store.apply([SET])
    without = evolve(WEATHER, features=[columns("temp")])
    steps = store.apply([evolve(SET, features=[without])])
    assert [step.breaks for step in steps] == [(), (), ()]
    assert steps[-1].detail == "drops wind"


def register(store: FeatureStore, *read: str) -> None:
    with store.workspace.catalog.transaction() as connection:
        insert_uses(connection, Line("default", "eta", "JFK"), 1, [Reference.parse(each) for each in read])


def test_readers_of_a_view_and_of_a_feature_are_found(store: FeatureStore) -> None:
    part = FeatureSet(name="part", features=[WEATHER["temp"]])
    store.apply([SET, part])
    register(store, "view:default/weather@1", "view:default/weather[wind]@1")
    uses = store.registry.uses
    assert [each.reference for each in uses("weather")] == ["set:default/eta@1", "set:default/part@1", "model:default/eta[JFK]@1"]
    assert [each.reference for each in uses("weather", "wind")] == ["set:default/eta@1", "model:default/eta[JFK]@1"]
    assert uses("weather")[1].features == ("temp",)
    assert uses("snow") == []


def test_definitions_are_found_by_who_reads_them(store: FeatureStore) -> None:
    other = evolve(WEATHER, name="other", delay="1h")
    store.apply([SET, other])
    register(store, "view:default/other@1")
    found = store.registry.search
    assert [each.name for each in found(used_by="eta", kind="view")] == ["weather"]
    assert [(each.kind, each.name) for each in found(used_by="set:eta")] == [("entity", "airport"), ("view", "weather")]
    assert [each.name for each in found(used_by="model:default/eta[JFK]@1", kind="view")] == ["other"]
    with pytest.raises(MissingError):
        found(used_by="nobody")


def test_tags_of_columns_are_found_at_views_and_sets(store: FeatureStore) -> None:
    source = TableSource("people", [Field("income", "float64", tags=("private",))], time="t")
    person = FeatureView(name="person", entity=AIRPORT, source=source, features=[mean("income", over="1d")])
    store.apply([FeatureSet(name="loans", features=[person.using(rename={"income_mean_1d": "means"})])])
    assert [(each.kind, each.name) for each in store.registry.search(tag="private")] == [("set", "loans"), ("view", "person")]


def test_aliases_of_versions_are_moved_and_removed(store: FeatureStore) -> None:
    store.apply([SET])
    store.apply([FeatureSet(name="eta", features=[WEATHER["temp"]])])
    registry = store.registry
    registry.set_alias("set", "eta", "stable", 1)
    assert registry.get("set", "eta@stable").definition == SET
    assert store.read_plan("eta@stable").features.names == ("temp", "wind")
    assert store.read_plan("eta@2").features.names == ("temp",)
    registry.set_alias("set", "eta", "stable", 2)
    assert registry.aliases("set", "eta") == {"stable": 2}
    registry.set_alias("set", "eta", "stable", None)
    with pytest.raises(MissingError, match="'eta@stable'") as caught:
        registry.get("set", "eta@stable")
    assert caught.value.hint == "its versions are 1 to 2, its aliases: none"


@pytest.mark.parametrize(("alias", "version", "error"), [("7", 1, InvalidError), ("a b", 1, InvalidError), ("stable", 9, MissingError)])
def test_aliases_that_name_nothing_are_refused(store: FeatureStore, alias: str, version: int, error: type[Exception]) -> None:
    store.apply([SET])
    with pytest.raises(error):
        store.registry.set_alias("set", "eta", alias, version)


def test_a_view_that_is_applied_is_never_changed_in_place(store: FeatureStore) -> None:
    store.apply([WEATHER])
    for number, changed in enumerate([evolve(WEATHER, delay="1h"), evolve(WEATHER, valid_for="9d"), WEATHER], start=2):
        assert [step.version for step in store.apply([changed])][1] == number
    assert store.registry.get("view", "weather", 1).definition == WEATHER
    assert store.registry.version_of(WEATHER) == 4


def test_a_view_that_means_again_what_it_did_reads_what_was_stored_then(store: FeatureStore) -> None:
    store.apply([WEATHER])
    store.apply([evolve(WEATHER, delay="1h")])
    [_, step] = store.apply([WEATHER])
    assert (step.action, step.version, step.was, step.rows) == ("change", 3, "weather@1", None)
    assert store.registry.stored(WEATHER, 3) == (WEATHER, 1)
