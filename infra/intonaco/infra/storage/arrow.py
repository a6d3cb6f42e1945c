"""Columns and Arrow tables, each made from the other without a change of value.

In a table a missing value is null. In columns it is NaN in a float column and a mask elsewhere: so NaN in a nullable float
column becomes null, and null becomes NaN. A table may hold both apart; columns made of it have NaN for both.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import evolve
from numpy.typing import NDArray

from intonaco.core.columns import Column, Columns, Masked, Ragged, present
from intonaco.core.errors import SchemaError
from intonaco.core.schema import Field, Schema
from intonaco.infra.storage.arrowtypes import PRIVATE, SCALARS, arrow_schema, arrow_type, schema_of

__all__ = ["arrow_schema", "conform", "from_arrow", "schema_of", "to_arrow"]


def to_arrow(columns: Columns, schema: Schema) -> pa.Table:
    """A table of checked columns; SchemaError where they differ from the schema."""
    schema.check(columns, "the columns")
    return pa.Table.from_arrays([_array(columns[each.name], each) for each in schema], schema=arrow_schema(schema))


def from_arrow(table: pa.Table, schema: Schema | None = None) -> dict[str, Column]:
    """Columns of a table; arrays may be read-only.

    With a schema, the table must be of it, and every nullable column that is not float is `Masked`. Without, the schema is
    the table's own, and only columns that hold nulls are.
    """
    declared = schema or schema_of(table)
    held = conform(table, declared)
    return {each.name: _column(held[each.name], each, always=schema is not None) for each in declared}


def conform(table: pa.Table, schema: Schema) -> pa.Table:
    """The same rows with the schema's columns in its order and types.

    Only what changes no value is converted: kinds of strings, encodings of categories, forms of lists.

    Raises
    ------
    SchemaError
        A column is missing, unknown, of another type, or holds a null or a category that the schema does not allow.
    """
    schema.check_names(table.column_names, "the table")
    if table.num_columns != len(schema):
        raise SchemaError(f"the table names a column twice: {', '.join(table.column_names)}")
    return pa.Table.from_arrays([_conformed(table[each.name], each) for each in schema], schema=arrow_schema(schema))


def _conformed(column: pa.ChunkedArray, field: Field) -> pa.ChunkedArray:
    if column.null_count and not field.nullable:
        row = int(np.argmin(column.is_valid().to_numpy()))
        raise SchemaError(f"column {field.name!r} is null in row {row} and is not nullable", field=field.name)
    wanted = arrow_type(field)
    if field.categories:
        column = _recoded(column, field)
    elif column.type != wanted:
        column = _converted(column, field, wanted)
    if field.shape:
        _check_elements(column, field)
    return column


def _converted(column: pa.ChunkedArray, field: Field, wanted: pa.DataType) -> pa.ChunkedArray:
    given = schema_of(pa.schema([pa.field(field.name, column.type)]))[field.name]
    dtype = "str" if field.dtype == "json" else field.dtype
    flat = int(np.prod(field.shape)) if -1 not in field.shape else -1
    if given.dtype != dtype or (given.shape != field.shape and given.shape != (flat,)):
        raise SchemaError(f"column {field.name!r} is {column.type}, expected {wanted}", field=field.name)
    try:
        return pa.chunked_array([_recast(chunk, field) for chunk in column.chunks], type=wanted)
    except pa.ArrowException as error:
        raise SchemaError(f"column {field.name!r} is {column.type} and cannot become {wanted}: {error}", field=field.name) from error


def _recast(array: pa.Array, field: Field) -> pa.Array:
    """The array in the type of its field, its values untouched."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    wanted = arrow_type(field)
    if not isinstance(wanted, pa.FixedShapeTensorType):
        return array.cast(wanted)
    missing = array.is_null()
    while pa.types.is_fixed_size_list(array.type):
        array = _slots(array)
    size = int(np.prod(field.shape))
    return pa.ExtensionArray.from_storage(wanted, pa.FixedSizeListArray.from_arrays(array.cast(wanted.value_type), size, mask=missing))


def _slots(array: pa.Array) -> pa.Array:
    """All elements of a fixed-size list, those under null rows too."""
    size = array.type.list_size
    return array.values.slice(array.offset * size, len(array) * size)


def _recoded(column: pa.ChunkedArray, field: Field) -> pa.ChunkedArray:
    wanted = arrow_type(field)
    known = pa.array(field.categories, pa.string())
    if column.type == wanted and all(chunk.dictionary.equals(known) for chunk in column.chunks):
        return column
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise SchemaError(f"column {field.name!r} is {column.type}, expected {len(field.categories)} categories", field=field.name)
    texts = column.cast(pa.string())
    codes = pc.index_in(texts, value_set=known)
    _check_categories(texts, codes, field)
    chunks = codes.chunks if isinstance(codes, pa.ChunkedArray) else [codes]
    return pa.chunked_array([pa.DictionaryArray.from_arrays(chunk, known) for chunk in chunks], type=wanted)


