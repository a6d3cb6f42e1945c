import json
from decimal import Decimal

import pytest
from attrs import evolve

from intonaco.core.errors import DefinitionError, SchemaError
from intonaco.infra.features.defined.meaning import digest
from intonaco.infra.features.definitions import (
    Entity,
    FeatureSet,
    FeatureView,
    RequestColumn,
    TableSource,
    columns,
    count,
    difference,
    hour_of_day,
    mean,
    minimum,
    sum_,
)
from intonaco.infra.features.online.plan import ReadPlan
from intonaco.infra.features.recorded import stored

ROUTE = Entity("route", {"origin": "str", "dest": "str"})
ARRIVALS = TableSource("arrivals", {"gain": "float64", "seats": "int64", "tail": "str", "price": "decimal(5,2)"}, time="arrived_at")
VIEW = FeatureView(
    name="route_gain",
    entity=ROUTE,
    source=ARRIVALS,
    features=[mean("gain", over=["3h", "7d"]), count(over="1d"), columns("seats", "tail")],
    valid_for="30d",
    delay="5m",
    owner="maps",
    tags=("eta",),
)
SET = FeatureSet(
    name="eta",
    features=[VIEW["gain_mean_3h", "tail"], VIEW.using("gain_mean_3h", keys={"origin": "dest", "dest": "origin"}, prefix="back_")],
    request=[RequestColumn("dep_delay")],
    functions=[hour_of_day(), difference("dep_delay", "gain_mean_3h", name="worse")],
)


def test_features_are_named_after_column_aggregate_and_window() -> None:
    assert [feature.name for feature in VIEW.features] == ["gain_mean_3h", "gain_mean_7d", "count_1d", "seats", "tail"]


def test_hops_are_the_coarsest_of_which_a_window_holds_24() -> None:
    assert [feature.hop_us for feature in VIEW.windows] == [300_000_000, 21_600_000_000, 3_600_000_000]


def test_a_set_asks_for_request_columns_and_keys_and_gives_what_the_model_sees() -> None:
    assert SET.inputs().names == ("dep_delay", "origin", "dest")
    assert SET.outputs().names == ("gain_mean_3h", "tail", "back_gain_mean_3h", "dep_delay", "hour_of_day", "worse")
    assert SET.outputs()["tail"].dtype == "str"


def test_a_plan_survives_json() -> None:
    plan = ReadPlan.compile(SET, "maps", {"route_gain": 3})
    assert ReadPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
    assert plan.views[1].keys == (("dest", "str"), ("origin", "str"))


@pytest.mark.parametrize(("kind", "definition"), [("entity", ROUTE), ("view", VIEW), ("set", SET)])
def test_definitions_survive_the_catalog(kind: str, definition: Entity | FeatureView | FeatureSet) -> None:
    assert stored.decode(kind, stored.encode(definition)) == definition


def test_the_meaning_is_not_moved_by_names_and_descriptions() -> None:
    renamed = evolve(VIEW, name="other", owner="other", description="other", tags=(), features=VIEW.features[::-1])
    assert digest(renamed) == digest(VIEW)


@pytest.mark.parametrize(
    "changed",
    [
        evolve(VIEW, delay="6m"),
        evolve(VIEW, valid_for=None),
        evolve(VIEW, features=VIEW.features[1:]),
        evolve(VIEW, source=evolve(ARRIVALS, time="landed_at")),
        evolve(VIEW, entity=Entity("route", {"origin": "str"})),
        evolve(VIEW, features=[mean("gain", over="3h", hop="1m"), *VIEW.features[1:]]),
        evolve(VIEW, features=[mean("gain", over="3h", resolution=0.01), *VIEW.features[1:]]),
    ],
)
def test_the_meaning_is_moved_by_whatever_moves_answers(changed: FeatureView) -> None:
    assert digest(changed) != digest(VIEW)


