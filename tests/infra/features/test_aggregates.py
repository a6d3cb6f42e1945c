from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from attrs import evolve

from intonaco.core.columns import Masked, Ragged
from intonaco.core.errors import DefinitionError
from intonaco.infra.features.defined.aggregates import (
    Feature,
    columns,
    count,
    distinct,
    last_k,
    mean,
    minimum,
    quantile,
    sum_,
    variance,
    windows,
)
from intonaco.infra.features.defined.meaning import digest
from intonaco.infra.features.defined.sets import FeatureSet
from intonaco.infra.features.defined.views import Entity, FeatureView, TableSource
from intonaco.infra.features.recorded.stored import decode, encode
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.workspace import Workspace

UTC = pa.timestamp("us", tz="UTC")
VIEW = FeatureView(
    name="sales",
    entity=Entity("shop", {"shop": "str"}),
    source=TableSource("sales", {"items": "int64", "paid": "decimal(12,2)", "buyer": "str", "weight": "float64"}, time="time"),
    features=[
        last_k("paid", k=2, over="1h"),
        last_k("items", k=2, over="1h", exact=True),
        sum_("paid", over="1h"),
        sum_("items", over="1h"),
        distinct("buyer", over="1h", precision=14),
        quantile("weight", 0.5, over=["1h", "7d"], accuracy=0.001),
        columns("paid", "buyer"),
    ],
)


def test_names_say_what_is_aggregated() -> None:
    names = [feature.name for feature in VIEW.features]
    assert names[:6] == ["paid_last_2_1h", "items_last_2_1h", "paid_sum_1h", "items_sum_1h", "buyer_distinct_1h", "weight_p50_1h"]
    assert quantile("x", 0.999, over="1h")[0].name == "x_p99.9_1h"


def test_whole_numbers_and_decimals_keep_their_types() -> None:
    dtypes = {feature.name: feature.dtype for feature in VIEW.features}
    assert dtypes["items_sum_1h"] == "int64"
    assert dtypes["paid_sum_1h"] == "decimal(19,2)"
    assert dtypes["paid_last_2_1h"] == "decimal(12,2)"
    assert dtypes["buyer_distinct_1h"] == dtypes["weight_p50_1h"] == "float64"


def test_a_definition_that_is_read_back_means_the_same() -> None:
    read = decode("view", encode(VIEW))
    assert read == VIEW
    assert digest(read) == digest(VIEW)


@pytest.mark.parametrize(
    "change",
    [
        lambda: quantile("weight", 0.9, over="1h"),
        lambda: quantile("weight", 0.5, over="1h", accuracy=0.1),
        lambda: quantile("weight", 0.5, over="1h", exact=True),
        lambda: quantile("weight", 0.5, over="1h", hop="5m"),
    ],
)
def test_parameters_are_part_of_the_meaning(change: Callable[[], tuple[Feature, ...]]) -> None:
    given = [quantile("weight", 0.5, over="1h", name="same"), [evolve(each, name="same") for each in change()]]
    views = [evolve(VIEW, features=features) for features in given]
    assert digest(views[0]) != digest(views[1])


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda: quantile("weight", 1.5, over="1h"), "from 0 to 1"),
        (lambda: quantile("weight", 0.5, over="1h", accuracy=0.0), "accuracy"),
        (lambda: distinct("buyer", over="1h", precision=20), "precision"),
        (lambda: last_k("items", k=0, over="1h"), "k is from 1"),
        (lambda: last_k("items", k=2, over="1h", exact=True, name="a") + mean("items", over="1m", hop="1h"), "shorter than its hop"),
        (lambda: mean("items", over="1h", hop="1m", exact=True), "has no hop"),
        (lambda: mean("items", over=["1h", "2h"], name="one"), "one name"),
        (lambda: windows("median", "items", "1h"), "median"),
        (lambda: windows("last_k", "items", "1h", parameters=(2,), default=0.0), "a list has no default"),
        (lambda: mean("items", over="1d", hop="1s"), "hops"),
    ],
)
def test_what_cannot_be_meant_is_refused(make: Callable[[], Any], fault: str) -> None:
    with pytest.raises(DefinitionError, match=fault):
        make()


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda: minimum("buyer", over="1h"), "no minimum of 'buyer', which is str"),
        (lambda: last_k("buyer", k=2, over="1h"), "no last_k of 'buyer'"),
        (lambda: variance("items", over="1h", resolution=0.5), "summed exactly"),
    ],
)
def test_a_column_that_does_not_have_an_aggregate_is_named(make: Callable[[], Any], fault: str) -> None:
    with pytest.raises(DefinitionError, match=fault):
        evolve(VIEW, features=make())


def test_texts_and_times_are_counted() -> None:
    view = evolve(VIEW, features=[count("buyer", over="1h"), distinct("buyer", over="1h")])
    assert [feature.dtype for feature in view.features] == ["float64", "float64"]


def test_aggregates_go_all_the_way_from_table_to_training_set_and_online(tmp_path: Path) -> None:
    with Workspace.open(tmp_path) as workspace:
        store = FeatureStore(workspace)
        features = FeatureSet(name="all", features=[VIEW])
        store.apply([VIEW, features])
        events = {
            "shop": ["a", "a", "b"],
            "time": pa.array([1, 2, 3], UTC),
            "items": [2**53 + 1, 5, None],
            "paid": pa.array([Decimal("1.10"), Decimal("2.25"), None], pa.decimal128(12, 2)),
            "buyer": ["x", "y", None],
            "weight": [100.0, 101.0, 1.0],
        }
        workspace.tables.write("default/sales", pa.table(events))
        rows = pa.table({"shop": ["a", "b", "c"], "at": pa.array([10, 10, 10], UTC), "label": [1.0, 2.0, 3.0]})
        learned = store.training_set("all", rows, labels=["label"]).features
        store.materialize("all", 10)
        read = store.read("all", {"shop": np.array(["a", "b", "c"], dtype=object)}, 10).columns
    for found in (learned, read):
        paid, items, total = found["paid_last_2_1h"], found["items_last_2_1h"], found["items_sum_1h"]
        assert isinstance(paid, Ragged)
        assert [list(row) for row in paid] == [[Decimal("2.25"), Decimal("1.10")], [], []]
        assert isinstance(items, Ragged)
        assert [list(row) for row in items] == [[5, 2**53 + 1], [], []]
        assert isinstance(total, Masked)
        assert (total.values[0], total.missing.tolist()) == (2**53 + 6, [False, False, True])
        distincts, medians = found["buyer_distinct_1h"], found["weight_p50_1h"]
        assert isinstance(distincts, np.ndarray)
        assert distincts[:2].tolist() == [2.0, 0.0]
        assert isinstance(medians, np.ndarray)
        assert medians[0] == pytest.approx(100.0, rel=0.001)
