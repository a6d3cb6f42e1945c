"""Of every field of every definition: whether changing it may change answers, and so moves the meaning, or not."""

from typing import Any

import attrs
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from intonaco.core.schema import Field, Schema
from intonaco.infra.features.defined.aggregates import Feature
from intonaco.infra.features.defined.meaning import digest
from intonaco.infra.features.definitions import (
    Entity,
    FeatureSet,
    FeatureView,
    JoinSource,
    Labels,
    QuerySource,
    RequestColumn,
    RequestFunction,
    StreamSource,
    TableSource,
    Use,
    clip,
    columns,
    count,
    last_k,
    maximum,
    mean,
)
from intonaco.infra.features.recorded.stored import decode, encode

SHOP = Entity("shop", {"shop": "str"})
TABLE = TableSource("sales", {"price": "float64", "note": "str"}, time="sold_at")
STREAM = StreamSource("sales", {"price": "float64", "note": "str"}, time="sold_at")
QUERY = QuerySource("sales", {"price": "float64"}, select={"price": "cost * 2", "other": "1"}, where="cost > 0", time="sold_at")
VIEW = FeatureView(name="sales", entity=SHOP, source=TABLE, features=[mean("price", over="6h"), count(over="1h"), columns("note")])
JOIN = JoinSource(TableSource("visits", {"shop": "str"}, time="came_at"), VIEW.using("price_mean_6h", "note"))
CHAINED = FeatureView(name="visits", entity=SHOP, source=JOIN, features=[maximum("price_mean_6h", over="1d")])
SET = FeatureSet(name="shops", features=[VIEW], request=[RequestColumn("guests")], functions=[clip("guests", 0, 9)])
LABELS = Labels(name="good", table="outcomes", keys="sale", value="good", final="end", at="begin")

#: For each class the fields that may change answers, each with a changed value; of the others any value leaves the meaning.
MOVES: dict[type, dict[str, Any]] = {
    Entity: {"keys": {"shop": "bytes"}},
    FeatureView: {
        "entity": Entity("shop", {"shop": "str", "till": "str"}),
        "source": evolve(TABLE, table="others"),
        "features": VIEW.features[1:],
        "valid_for": "1d",
        "delay": "1m",
    },
    Feature: {"kind": "variance", "column": "cost", "over_us": 6 * 10**9, "hop_us": 1, "resolution": 0.5},
    TableSource: {"table": "others", "time": "known_at", "created": "known_at", "columns": {"price": "int64", "note": "str"}},
    StreamSource: {"topic": "others", "time": "known_at", "created": "known_at", "columns": {"price": "int64", "note": "str"}},
    QuerySource: {"table": "others", "time": "at", "created": "at", "columns": {"price": "int64"}, "select": {}, "where": "cost > 1"},
    JoinSource: {"events_of": TABLE, "uses": [evolve(VIEW, delay="1m").using("price_mean_6h", "note")]},
    FeatureSet: {"features": [VIEW["note"]], "request": [RequestColumn("guests", "int64")], "functions": [clip("guests", 0, 8)]},
    Use: {"view": evolve(VIEW, delay="1m"), "names": ("note",), "keys": {"shop": "other"}, "prefix": "a_", "rename": {"note": "word"}},
    RequestColumn: {"name": "rain", "dtype": "int64", "is_feature": False},
    RequestFunction: {"name": "other", "function": "bucket", "arguments": ("price_mean_6h",), "parameters": (0, 8)},
    Labels: {"table": "others", "keys": "other", "value": "bad", "final": "then", "at": "then"},
}
#: What leaves the meaning, with a changed value.
STAYS: dict[type, dict[str, Any]] = {
    Entity: {"name": "store", "description": "a", "owner": "b"},
    FeatureView: {"name": "other", "owner": "a", "description": "b", "tags": ("c",), "expectations": ()},
    Feature: {"name": "other", "description": "a", "tags": ("b",), "default": 1.0, "valid_for_us": 5},
    TableSource: {},
    StreamSource: {"partitions": 3},
    QuerySource: {},
    JoinSource: {},
    FeatureSet: {"name": "other", "owner": "a", "description": "b", "tags": ("c",)},
    Use: {},
    RequestColumn: {"nullable": False, "categories": (), "unit": "m", "description": "a", "tags": ("b",)},
    RequestFunction: {"description": "a"},
    Labels: {"name": "other", "description": "a", "owner": "b"},
}
#: Filled in from others.
DERIVED: dict[type, set[str]] = {Feature: {"dtype", "source_dtype", "parameters"}}


