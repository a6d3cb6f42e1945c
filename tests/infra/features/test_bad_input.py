"""Input that cannot be used is one clear error that names the thing and the cure; what can be kept is kept exactly."""

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from attrs import evolve

from intonaco.core.columns import Masked
from intonaco.core.errors import DefinitionError, IntonacoError, InvalidError, MissingError, SchemaError
from intonaco.infra.features.definitions import (
    Entity,
    FeatureSet,
    FeatureView,
    Labels,
    RequestColumn,
    RequestFunction,
    StreamSource,
    TableSource,
    clip,
    columns,
    count,
    distinct,
    first,
    last,
    last_k,
    maximum,
    mean,
    minimum,
    quantile,
    sum_,
)
from intonaco.infra.features.online.status import Status
from intonaco.infra.features.recorded.changes import expanded
from intonaco.infra.features.store import FeatureStore

UTC = pa.timestamp("us", tz="UTC")
HOUR = 3_600_000_000
SHOP = Entity("shop", {"shop": "str", "till": "int64"})
SALES = TableSource(
    "sales",
    {"price": "decimal(12,2)", "amount": "float64", "stock": "int64", "open": "bool", "note": "str"},
    time="sold_at",
    created="known_at",
)
VIEW = FeatureView(
    name="sales",
    entity=SHOP,
    source=SALES,
    features=[
        columns("price", "amount", "stock", "open", "note"),
        [kind("price", over="1d") for kind in (sum_, minimum, maximum, first, last, mean)],
        [kind("stock", over="1d") for kind in (sum_, minimum, maximum, last)],
        mean("amount", over="1d"),
    ],
)
SET = FeatureSet(name="shops", features=[VIEW], request=[RequestColumn("guests", "int64")])


def sales(count: int = 3, **replaced: Any) -> pa.Table:
    made = {
        "shop": pa.array(["a"] * count, pa.string()),
        "till": pa.array([1] * count, pa.int64()),
        "sold_at": pa.array([(number + 1) * HOUR for number in range(count)], UTC),
        "known_at": pa.array([(number + 1) * HOUR for number in range(count)], UTC),
        "price": pa.array([Decimal("12.50") + number for number in range(count)], pa.decimal128(12, 2)),
        "amount": pa.array([0.5 + number for number in range(count)], pa.float64()),
        "stock": pa.array([2**53 + 1 + number for number in range(count)], pa.int64()),
        "open": pa.array([True] * count, pa.bool_()),
        "note": pa.array(["ü\0"] * count, pa.string()),
    }
    return pa.table({name: replaced.get(name, column) for name, column in made.items() if replaced.get(name, column) is not None})


def asked(**replaced: Any) -> dict[str, Any]:
    made = {"shop": np.array(["a"], dtype=object), "till": np.array([1]), "guests": np.array([2])}
    return {name: column for name, column in {**made, **replaced}.items() if column is not None}


def read(store: FeatureStore, given: dict[str, Any] | None = None, hour: float = 9) -> list[Any]:
    """The answers offline and online."""
    return [way(SET, given or asked(), int(hour * HOUR)) for way in (store.read_offline, store.read)]


def value(column: Any) -> Any:
    """The value of one row; None where there is none."""
    if isinstance(column, Masked):
        return None if column.missing[0] else column.values[0]
    return column[0]


@pytest.fixture
def applied(store: FeatureStore) -> FeatureStore:
    store.apply([SET])
    return store


@pytest.fixture
def filled(applied: FeatureStore) -> FeatureStore:
    applied.workspace.tables.write("default/sales", sales())
    applied.materialize(SET, 8 * HOUR)
    return applied


