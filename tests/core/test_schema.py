import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intonaco.core import Column, Columns, Field, Masked, Ragged, Schema
from intonaco.core.errors import InvalidError, SchemaError
from intonaco.core.schema import DTYPES, suggestion

WORDS = st.text(min_size=1, max_size=8)
FIELDS = st.builds(
    Field,
    WORDS,
    st.sampled_from([dtype for dtype in DTYPES if dtype != "str"]),
    nullable=st.booleans(),
    shape=st.sampled_from([(), (3,), (-1,), (-1, 2), (28, 28)]),
    unit=st.text(max_size=3),
    description=st.text(max_size=3),
    tags=st.lists(WORDS, max_size=2),
) | st.builds(Field, WORDS, st.just("str"), categories=st.lists(WORDS, unique=True, max_size=4))
SCHEMAS = st.lists(FIELDS, unique_by=lambda field: field.name, max_size=5).map(Schema)


@given(SCHEMAS)
def test_a_schema_comes_back_from_its_plain_values(schema: Schema) -> None:
    assert Schema.from_json(schema.to_json()) == schema


def test_defaults_are_left_out_of_the_plain_values() -> None:
    assert Schema.of(a="int64", b="str?").to_json() == [{"name": "a", "dtype": "int64"}, {"name": "b", "dtype": "str", "nullable": True}]


@pytest.mark.parametrize(
    "rows",
    [
        [{"name": "a"}],
        [{"name": "a", "dtype": "str", "wide": 1}],
        [3],
        [{"name": "a", "dtype": "strange"}],
        [{"name": "a", "dtype": "str", "categories": "ab"}],
    ],
)
def test_damaged_plain_values_are_refused(rows: list[dict[str, str]]) -> None:
    with pytest.raises(SchemaError):
        Schema.from_json(rows)


def test_a_field_is_found_by_name_and_a_wrong_name_gets_a_suggestion() -> None:
    schema = Schema.of(origin="str", dest="str")
    assert ("origin" in schema, "orgin" in schema, len(schema), schema.names) == (True, False, 2, ("origin", "dest"))
    with pytest.raises(SchemaError, match="did you mean 'origin'") as caught:
        schema["orgin"]
    assert caught.value.field == "orgin"


def test_columns_are_selected_in_the_order_asked_for() -> None:
    assert Schema.of(a="str", b="int8", c="bool").select(["c", "a"]) == Schema.of(c="bool", a="str")


def test_a_name_may_stand_once() -> None:
    with pytest.raises(SchemaError, match="'a' twice"):
        Schema((Field("a", "str"), Field("a", "int8")))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Field("", "str"), "needs a name"),
        (lambda: Field("a", "string"), "unknown type 'string'.*did you mean"),
        (lambda: Field("a", "int8", shape=(2, -1)), "only the first axis may vary"),
        (lambda: Field("a", "int8", shape=(0,)), "at least 1"),
        (lambda: Field("a", "int8", categories=("x",)), "only a column of str"),
        (lambda: Field("a", "str", categories=("x", "x")), "twice"),
        (lambda: Field("a", "str", categories="xy"), "a list was expected"),
    ],
)
def test_a_field_that_cannot_work_is_refused(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(InvalidError, match=message):
        make()


def test_good_columns_pass() -> None:
    schema = Schema(
        (
            Field("n", "int64", nullable=True),
            Field("x", "float32", nullable=True),
            Field("city", "str", categories=("JFK", "EWR")),
            Field("at", "timestamp"),
            Field("image", "uint8", shape=(2, 2)),
            Field("tokens", "int32", shape=(-1,)),
        )
    )
    columns: Columns = {
        "n": Masked(np.array([1, 0]), np.array([False, True])),
        "x": np.array([1.5, np.nan], np.float32),
        "city": np.array(["JFK", "EWR"], object),
        "at": np.array([0, 1], "datetime64[us]"),
        "image": np.zeros((2, 2, 2), np.uint8),
        "tokens": Ragged.from_rows([np.arange(2, dtype=np.int32), np.arange(1, dtype=np.int32)]),
    }
    schema.check(columns, "the table")


@pytest.mark.parametrize(
    ("field", "column", "message"),
    [
        (Field("a", "int64"), np.array([1.0]), "is float64, expected int64"),
        (Field("a", "float64"), np.array([1.0, np.nan]), "misses a value in row 1"),
        (Field("a", "int64"), Masked(np.array([1]), np.array([True])), "misses a value in row 0"),
        (Field("a", "timestamp"), np.array(["NaT"], "datetime64[us]"), "misses a value in row 0"),
        (Field("a", "timestamp"), np.array([0], "datetime64[ns]"), "expected timestamp"),
        (Field("a", "str"), np.array(["x", 3], object), "holds 3 in row 1, where a str"),
        (Field("a", "str"), np.array(["x"]), "expected str"),
        (Field("a", "str"), np.array([None], object), "holds None in row 0"),
        (
            Field("a", "str", categories=("JFK", "EWR")),
            np.array(["JFK", "JFX"], object),
            "'JFX' in row 1, not one of its 2.*did you mean 'JFK'",
        ),
        (Field("a", "bytes"), np.array(["x"], object), "where a bytes was expected"),
        (Field("a", "int64", shape=(2,)), np.array([[1, 2, 3]]), "shape"),
        (Field("a", "int64", shape=(-1,)), np.array([[1, 2]]), "shape"),
        (Field("a", "int64"), Ragged.from_rows([np.array([1])]), "rows of different lengths"),
    ],
)
def test_a_bad_column_is_named_with_its_row(field: Field, column: Column, message: str) -> None:
    with pytest.raises(SchemaError, match=message) as caught:
        Schema((field,)).check({"a": column}, "the request")
    assert caught.value.field == "a"
    assert "the request" in str(caught.value)


def test_a_masked_row_may_hold_anything() -> None:
    column = Masked(np.array([None, "x"], object), np.array([True, False]))
    Schema((Field("a", "str", nullable=True, categories=("x",)),)).check({"a": column}, "the request")


def test_the_row_of_a_bad_value_counts_the_missing_ones() -> None:
    column = Masked(np.array([None, "x", 3], object), np.array([True, False, False]))
    with pytest.raises(SchemaError, match="in row 2"):
        Schema.of(a="str?").check({"a": column}, "the request")


@pytest.mark.parametrize("given", [["a"], ["a", "b", "c"], ["a", "B"]])
def test_missing_and_unknown_columns_are_named(given: list[str]) -> None:
    with pytest.raises(SchemaError, match=r"lacks the column 'b'|unknown column 'c'"):
        Schema.of(a="str", b="str").check_names(given, "the request")


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(SchemaError, match="differ in length"):
        Schema.of(a="int64", b="int64").check({"a": np.arange(2), "b": np.arange(3)}, "the request")


def test_a_far_name_gets_the_list_of_known_ones() -> None:
    assert suggestion("qqq", ["b", "a"]) == "known: a, b"
    assert suggestion("qqq", []) == "known: none"
