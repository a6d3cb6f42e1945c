"""Arrow columns as the arrays that the engine computes with."""

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from intonaco.core.errors import SchemaError
from intonaco.core.schema import suggestion
from intonaco.infra.compute.decimals import multiples

__all__ = ["column_of", "identities", "numbers", "plain", "presence", "times"]


def column_of(table: pa.Table, name: str, where: str) -> pa.Array:
    """The column in one piece; SchemaError if it is not there."""
    try:
        column = table.column(name)
    except KeyError as error:
        if name in table.column_names:
            raise SchemaError(f"{where}: the column {name!r} is there twice", field=name) from error
        raise SchemaError(f"{where} lacks the column {name!r}", hint=suggestion(name, table.column_names), field=name) from None
    array = (
        column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks) if column.num_chunks else pa.nulls(0, column.type)
    )
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def times(table: pa.Table, name: str, where: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Microseconds since 1970, and where there is a time."""
    array = column_of(table, name, where)
    if not (pa.types.is_timestamp(array.type) or pa.types.is_int64(array.type)):
        raise SchemaError(f"{where}: column {name!r} is {array.type}, expected a timestamp", field=name)
    if pa.types.is_timestamp(array.type) and array.type.unit != "us":
        try:
            array = array.cast(pa.timestamp("us", tz=array.type.tz))
        except pa.ArrowInvalid as error:
            raise SchemaError(f"{where}: column {name!r} has times finer than a microsecond", field=name) from error
    return _values(array.view(pa.int64()), 0), _held(array)


def numbers(table: pa.Table, name: str, where: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """A numeric, bool or time column's values, and where there is one; what stands at a null has no meaning.

    Decimals are whole multiples of the least unit of their type: 12.50 of scale 2 is 1250.
    """
    array = column_of(table, name, where)
    if pa.types.is_timestamp(array.type):
        return times(table, name, where)
    if pa.types.is_null(array.type):
        return np.zeros(len(array)), np.zeros(len(array), dtype=np.bool_)
    if pa.types.is_decimal(array.type):
        return multiples(array, name), _held(array)
    if not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type) or pa.types.is_boolean(array.type)):
        raise SchemaError(f"{where}: column {name!r} is {array.type}, expected numbers", field=name)
    return _values(array, False if pa.types.is_boolean(array.type) else 0), _held(array)


def presence(table: pa.Table, name: str, where: str) -> NDArray[np.bool_]:
    """Where a column of any type holds a value."""
    return _held(column_of(table, name, where))


def identities(table: pa.Table, name: str, where: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Numbers that are equal where values of the column are, and where there is one.

    They are those of `numbers`; of texts, the first 64 bits of BLAKE2b of their UTF-8: the same in every process and version.
    """
    array = column_of(table, name, where)
    kind = array.type
    if not any(check(kind) for check in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, *_BINARY)):
        return numbers(table, name, where)
    encoded = plain(array).dictionary_encode()
    hashes = np.array([_text_hash(value) for value in encoded.dictionary.to_pylist()] or [0], dtype="<u8").view(np.int64)
    return hashes[_values(encoded.indices, 0)], _held(array)


_BINARY = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)


def _text_hash(value: str | bytes) -> int:
    data = value if isinstance(value, bytes) else value.encode()
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


def _values(array: pa.Array, stand_in: Any) -> NDArray[Any]:
    filled = array.fill_null(stand_in) if array.null_count else array
    return np.asarray(filled.to_numpy(zero_copy_only=False))


def _held(array: pa.Array) -> NDArray[np.bool_]:
    if array.null_count == 0:
        return np.ones(len(array), dtype=np.bool_)
    return np.asarray(array.is_valid().to_numpy(zero_copy_only=False))


def plain(array: pa.Array) -> pa.Array:
    """The array in the one type that its kind of key has."""
    kind = array.type
    if pa.types.is_integer(kind) and not pa.types.is_int64(kind):
        return array.cast(pa.int64())
    if pa.types.is_timestamp(kind):
        return array.cast(pa.timestamp("us", tz=kind.tz)).view(pa.int64())
    if pa.types.is_string(kind) or pa.types.is_string_view(kind) or pa.types.is_null(kind):
        return array.cast(pa.large_string())
    if pa.types.is_binary(kind) or pa.types.is_binary_view(kind):
        return array.cast(pa.large_binary())
    return array
