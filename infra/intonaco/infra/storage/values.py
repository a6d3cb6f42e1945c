"""The digest of a table's values, which knows nothing of chunks, files, encodings and compression."""

import hashlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

__all__ = ["value_digest"]


def value_digest(table: pa.Table) -> str:
    """SHA-256 over the rows' values, column by column; names and types belong to the schema and are not in it.

    Of each column: its number of nulls, one byte per row that tells whether it is there if any is not, then the values,
    blank where null: numbers as little-endian, decimals as whole multiples of their least unit, text as lengths (int64) and
    bytes, lists as lengths and the digest of their elements. Floats are compared by their bits.
    """
    total = hashlib.sha256(f"intonaco values 1 {table.num_rows} {table.num_columns}\n".encode())
    for column in table.columns:
        for block in _blocks(column.chunks):
            total.update(block)
    return total.hexdigest()


def _blocks(chunks: list[pa.Array]) -> Iterator[Any]:
    chunks = [_stored(chunk) for chunk in chunks]
    missing = sum(chunk.null_count for chunk in chunks)
    yield missing.to_bytes(8, "little")
    if missing:
        for chunk in chunks:
            yield _bytes(chunk.is_valid())
    if chunks:
        yield from _value_blocks(chunks)


def _stored(array: pa.Array) -> pa.Array:
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    return array.dictionary_decode() if isinstance(array, pa.DictionaryArray) else array


def _value_blocks(chunks: list[pa.Array]) -> Iterator[Any]:
    kind = chunks[0].type
    if pa.types.is_list(kind):
        for chunk in chunks:
            yield _bytes(pc.list_value_length(chunk).fill_null(0).cast(pa.int64()))
        yield from _blocks([chunk.flatten() for chunk in chunks])
    elif pa.types.is_fixed_size_list(kind):
        yield from _blocks([chunk.flatten() for chunk in chunks])  # the elements under null rows are left out
    elif pa.types.is_string(kind) or pa.types.is_binary(kind):
        full = [chunk.fill_null(b"" if pa.types.is_binary(kind) else "") if chunk.null_count else chunk for chunk in chunks]
        yield from (np.diff(_offsets(chunk)).astype(np.int64).data for chunk in full)
        yield from (_text(chunk) for chunk in full)
    else:
        for chunk in chunks:
            yield _bytes(chunk)


def _bytes(array: pa.Array) -> memoryview:
    """The values of a column of numbers, blank where null."""
    if pa.types.is_decimal(array.type):
        return _whole(array)
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.int64())
    if array.null_count:
        array = array.fill_null(pa.scalar(0, pa.int64()).cast(array.type))
    values: NDArray[Any] = np.ascontiguousarray(array.to_numpy(zero_copy_only=False))
    return values.data.cast("B") if len(values) else memoryview(b"")


def _whole(array: pa.Array) -> memoryview:
    """Decimals as whole multiples of their least unit, 16 bytes each."""
    filled = array.fill_null(Decimal(0)) if array.null_count else array
    data = filled.buffers()[1]
    return memoryview(data)[filled.offset * 16 : (filled.offset + len(filled)) * 16] if data is not None else memoryview(b"")


def _offsets(array: pa.Array) -> NDArray[np.int32]:
    buffer = array.buffers()[1]
    if buffer is None or not len(array):
        return np.zeros(1, np.int32)
    return np.frombuffer(buffer, np.int32)[array.offset : array.offset + len(array) + 1]


def _text(array: pa.Array) -> memoryview:
    offsets, data = _offsets(array), array.buffers()[2]
    return memoryview(data)[offsets[0] : offsets[-1]] if data is not None else memoryview(b"")
