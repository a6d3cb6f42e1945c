"""Arrow tables and columns as bytes that depend on their values alone.

Columns of artifacts come back as they were given, dtype, mask and shape, so each field tells its own form. Tables of a store
follow a declared schema instead, in which some of that is not to be told apart: that is `storage.arrow`.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from intonaco.core.columns import Column, Columns, Masked, Ragged, rows_of
from intonaco.core.errors import CorruptError, InvalidError

__all__ = ["columns_to_table", "read", "table_to_columns", "write"]

_FORM = b"intonaco"


def write(table: pa.Table) -> bytes:
    """An IPC file of one batch, equal for equal tables whatever their chunks, slices and what stands behind their nulls."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        for batch in pa.table([_canonical(column) for column in table.columns], schema=table.schema).to_batches():
            writer.write_batch(batch)
    return bytes(sink.getvalue())


def read(data: bytes) -> pa.Table:
    """The table of an IPC file; CorruptError if it is none."""
    try:
        return pa.ipc.open_file(pa.BufferReader(data)).read_all()
    except pa.ArrowException as error:
        raise CorruptError(f"a stored table is not an Arrow IPC file: {error}") from error


def _canonical(column: pa.ChunkedArray) -> pa.Array:
    array = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if array.null_count == 0 or pa.types.is_nested(array.type) or pa.types.is_dictionary(array.type) or pa.types.is_null(array.type):
        return array
    filled = pa.concat_arrays([pc.fill_null(array, _zero(array.type))])
    mask = np.packbits(pc.is_valid(array).to_numpy(zero_copy_only=False), bitorder="little")
    return pa.Array.from_buffers(array.type, len(array), [pa.py_buffer(mask.tobytes()), *filled.buffers()[1:]], array.null_count)


def _zero(kind: pa.DataType) -> pa.Scalar:
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pa.scalar(b"", pa.binary()).cast(kind)
    if pa.types.is_fixed_size_binary(kind):
        return pa.scalar(bytes(kind.byte_width), kind)
    if pa.types.is_decimal(kind):
        return pa.scalar(Decimal(0), kind)
    return pa.scalar(0, pa.int64() if kind.bit_width == 64 else pa.int32()).cast(kind)


def columns_to_table(columns: Columns) -> pa.Table:
    """The columns as a table whose fields say how to restore them.

    Raises
    ------
    InvalidError
        A column holds what does not come back the same, such as objects other than str or bytes.
    """
    rows_of(columns)
    fields, arrays = [], []
    for name, column in columns.items():
        try:
            array, form = _to_arrow(column)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise InvalidError(f"column {name!r} ({_described(column)}) cannot be kept: {error}", field=name) from error
        fields.append(pa.field(name, array.type, metadata={_FORM: json.dumps(form, sort_keys=True)}))
        arrays.append(array)
    return pa.table(arrays, schema=pa.schema(fields))


def _described(column: Column) -> str:
    return str(column.dtype) if isinstance(column, np.ndarray) else type(column).__name__


def _to_arrow(column: Column) -> tuple[pa.Array, dict[str, Any]]:
    if isinstance(column, Ragged):
        array, form = _to_arrow(column.values)
        return pa.LargeListArray.from_arrays(pa.array(column.offsets), array), {**form, "form": "ragged"}
    missing = column.missing if isinstance(column, Masked) else None
    values = column.values if isinstance(column, Masked) else column
    form = {"form": "plain" if missing is None else "masked", "dtype": values.dtype.str, "shape": list(values.shape[1:])}
    if values.ndim == 1:
        return _flat(values, missing), form
    width = int(np.prod(values.shape[1:]))
    if missing is not None:
        values = values.copy()
        values[missing] = np.zeros((), values.dtype)
    return pa.FixedSizeListArray.from_arrays(
        _flat(values.reshape(-1), None), width, mask=None if missing is None else pa.array(missing)
    ), form


def _flat(values: NDArray[Any], missing: NDArray[np.bool_] | None) -> pa.Array:
    kind = None
    if values.dtype.kind == "O":
        kind = _object_kind(values if missing is None else values[~missing])
    elif values.dtype.kind not in "biufMm":
        raise TypeError("its type is not one of the columns' types")
    return pa.array(values.astype(values.dtype.newbyteorder("=")), kind, mask=missing, from_pandas=False)


def _object_kind(values: NDArray[Any]) -> pa.DataType | None:
    kinds = {type(value) for value in values}
    if kinds == {Decimal}:
        return None  # of as many digits as it takes
    if not kinds <= {str} and not kinds <= {bytes}:
        raise TypeError(f"it holds {', '.join(sorted(kind.__name__ for kind in kinds))}, expected str, bytes or decimals alone")
    return pa.large_binary() if bytes in kinds else pa.large_string()


def table_to_columns(table: pa.Table) -> dict[str, Column]:
    """The columns of which `columns_to_table` made the table."""
    return {field.name: _from_arrow(table.column(i), _form(field)) for i, field in enumerate(table.schema)}


def _form(field: pa.Field) -> Mapping[str, Any]:
    try:
        form: Mapping[str, Any] = json.loads(field.metadata[_FORM])
    except (TypeError, KeyError, ValueError) as error:
        raise CorruptError(f"the stored column {field.name!r} does not say how to restore it") from error
    return form


def _from_arrow(column: pa.ChunkedArray, form: Mapping[str, Any]) -> Column:
    array = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if form["form"] == "ragged":
        return Ragged(_restored(array.values, form), array.offsets.to_numpy())
    missing = pc.is_null(array).to_numpy(zero_copy_only=False) if form["form"] == "masked" else None
    values = _restored(array.values if form["shape"] else array, form)
    return values if missing is None else Masked(values, missing)


def _restored(array: pa.Array, form: Mapping[str, Any]) -> NDArray[Any]:
    """A writable array of the recorded type and shape, with zeros where a value is missing."""
    dtype = np.dtype(form["dtype"])
    if pa.types.is_fixed_size_list(array.type):
        array = array.values
    if array.null_count:
        array = pc.fill_null(array, _zero(array.type))
    values = np.array(array.to_numpy(zero_copy_only=False), dtype=dtype)
    return values.reshape(-1, *form["shape"]) if form["shape"] else values