def test_defaults_of_decimals_are_served_as_decimals() -> None:
    prices = evolve(VIEW, features=[sum_("price", over="3h", default="1.5"), columns("price", default=Decimal(2))])  # type: ignore[arg-type]
    plan = ReadPlan.compile(FeatureSet(name="prices", features=[prices]), "maps", {"route_gain": 3})
    for each in (plan, ReadPlan.from_json(json.loads(json.dumps(plan.to_json())))):
        assert [str(output.default) for output in each.views[0].outputs] == ["1.50", "2.00"]
        assert {type(output.default) for output in each.views[0].outputs} == {Decimal}


def test_a_default_that_was_applied_before_defaults_were_checked_is_read_back() -> None:
    known = evolve(VIEW, features=[columns("seats", default=2), mean("gain", over="3h", default=0.5)])
    body = stored.encode(known).replace('"default":2', '"default":"two"').replace('"default":0.5', '"default":"half"')
    old = stored.decode("view", body)
    assert isinstance(old, FeatureView)
    assert [each.default for each in old.features] == ["two", "half"]


@pytest.mark.parametrize(
    ("attempt", "names"),
    [
        (lambda: mean("gain", over="3h", hop="1d"), "shorter than its hop"),
        (lambda: mean("gain", over="3 hours"), "3 hours"),
        (lambda: mean("gain", over=["1h", "2h"], name="one"), "one name 'one'"),
        (lambda: mean("gain", over="90d", hop="1s"), "hops"),
        (lambda: evolve(VIEW, features=[mean("gian", over="3h")]), "'gian'"),
        (lambda: evolve(VIEW, features=[minimum("tail", over="3h")]), "'tail', which is str"),
        (lambda: evolve(VIEW, features=[columns("gain"), columns("gain")]), "'gain' twice"),
        (lambda: evolve(VIEW, features=[]), "no features"),
        (lambda: evolve(VIEW, features=[mean("gain", over="3h", default="none")]), "is float64 and has the default 'none'"),  # type: ignore[arg-type]
        (lambda: evolve(VIEW, features=[mean("gain", over="3h", default=float("nan"))]), "has the default nan"),
        (lambda: evolve(VIEW, features=[count(over="3h", default=True)]), "has the default True"),
        (lambda: evolve(VIEW, features=[columns("seats", default=2.5)]), "is int64 and has the default 2.5"),
        (lambda: evolve(VIEW, features=[columns("tail", default=5)]), "is str and has the default 5"),
        (lambda: evolve(VIEW, features=[sum_("price", over="3h", default="0.001")]), "is decimal(19,2) and has the default '0.001'"),  # type: ignore[arg-type]
        (lambda: evolve(VIEW, source=TableSource("features.route_gain.v1.hops", {"gain": "float64"}, time="t")), "reads itself"),
        (lambda: evolve(VIEW, source=TableSource("arrivals", {"origin": "int64"}, time="t")), "'origin' is int64"),
        (lambda: TableSource("arrivals", {"arrived_at": "float64"}, time="arrived_at"), "expected timestamp"),
        (lambda: evolve(VIEW, delay=-1), "delay"),
        (lambda: Entity("route", {}), "no keys"),
        (lambda: Entity("route", {"length": "float64"}), "'length' is float64"),
        (lambda: Entity("a b", {"key": "str"}), "'a b'"),
        (lambda: VIEW["gain_mean_4h"], "did you mean 'gain_mean_"),
        (lambda: VIEW.using(keys={"orig": "x"}), "'orig'"),
        (lambda: FeatureSet(name="twice", features=[VIEW, VIEW["tail"]]), "'tail' twice"),
        (lambda: FeatureSet(name="bad", features=[VIEW], functions=[hour_of_day("when")]), "'when'"),
        (lambda: FeatureSet(name="bad", features=[VIEW], request=[RequestColumn("origin", "int64")]), "both int64 and str"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_defined(attempt: object, names: str) -> None:
    assert callable(attempt)
    with pytest.raises((DefinitionError, SchemaError)) as caught:
        attempt()
    assert names in str(caught.value)