def refused(attempt: Any, says: str, error: type[IntonacoError] = IntonacoError) -> IntonacoError:
    """The one error that the attempt ends with, its text and its hint in one line each."""
    with pytest.raises(error) as caught:
        attempt()
    text = str(caught.value)
    assert says in text, text
    assert "\n" not in text
    return caught.value


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"shop": None}, "'shop'"),
        ({"shop": None, "shopp": np.array(["a"], dtype=object)}, "did you mean 'shopp'"),
        ({"shop": np.array([1])}, "'shop'"),
        ({"till": np.array(["1"], dtype=object)}, "'till'"),
        ({"till": np.array([1.5])}, "'till'"),
        ({"till": np.array([True])}, "'till'"),
        ({"guests": None}, "'guests'"),
        ({"guests": np.array([1, 2])}, "differ in length"),
    ],
)
@pytest.mark.parametrize("way", ["read", "read_offline"])
def test_keys_that_are_not_there_or_of_another_type_are_named(filled: FeatureStore, way: str, given: dict[str, Any], says: str) -> None:
    refused(lambda: getattr(filled, way)(SET, asked(**given), 9 * HOUR), says, SchemaError)


@pytest.mark.parametrize(
    "given", [{"shop": np.array(["a"])}, {"till": np.array([1], dtype=np.int16)}, {"shop": np.array(["a"], dtype="<U9")}]
)
def test_keys_in_another_width_are_the_same_keys(filled: FeatureStore, given: dict[str, Any]) -> None:
    for answer in read(filled, asked(**given)):
        assert value(answer.columns["amount"]) == 2.5


@pytest.mark.parametrize("key", ["a\0", "", "a/b", "A", "ä", "a\N{COMBINING DIAERESIS}", "x" * 1000, "'; drop table"])
def test_keys_of_any_characters_are_keys_of_their_own(filled: FeatureStore, key: str) -> None:
    filled.workspace.tables.write("default/sales", sales(1, shop=pa.array([key]), amount=pa.array([77.0])))
    filled.materialize(SET, 8 * HOUR)
    for name, amount in ((key, 77.0), ("a", 2.5)):
        for answer in read(filled, asked(shop=np.array([name], dtype=object))):
            assert value(answer.columns["amount"]) == amount


@pytest.mark.parametrize(
    ("replaced", "says"),
    [
        ({"sold_at": None}, "lacks the column 'sold_at', the time of its events"),
        ({"known_at": None}, "lacks the column 'known_at', the time of its events"),
        ({"till": None}, "lacks the column 'till', a key of entity 'shop'"),
        ({"amount": None}, "lacks the column 'amount'"),
        ({"sold_at": pa.array([1, 2, 3])}, "has 'sold_at', the time of its events, as int64, expected timestamp"),
        ({"shop": pa.array([1, 2, 3])}, "has 'shop', a key of entity 'shop', as int64, expected str"),
        ({"amount": pa.array(["1", "2", "3"])}, "has 'amount', declared by its source, as str, expected float64"),
        ({"stock": pa.array([1.0, 2.0, 3.0])}, "has 'stock', declared by its source, as float64, expected int64"),
        ({"price": pa.array([Decimal("1.500")] * 3)}, "has 'price', declared by its source, as decimal(4,3), expected decimal(12,2)"),
    ],
)
def test_a_table_that_does_not_fit_its_source_is_refused_everywhere(applied: FeatureStore, replaced: dict[str, Any], says: str) -> None:
    applied.workspace.tables.write("default/sales", sales(**replaced))
    for attempt in (lambda: applied.read_offline(SET, asked(), 9 * HOUR), lambda: applied.materialize(SET, 9 * HOUR)):
        error = refused(attempt, says, SchemaError)
        assert "'default/sales'" in str(error)
        assert "'sales'" in str(error)
    assert applied.read(SET, asked(), 9 * HOUR).statuses["amount"].tolist() == [Status.missing]


def test_whole_numbers_stand_for_floats_exactly_or_not_at_all(applied: FeatureStore) -> None:
    tables = applied.workspace.tables
    tables.write("default/sales", sales(1, amount=pa.array([2**30], pa.int64())))
    applied.materialize(SET, 9 * HOUR)
    for answer in read(applied):
        assert value(answer.columns["amount"]) == 2.0**30
    tables.write("default/sales", sales(1, amount=pa.array([2**53 + 1], pa.int64())))
    for attempt in (lambda: applied.read_offline(SET, asked(), 9 * HOUR), lambda: applied.materialize(SET, 9 * HOUR)):
        refused(attempt, "'amount' is declared float64 and holds integers beyond 2^53", SchemaError)


