import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings

from intonaco.core.columns import Column, Masked, Ragged
from intonaco.core.errors import SchemaError
from intonaco.core.schema import Field, Schema
from intonaco.infra.storage.arrow import arrow_schema, conform, from_arrow, schema_of, to_arrow
from intonaco.infra.storage.values import value_digest
from intonaco.infra.testing.rows import tables
from intonaco.infra.testing.tables import same

_MISSING = np.array([False, True])


def test_columns_become_a_table_with_its_declaration() -> None:
    schema = Schema((Field("x", "float64", nullable=True, unit="min", tags=("private",)), Field("c", "str", categories=("a", "b"))))
    table = to_arrow({"x": np.array([1.0, np.nan]), "c": np.array(["b", "a"], object)}, schema)
    assert table.to_pydict() == {"x": [1.0, None], "c": ["b", "a"]}
    assert schema_of(table) == schema_of(table.schema) == schema
    assert schema_of(table.select(["c"])) == schema.select(["c"])


def test_columns_that_differ_from_the_schema_are_refused() -> None:
    with pytest.raises(SchemaError, match="'x'"):
        to_arrow({"x": np.array([np.nan])}, Schema.of(x="float64"))
    with pytest.raises(SchemaError, match="datetime64"):
        to_arrow({"t": np.array([0], "datetime64[ns]")}, Schema.of(t="timestamp"))


def test_missing_values_are_nan_or_masked_when_declared() -> None:
    schema = Schema.of(f="float32?", i="int64?", s="str?", t="timestamp?", b="bool?")
    table = pa.Table.from_pylist([{"f": 1, "i": 1, "s": "x", "t": 1, "b": True}, {}], schema=arrow_schema(schema))
    found = from_arrow(table, schema)
    np.testing.assert_array_equal(found["f"], np.array([1, np.nan], np.float32))
    for name in ("i", "s", "t", "b"):
        column = found[name]
        assert isinstance(column, Masked)
        np.testing.assert_array_equal(column.missing, _MISSING)
    schema.check(found, "the columns")
    assert isinstance(from_arrow(table.slice(0, 1), schema)["i"], Masked)
    assert isinstance(from_arrow(table.slice(0, 1))["i"], np.ndarray)


def test_a_table_of_the_world_declares_itself_by_its_types() -> None:
    table = pa.table({"n": pa.array([1], pa.uint8()), "s": pa.array(["x"], pa.large_string()), "c": pa.array(["b"]).dictionary_encode()})
    assert schema_of(table).select(["c"]).fields == (Field("c", "str", nullable=True, categories=("b",)),)
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(np.zeros((1, 2, 3), np.uint8))
    lists = pa.table({"t": tensors, "r": [[1, 2]], "f": pa.array([[1.0]], pa.list_(pa.float64(), 1))})
    assert [each.shape for each in schema_of(lists)] == [(2, 3), (-1,), (1,)]


def test_rows_of_different_lengths_and_tensors_come_back() -> None:
    schema = Schema(
        (Field("r", "str", shape=(-1,)), Field("v", "float32", shape=(-1, 2)), Field("m", "uint8", shape=(2, 2), nullable=True))
    )
    ragged = Ragged(np.array(["a", "b", "c"], object), [0, 1, 3])
    columns: dict[str, Column] = {
        "r": ragged,
        "v": Ragged(np.ones((3, 2), np.float32), [0, 0, 3]),
        "m": Masked(np.ones((2, 2, 2), np.uint8), _MISSING),
    }
    table = to_arrow(columns, schema)
    found = from_arrow(table.slice(1), schema)
    assert isinstance(found["r"], Ragged)
    assert found["r"][0].tolist() == ["b", "c"]
    assert isinstance(found["v"], Ragged)
    assert found["v"].values.shape == (3, 2)
    assert isinstance(found["m"], Masked)
    assert found["m"].values.shape == (1, 2, 2)


def test_a_missing_row_of_varying_length_has_no_column() -> None:
    with pytest.raises(SchemaError, match="missing rows"):
        from_arrow(pa.table({"r": pa.array([[1], None])}))


def test_only_forms_are_converted() -> None:
    schema = Schema((Field("s", "str"), Field("m", "int64", shape=(2, 2))))
    given_as = pa.table({"m": pa.array([[[1, 2], [3, 4]]], pa.list_(pa.list_(pa.int64(), 2), 2)), "s": pa.array(["x"], pa.string_view())})
    found = conform(given_as, schema)
    assert found.column_names == ["s", "m"]
    assert from_arrow(found, schema)["m"].tolist() == [[[1, 2], [3, 4]]]  # type: ignore[union-attr]
    with pytest.raises(SchemaError, match="int64"):
        conform(given_as, Schema((Field("s", "int64"), Field("m", "int64", shape=(2, 2)))))


@settings(max_examples=50, deadline=None)
@given(rows=tables(max_rows=8))
def test_the_digest_of_values_knows_no_chunks(rows: pa.Table) -> None:
    pieces = [rows.slice(start, 3) for start in range(0, rows.num_rows, 3)]
    if pieces:
        assert value_digest(pa.concat_tables(pieces)) == value_digest(rows)
        assert same(pa.concat_tables(pieces).combine_chunks(), rows)


_LISTS = pa.list_(pa.int64())


@pytest.mark.parametrize(
    ("kind", "left", "right"),
    [
        (pa.string(), [""], [None]),
        (pa.string(), ["a", "bc"], ["ab", "c"]),
        (pa.float64(), [0.0], [-0.0]),
        (pa.int64(), [0], [None]),
        (_LISTS, [[]], [None]),
        (_LISTS, [[1], []], [[], [1]]),
    ],
)
def test_the_digest_tells_values_apart_that_look_alike(kind: pa.DataType, left: list[object], right: list[object]) -> None:
    assert value_digest(pa.table({"x": pa.array(left, kind)})) != value_digest(pa.table({"x": pa.array(right, kind)}))


@settings(max_examples=50, deadline=None)
@given(rows=tables())
def test_columns_of_a_table_make_the_table_again(rows: pa.Table) -> None:
    schema = schema_of(rows)
    kept = [each.name for each in schema if not each.dtype.startswith("float") and not (each.nullable and -1 in each.shape)]
    assume(kept)  # without a column there is no number of rows
    table = rows.select(kept)
    assert same(to_arrow(from_arrow(table, schema.select(kept)), schema.select(kept)), table)
