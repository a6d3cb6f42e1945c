"""Columns as bytes between two processes: MessagePack of plain values, nothing that could run."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from intonaco.core.columns import Column, Columns, Masked, Ragged
from intonaco.core.errors import CorruptError, IntonacoError

__all__ = ["pack", "unpack"]


def pack(columns: Columns) -> bytes:
    """Columns of any kind."""
    return msgspec.msgpack.encode({name: _packed(column) for name, column in columns.items()})


def _packed(column: Column) -> list[Any]:
    if isinstance(column, Masked):
        return ["masked", _packed(column.values), column.missing.tobytes()]
    if isinstance(column, Ragged):
        return ["ragged", _packed(column.values), column.offsets.tobytes()]
    if column.dtype.kind == "O":
        return ["objects", column.shape, column.ravel().tolist()]
    return ["array", column.shape, column.dtype.str, column.tobytes()]


def unpack(data: bytes) -> dict[str, Column]:
    """Read what `pack` wrote; CorruptError if it is something else. The arrays are read-only."""
    try:
        return {name: _unpacked(*held) for name, held in msgspec.msgpack.decode(data, type=dict[str, list[Any]]).items()}
    except (msgspec.MsgspecError, IntonacoError, TypeError, ValueError, KeyError, AttributeError) as error:
        raise CorruptError(f"columns from another process cannot be read: {error}") from error


def _unpacked(kind: str, *held: Any) -> Column:
    made: Column = _KINDS[kind](*held)
    return made


def _masked(values: list[Any], missing: bytes) -> Column:
    inner = _unpacked(*values)
    assert isinstance(inner, np.ndarray)
    return Masked(inner, np.frombuffer(missing, dtype=np.bool_))


def _ragged(values: list[Any], offsets: bytes) -> Column:
    inner = _unpacked(*values)
    assert isinstance(inner, np.ndarray)
    return Ragged(inner, np.frombuffer(offsets, dtype=np.int64))


def _plain(held: list[Any]) -> NDArray[Any]:
    column = _unpacked(*held)
    if not isinstance(column, np.ndarray):
        raise TypeError(f"a plain array was expected, not {type(column).__name__}")
    return column


def _objects(shape: list[int], values: list[Any]) -> NDArray[Any]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array.reshape(shape)


def _array(shape: list[int], dtype: str, data: bytes) -> NDArray[Any]:
    return np.frombuffer(data, dtype=np.dtype(dtype)).reshape(shape)


_KINDS: dict[str, Callable[..., Column]] = {"masked": _masked, "ragged": _ragged, "objects": _objects, "array": _array}