def test_integers_beyond_two_to_the_53_and_decimals_are_kept_exactly(filled: FeatureStore) -> None:
    for answer in read(filled):
        found = {name: value(column) for name, column in answer.columns.items()}
        assert found["stock"] == 2**53 + 3
        assert int(found["stock_sum_1d"]) == 3 * (2**53 + 1) + 3
        assert [int(found[f"stock_{kind}_1d"]) for kind in ("minimum", "maximum", "last")] == [2**53 + 1, 2**53 + 3, 2**53 + 3]
        assert found["price"] == Decimal("14.50")
        assert found["price_sum_1d"] == Decimal("40.50")
        assert [found[f"price_{kind}_1d"] for kind in ("minimum", "maximum", "first", "last")] == [
            Decimal("12.50"),
            Decimal("14.50"),
            Decimal("12.50"),
            Decimal("14.50"),
        ]
        assert float(found["price_mean_1d"]) == 13.5
        assert found["note"] == "ü\0"


@pytest.mark.parametrize("digits", ["9999999999.99", "-9999999999.99", "0.01", "-0.00"])
def test_decimals_up_to_their_digits_come_back(applied: FeatureStore, digits: str) -> None:
    price = pa.array([Decimal(digits)] * 9, pa.decimal128(12, 2))
    applied.workspace.tables.write("default/sales", sales(9, price=price))
    applied.materialize(SET, 10 * HOUR)
    for answer in read(applied, hour=10):
        assert value(answer.columns["price"]) == Decimal(digits)
        assert value(answer.columns["price_sum_1d"]) == 9 * Decimal(digits)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused_where_it_is_summed(applied: FeatureStore, wrong: float) -> None:
    applied.workspace.tables.write("default/sales", sales(amount=pa.array([1.0, wrong, 2.0])))
    for attempt in (lambda: applied.read_offline(SET, asked(), 9 * HOUR), lambda: applied.materialize(SET, 9 * HOUR)):
        refused(attempt, "'amount'", InvalidError)
    error = refused(
        lambda: applied.materialize(SET, 9 * HOUR), "feature view 'sales' cannot take rows of table:default/sales@0", InvalidError
    )
    assert "--rebuild" in error.hint
    assert "run it again" not in error.hint
    assert applied.read(SET, asked(), 9 * HOUR).statuses["amount"].tolist() == [Status.missing]


def test_the_newest_value_may_be_infinite_and_nan_is_none(store: FeatureStore) -> None:
    view = FeatureView(name="plain", entity=SHOP, source=SALES, features=[columns("amount", "price")])
    given = FeatureSet(name="plain", features=[view])
    store.apply([given])
    keys = {"shop": np.array(["a", "b"], dtype=object), "till": np.array([1, 1])}
    rows = sales(
        2, shop=pa.array(["a", "b"]), amount=pa.array([math.inf, math.nan]), price=pa.array([None, Decimal("1.00")], pa.decimal128(12, 2))
    )
    store.workspace.tables.write("default/sales", rows)
    store.materialize(given, 9 * HOUR)
    for way in (store.read_offline, store.read):
        answer = way(given, keys, 9 * HOUR)
        assert answer.statuses["amount"].tolist() == [Status.present, Status.null]
        assert answer.columns["amount"][0] == math.inf  # type: ignore[index]
        assert answer.statuses["price"].tolist() == [Status.null, Status.present]


def test_an_empty_table_is_a_table_of_which_nothing_is_known(applied: FeatureStore) -> None:
    applied.workspace.tables.write("default/sales", sales(0))
    [done] = applied.materialize(SET, 9 * HOUR)
    assert done.rows == 0
    for answer in read(applied):
        assert answer.statuses["amount"].tolist() == [Status.missing]
        assert answer.statuses["price_sum_1d"].tolist() == [Status.missing]


def test_no_rows_are_answered_with_none(filled: FeatureStore) -> None:
    none = asked(shop=np.array([], dtype=object), till=np.array([], dtype=np.int64), guests=np.array([], dtype=np.int64))
    for answer in read(filled, none):
        assert {len(column) for column in answer.columns.values()} == {0}


