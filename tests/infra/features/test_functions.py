from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from intonaco.core import Plugins
from intonaco.core.columns import Column, Masked
from intonaco.core.errors import DefinitionError, NotRegisteredError, SchemaError
from intonaco.core.schema import Field
from intonaco.infra.features.defined import rowfunctions
from intonaco.infra.features.defined.functions import apply
from intonaco.infra.features.defined.rowfunctions import FUNCTIONS, RowFunction, function_named
from intonaco.infra.features.definitions import (
    Entity,
    FeatureSet,
    FeatureView,
    RequestColumn,
    RequestFunction,
    TableSource,
    absolute,
    bucket,
    clip,
    columns,
    day_of_year,
    equal,
    haversine_km,
    is_missing,
    log1p,
    product,
)
from intonaco.infra.testing.functions import RowFunctionContract

NOON = np.array([12 * 3_600_000_000])


@pytest.mark.parametrize("name", FUNCTIONS)
class TestOwnFunctions(RowFunctionContract):
    @pytest.fixture
    def function(self, name: str) -> RowFunction:
        return FUNCTIONS[name]


class TestComparedTexts(RowFunctionContract):
    @pytest.fixture
    def function(self) -> RowFunction:
        return rowfunctions.EQUAL

    @pytest.fixture
    def columns(self, function: RowFunction) -> Sequence[Column]:
        texts = np.array(["a", "b", "", "a"], dtype=object)
        return [Masked(texts, np.array([False, False, True, False])), texts[::-1].copy()]


def computed(function: RequestFunction, **columns: Any) -> list[float]:
    made = {name: np.asarray(column) for name, column in columns.items()}
    return list(apply(function, made, np.zeros(len(next(iter(made.values()))), dtype=np.int64)))


def test_every_function_is_offered_through_the_hook() -> None:
    offers = Plugins.discover().offers("request_functions")
    assert {name: function_named(name) for name in FUNCTIONS} == FUNCTIONS
    assert {name for name, offer in offers.items() if offer.plugin == "infra"} == set(FUNCTIONS)
    assert all(Plugins.discover().load("request_functions", name, "function") is FUNCTIONS[name] for name in FUNCTIONS)


def test_a_function_that_nobody_offers_is_refused_with_the_nearest() -> None:
    with pytest.raises(DefinitionError, match="did you mean 'haversine_km'"):
        RequestFunction(name="far", function="haversin_km", arguments=("a", "b", "c", "d"))
    with pytest.raises(NotRegisteredError):
        function_named("nothing of the kind")


@pytest.mark.parametrize(
    ("attempt", "says"),
    [
        (lambda: RequestFunction(name="x", function="clip", arguments="a"), "takes 2 parameters, not 0"),
        (lambda: RequestFunction(name="x", function="bucket", arguments="a"), "takes one or more parameters"),
        (lambda: RequestFunction(name="x", function="ratio", arguments="a"), "takes 2 columns, not 1"),
        (lambda: clip("a", 2, 1), "is more than the greatest"),
        (lambda: bucket("a", [1, 1]), "must rise"),
    ],
)
def test_what_cannot_be_computed_is_refused_when_it_is_defined(attempt: Any, says: str) -> None:
    with pytest.raises(DefinitionError, match=says):
        attempt()


def test_functions_compute_what_they_say() -> None:
    assert computed(absolute("a"), a=[-2.0, 3.0]) == [2, 3]
    assert computed(product("a", "b"), a=[2, 3], b=[4, 5]) == [8, 15]
    assert computed(clip("a", 0, 1), a=[-2.0, 0.5, 3.0]) == [0, 0.5, 1]
    assert computed(bucket("a", [0, 10]), a=[-1, 0, 9, 10]) == [0, 1, 1, 2]
    assert computed(log1p("a"), a=[0.0, np.expm1(2.0)]) == pytest.approx([0, 2])
    assert computed(equal("a", "b"), a=np.array(["x", "y"], dtype=object), b=np.array(["x", "x"], dtype=object)) == [1, 0]
    assert computed(is_missing("a"), a=[1.0, np.nan]) == [0, 1]
    assert apply(day_of_year(), {}, NOON).tolist() == [1]


def test_a_distance_on_the_earth_is_that_of_the_great_circle() -> None:
    far = haversine_km("a", "b", "c", "d")
    assert computed(far, a=[40.64, 40.64, 91.0], b=[-73.78, -73.78, 0.0], c=[51.47, 40.64, 0.0], d=[-0.45, -73.78, 0.0])[
        :2
    ] == pytest.approx([5540, 0], abs=5)
    assert np.isnan(computed(far, a=[91.0], b=[0.0], c=[0.0], d=[0.0])[0])


def test_integers_beyond_two_to_the_53_are_compared_exactly() -> None:
    assert computed(equal("a", "b"), a=[2**53], b=[2**53 + 1]) == [0]


def test_columns_that_cannot_be_compared_are_refused_by_name() -> None:
    with pytest.raises(SchemaError, match="'a' is object"):
        computed(absolute("a"), a=np.array(["x"], dtype=object))


def test_what_is_made_of_private_columns_is_private() -> None:
    person = Entity("person", {"person": "str"})
    source = TableSource("people", [Field("income", "float64", tags=("private",)), Field("town", "str")], time="at_time")
    view = FeatureView(name="people", entity=person, source=source, features=[columns("income", "town")])
    given = FeatureSet(
        name="loans",
        features=[view],
        request=[RequestColumn("age", tags="private"), RequestColumn("asked")],
        functions=[product("income", "asked", name="share"), absolute("age"), absolute("asked")],
    )
    private = [each.name for each in given.outputs() if "private" in each.tags]
    assert private == ["income", "age", "share", "absolute_age"]