def of(changed: Any) -> str:
    """The digest of the definition in which a part stands."""
    if isinstance(changed, Entity | FeatureView | FeatureSet | Labels):
        return digest(changed)
    if isinstance(changed, Feature):
        return digest(
            evolve(
                VIEW,
                source=evolve(TABLE, columns={"price": "float64", "cost": "float64", "note": "str"}),
                features=[changed, *VIEW.features[1:]],
            )
        )
    if isinstance(changed, JoinSource):
        return digest(evolve(CHAINED, source=changed))
    if isinstance(changed, QuerySource):
        return digest(evolve(VIEW, source=changed, features=[mean("price", over="6h")]))
    if isinstance(changed, TableSource | StreamSource):
        return digest(evolve(VIEW, source=changed, features=[mean("price", over="6h"), count(over="1h"), columns("note")]))
    if isinstance(changed, Use):
        return digest(evolve(SET, features=[changed]))
    return digest(evolve(SET, request=[changed], functions=[]) if isinstance(changed, RequestColumn) else evolve(SET, functions=[changed]))


WHOLE: dict[type, Any] = {
    **{type(each): each for each in (SHOP, VIEW, TABLE, STREAM, QUERY, JOIN, SET, LABELS)},
    Feature: VIEW.features[0],
    Use: VIEW.using(),
    RequestColumn: SET.request[0],
    RequestFunction: SET.functions[0],
}


def changed(kind: type, name: str, value: Any) -> Any:
    whole = WHOLE[kind]
    if kind is RequestFunction and name == "function":
        return evolve(whole, function=value, parameters=(0, 9))
    return evolve(whole, **{name: value})


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in MOVES.items() for name in names])
def test_what_may_change_answers_moves_the_meaning(kind: type, name: str) -> None:
    if kind is JoinSource and name == "events_of":
        assert of(evolve(JOIN, events_of=TableSource("others", {"shop": "str"}, time="came_at"))) != of(JOIN)
        return
    assert of(changed(kind, name, MOVES[kind][name])) != of(WHOLE[kind])


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in STAYS.items() for name in names])
def test_what_cannot_change_answers_leaves_the_meaning(kind: type, name: str) -> None:
    assert of(changed(kind, name, STAYS[kind][name])) == of(WHOLE[kind])


@pytest.mark.parametrize("kind", MOVES)
def test_every_field_is_known_to_move_the_meaning_or_not(kind: type[attrs.AttrsInstance]) -> None:
    known = MOVES[kind].keys() | STAYS[kind].keys() | DERIVED.get(kind, set())
    assert {field.name for field in attrs.fields(kind)} == known


@given(st.permutations(range(3)))
def test_the_order_of_features_leaves_the_meaning_of_a_view(order: list[int]) -> None:
    assert digest(evolve(VIEW, features=[VIEW.features[place] for place in order])) == digest(VIEW)


_WORDS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Z", "S")), max_size=8)


@given(_WORDS, _WORDS, st.lists(_WORDS.filter(bool), max_size=3), st.none() | st.floats(allow_nan=False, allow_infinity=False))
def test_what_people_write_beside_survives_the_catalog_and_leaves_the_meaning(
    owner: str, text: str, tags: list[str], default: float | None
) -> None:
    features = [evolve(VIEW.features[0], description=text, tags=tuple(tags), default=default), *VIEW.features[1:]]
    told = evolve(VIEW, owner=owner, description=text, tags=tags, features=features)
    assert decode("view", encode(told)) == told
    assert digest(told) == digest(VIEW)


@pytest.mark.parametrize("declared", [{"default": 1.0}, {"valid_for_us": 5}])
def test_what_decides_an_answer_beside_what_is_stored_moves_the_meaning_of_a_set_alone(declared: dict[str, Any]) -> None:
    view = evolve(VIEW, features=[evolve(VIEW.features[0], **declared), *VIEW.features[1:]])
    assert digest(view) == digest(VIEW)
    assert digest(evolve(SET, features=[view])) != digest(SET)


def test_parameters_of_an_aggregate_move_the_meaning() -> None:
    views = [evolve(VIEW, features=[last_k("price", k=k, over="1h")]) for k in (2, 3)]
    assert digest(views[0]) != digest(views[1])


def test_what_a_column_is_described_as_leaves_the_meaning() -> None:
    source = evolve(
        TABLE, columns=Schema((Field("price", "float64", unit="EUR", description="a", tags=("private",)), Field("note", "str")))
    )
    assert digest(evolve(VIEW, source=source)) == digest(VIEW)


def test_the_digest_of_a_view_is_the_one_that_the_first_release_gave() -> None:
    assert digest(VIEW) == "aa0acfa94a805210b1db47ddf13142dc4f3c95725e2bf840de17ded57722c62e"