def _check_categories(texts: pa.ChunkedArray, codes: pa.ChunkedArray, field: Field) -> None:
    if codes.null_count == texts.null_count:
        return
    row = int(np.argmax(pc.and_(codes.is_null(), texts.is_valid()).to_numpy()))
    value = "a value" if PRIVATE in field.tags else repr(texts[row].as_py())
    raise SchemaError(
        f"column {field.name!r} holds {value} (row {row}), not one of its {len(field.categories)} categories",
        hint="replace the table to declare other categories, or keep the column as str",
        field=field.name,
    )


def _check_elements(column: pa.ChunkedArray, field: Field) -> None:
    for chunk in column.chunks:
        inner = chunk.storage if isinstance(chunk, pa.ExtensionArray) else chunk
        while isinstance(inner.type, pa.ListType | pa.FixedSizeListType):
            inner = inner.flatten()
            if inner.null_count:
                raise SchemaError(f"column {field.name!r} holds a null inside a row; only whole rows may be missing", field=field.name)


def _array(column: Column, field: Field) -> pa.Array:
    kind = arrow_type(field)
    if isinstance(column, Ragged):
        values = _array(column.values, evolve(field, shape=field.shape[1:], nullable=False))
        offsets = column.offsets
        if len(values) > np.iinfo(np.int32).max:
            raise SchemaError(f"column {field.name!r} holds more than 2^31 elements", hint="write it in several appends", field=field.name)
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values, type=kind)
    values = column.values if isinstance(column, Masked) else column
    missing = ~present(column) if field.nullable else None
    if field.shape:
        return _tensor(values, missing if isinstance(column, Masked) else None, field)
    if field.categories:
        known = pa.array(field.categories, pa.string())
        return pa.DictionaryArray.from_arrays(pc.index_in(pa.array(values, pa.string(), mask=missing), value_set=known), known)
    if field.dtype == "timestamp":
        return pa.array(values.view(np.int64), pa.int64(), mask=missing).cast(kind)
    return pa.array(values, kind, mask=missing, from_pandas=False)


def _tensor(values: NDArray[Any], missing: NDArray[np.bool_] | None, field: Field) -> pa.Array:
    flat = _array(np.ascontiguousarray(values).reshape(-1), Field(field.name, field.dtype))
    mask = pa.array(missing) if missing is not None and missing.any() else None
    rows = pa.FixedSizeListArray.from_arrays(flat, int(np.prod(field.shape)), mask=mask)
    kind = arrow_type(field)
    return pa.ExtensionArray.from_storage(kind, rows) if isinstance(kind, pa.FixedShapeTensorType) else rows


def _column(column: pa.ChunkedArray, field: Field, *, always: bool) -> Column:
    array = column.combine_chunks()
    array = array if isinstance(array, pa.Array) else pa.concat_arrays(array.chunks)
    if field.shape[:1] == (-1,):
        return _ragged(array, field)
    values = _tensor_values(array, field) if field.shape else _values(array, field)
    if field.dtype[:5] == "float" or not field.nullable or not (always or array.null_count):
        return values
    return Masked(values, array.is_null().to_numpy(zero_copy_only=False))


def _ragged(array: pa.ListArray, field: Field) -> Ragged:
    if array.null_count:
        raise SchemaError(f"column {field.name!r} holds missing rows, which rows of different lengths cannot show", field=field.name)
    lengths = array.value_lengths().to_numpy(zero_copy_only=False)
    inner = _column(pa.chunked_array([array.flatten()]), evolve(field, shape=field.shape[1:], nullable=False), always=False)
    assert isinstance(inner, np.ndarray)
    return Ragged(inner, np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]))


def _tensor_values(array: pa.Array, field: Field) -> NDArray[Any]:
    storage = array.storage if isinstance(array, pa.ExtensionArray) else array
    missing = storage.is_null().to_numpy(zero_copy_only=False)
    values = _values(_slots(storage), evolve(field, shape=())).reshape(-1, *field.shape)
    if field.dtype[:5] == "float" and missing.any():
        values = values.copy()
        values[missing] = np.nan
    return values


def _values(array: pa.Array, field: Field) -> NDArray[Any]:
    """The values; at a missing one NaN, or any value of the dtype."""
    if field.categories:
        names: NDArray[Any] = np.array([*field.categories, field.categories[0]], dtype=object)
        codes: NDArray[np.int32] = array.indices.fill_null(len(field.categories)).to_numpy()
        return names[codes]
    if field.dtype == "timestamp":
        return np.asarray(array.cast(pa.int64()).fill_null(0).to_numpy()).view("datetime64[us]")
    if field.dtype[:5] != "float" and array.null_count:
        array = array.fill_null(_BLANK.get(field.dtype, Decimal)(0))
    return np.asarray(array.to_numpy(zero_copy_only=False))


_BLANK: dict[str, Callable[[int], Any]] = {**dict.fromkeys(SCALARS, int), "bool": bool, "str": "".ljust, "json": "".ljust, "bytes": bytes}