def test_a_table_that_is_not_there_is_named(applied: FeatureStore) -> None:
    for attempt in (lambda: applied.read_offline(SET, asked(), 9 * HOUR), lambda: applied.materialize(SET, 9 * HOUR)):
        error = refused(attempt, "there is no table 'default/sales', which feature view 'sales' reads", MissingError)
        assert error.hint.startswith("intonaco tables ingest sales FILE")


def test_a_table_that_lost_a_column_names_view_table_and_cure(filled: FeatureStore) -> None:
    filled.workspace.tables.write("default/sales", sales(sold_at=None), mode="replace")
    error = refused(lambda: filled.materialize(SET, 9 * HOUR), "'default/sales', which feature view 'sales' reads, lacks", SchemaError)
    assert error.hint.startswith("write the table with it, or name another in the view's source")


def moments(kind: pa.DataType, *texts: str) -> pa.Table:
    local = pa.array(np.array(texts, dtype="datetime64[us]"))
    stamps = local if kind.tz is None else pa.compute.assume_timezone(local, kind.tz).cast(kind)
    return pa.table({"shop": ["a"] * len(texts), "till": [1] * len(texts), "guests": [1] * len(texts), "at": stamps.cast(kind)})


def test_moments_of_other_zones_are_the_moments_that_they_are(filled: FeatureStore) -> None:
    answers = [
        filled.training_set(SET, moments(pa.timestamp(unit, tz), text)).columns["amount"][0]  # type: ignore[index]
        for unit, tz, text in (
            ("us", "UTC", "1970-01-01T02:30"),
            ("us", "Europe/Berlin", "1970-01-01T03:30"),
            ("ms", "America/New_York", "1969-12-31T21:30"),
        )
    ]
    assert answers == [1.5, 1.5, 1.5]


def test_moments_without_a_zone_are_refused_with_what_to_write(filled: FeatureStore) -> None:
    error = refused(lambda: filled.training_set(SET, moments(pa.timestamp("us"), "1970-01-01T02:30")), "'at' holds times without a zone")
    assert "assume_timezone" in error.hint
    refused(lambda: filled.push(SET, sales(1, sold_at=pa.array([HOUR], pa.timestamp("us")))), "'sold_at' holds times without a zone")


def test_moments_finer_than_a_microsecond_are_refused(filled: FeatureStore) -> None:
    rows = moments(pa.timestamp("us", "UTC"), "1970-01-01T02:30")
    fine = rows.set_column(3, "at", pa.array([1], pa.timestamp("ns", "UTC")))
    refused(lambda: filled.training_set(SET, fine), "'at' holds times finer than a microsecond", SchemaError)
    whole = rows.set_column(3, "at", pa.array([9_000_000_000_000], pa.timestamp("ns", "UTC")))
    assert filled.training_set(SET, whole).at_us.tolist() == [9_000_000_000]  # type: ignore[union-attr]


@pytest.mark.parametrize("dtype", ["<U9", "object"])
def test_rows_may_hold_texts_of_a_fixed_width(filled: FeatureStore, dtype: str) -> None:
    at = np.array(["1970-01-01T02:30"], dtype="datetime64[s]")
    examples = filled.training_set(SET, {**asked(shop=np.array(["a"], dtype=dtype)), "at": at})
    assert examples.columns["amount"].tolist() == [1.5]  # type: ignore[union-attr]


def test_rows_without_their_moment_are_refused(filled: FeatureStore) -> None:
    refused(lambda: filled.training_set(SET, asked()), "'at'", SchemaError)
    late = pa.table({"shop": ["a"], "till": [1], "guests": [1], "at": pa.array([None], UTC)})
    refused(lambda: filled.training_set(SET, late), "'at'", SchemaError)


@pytest.mark.parametrize(
    ("attempt", "says"),
    [
        (lambda: VIEW.using(keys={"shopp": "other"}), "did you mean 'shop'"),
        (lambda: VIEW.using(rename={"amont": "other"}), "did you mean 'amount'"),
        (lambda: VIEW["amont"], "did you mean 'amount'"),
        (lambda: mean("amount", over="1m", hop="1h"), "shorter than its hop"),
        (lambda: TableSource("sales", {"sold_at": "str"}, time="sold_at"), "'sold_at' is str, expected timestamp"),
        (lambda: StreamSource("a b", {}, time="t"), "'a b' cannot name a topic"),
        (lambda: TableSource("sales", {"price": "decimal(40,2)"}, time="t"), "write decimal(18,2)"),
        (lambda: TableSource("sales", {"price": "flot64"}, time="t"), "did you mean 'float64'"),
        (lambda: FeatureView(name="v", entity=SHOP, source=SALES, features=[columns("a[b]")]), "cannot name a feature"),
        (
            lambda: FeatureView(
                name="v",
                entity=Entity("shop", {"shop": "int64"}),
                source=TableSource("s", {"shop": "str"}, time="t"),
                features=[count(over="1h")],
            ),
            "'shop' is str",
        ),
        (lambda: FeatureSet(name="s", features=[VIEW.using("amount", rename={"amount": "stock"}), VIEW["stock"]]), "'stock' twice"),
        (lambda: evolve(VIEW, features=[]), "has no features"),
        (lambda: evolve(VIEW, features=[columns("note"), columns("note")]), "'note' twice"),
        (lambda: evolve(VIEW, valid_for="0s"), "valid_for"),
        (lambda: evolve(VIEW, features=[columns("amount", valid_for="2d")], valid_for="1d"), "'amount' is valid for 2d"),
        (lambda: mean("note", over="1d") and evolve(VIEW, features=[mean("note", over="1d")]), "no mean of 'note'"),
        (lambda: mean("amount", over="1d", resolution=-1.0), "a resolution is positive"),
        (lambda: distinct("note", over="1d", precision=40), "from 4 to 16"),
        (lambda: quantile("amount", 2.0, over="1d"), "from 0 to 1"),
        (lambda: last_k("amount", k=0, over="1d"), "k is from 1"),
        (
            lambda: FeatureSet(name="s", features=[VIEW["note"], evolve(VIEW, delay="1s")["stock"]]).views,
            "two different views named 'sales'",
        ),
        (lambda: FeatureSet(name="s", features=[VIEW["note"]], request=[RequestColumn("till", "str")]), "'till' is both str and int64"),
        (lambda: StreamSource("a", {}, time="t", partitions=0), "at least 1 partition"),
        (lambda: Labels(name="l", table="t", keys=[], value="v", final="f", at="a"), "no keys"),
        (lambda: clip("amount", 1.0, 0.0), "clip"),
        (lambda: RequestFunction(name="f", function="ratio", arguments=["amount"]), "takes 2 columns"),
        (lambda: expanded([VIEW, evolve(VIEW, delay="1s")]), "two different definitions of the feature view 'sales'"),
    ],
)
def test_definitions_that_cannot_work_say_what_to_write(attempt: Any, says: str) -> None:
    with pytest.raises((DefinitionError, SchemaError)) as caught:
        attempt()
    assert says in str(caught.value)
    assert caught.value.hint


def test_labels_of_a_table_without_their_columns_are_refused(filled: FeatureStore) -> None:
    outcomes = pa.table({"sale": ["1"], "end": pa.array([HOUR], UTC)})
    filled.workspace.tables.write("default/outcomes", outcomes)
    labels = Labels(name="good", table="outcomes", keys="sale", value="goood", final="end")
    refused(lambda: filled.training_set(SET, labels=labels), "the table of labels 'good' lacks 'goood'", SchemaError)


def test_a_push_of_wrong_columns_changes_nothing(filled: FeatureStore) -> None:
    for replaced, says in (
        ({"shop": None}, "'shop'"),
        ({"till": pa.array(["1"])}, "'till'"),
        ({"amount": pa.array([math.nan])}, "'amount'"),
        ({"sold_at": None}, "'sold_at'"),
        ({"stock": pa.array(["many"])}, "'stock'"),
    ):
        refused(lambda replaced=replaced: filled.push(SET, sales(1, **replaced)), says)
    assert value(filled.read(SET, asked(), 9 * HOUR).columns["amount"]) == 2.5
