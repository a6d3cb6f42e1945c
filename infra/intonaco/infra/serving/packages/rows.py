"""Columns as JSON values, exact to the bit, for the sample rows of a package."""

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intonaco.core.columns import Column, Columns, Masked, Ragged, present
from intonaco.core.errors import SchemaError
from intonaco.core.schema import Field, Schema

__all__ = ["columns_from_json", "columns_to_json", "same_rows"]

_OBJECTS = ("str", "json", "bytes")
_INFINITIES = {"Infinity": math.inf, "-Infinity": -math.inf}


def columns_to_json(columns: Columns, schema: Schema) -> dict[str, list[Any]]:
    """Columns that fit the schema as lists of rows; a missing value is None, a NaN inside an array too."""
    return {each.name: _to_rows(columns[each.name]) for each in schema}


def _to_rows(column: Column) -> list[Any]:
    if isinstance(column, Ragged):
        return [_plain(row) for row in (column[index] for index in range(len(column)))]
    values = column.values if isinstance(column, Masked) else column
    if isinstance(column, Masked):
        return [None if gone else _plain(value) for value, gone in zip(values, column.missing, strict=True)]
    return [_plain(value) for value in values]


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [_plain(each) for each in value]
    if isinstance(value, np.datetime64):
        return int(value.astype("datetime64[us]").astype(np.int64))
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


def columns_from_json(rows: Mapping[str, Sequence[Any]], schema: Schema) -> dict[str, Column]:
    """Read what `columns_to_json` wrote; SchemaError where it does not fit the schema."""
    schema.check_names(rows, "the stored rows")
    try:
        return {each.name: _from_rows(rows[each.name], each) for each in schema}
    except (TypeError, ValueError, OverflowError) as error:
        raise SchemaError(f"the stored rows cannot be read: {error}") from error


def _from_rows(rows: Sequence[Any], field: Field) -> Column:
    if field.shape[:1] == (-1,):
        return Ragged.from_rows([_array(row, field, (len(row), *field.shape[1:])) for row in rows])
    missing = np.array([row is None for row in rows], dtype=np.bool_)
    if not missing.any() or field.dtype.startswith("float"):
        return _array(rows, field, (len(rows), *field.shape))
    filler = _filler(field)
    return Masked(_array([filler if row is None else row for row in rows], field, (len(rows), *field.shape)), missing)


def _filler(field: Field) -> Any:
    """What stands at a missing row."""
    filler: Any = "" if field.dtype in _OBJECTS else 0
    for length in reversed(field.shape):
        filler = [filler] * length
    return filler


def _array(rows: Sequence[Any], field: Field, shape: tuple[int, ...]) -> NDArray[Any]:
    flat = [_value(value, field.dtype) for value in _leaves(rows, len(shape))]
    dtype = "int64" if field.dtype == "timestamp" else "object" if field.dtype in _OBJECTS else field.dtype
    made = np.empty(len(flat), dtype=dtype)
    made[:] = flat
    return (made.astype("datetime64[us]") if field.dtype == "timestamp" else made).reshape(shape)


def _leaves(rows: Sequence[Any], depth: int) -> list[Any]:
    values = list(rows)
    for _ in range(depth - 1):
        values = [value for row in values for value in row]
    return values


def _value(value: Any, dtype: str) -> Any:
    if dtype.startswith("float"):
        return math.nan if value is None else _INFINITIES[value] if isinstance(value, str) else float(value)
    if dtype == "bytes":
        return base64.b64decode(value, validate=True)
    return value


def same_rows(first: Columns, second: Columns, schema: Schema, tolerance: float) -> str:
    """The name of the first column in which two answers differ by more than the tolerance, relative to the larger; empty if none does."""
    for each in schema:
        if not _same(first[each.name], second[each.name], tolerance):
            return each.name
    return ""


def _same(first: Column, second: Column, tolerance: float) -> bool:
    if isinstance(first, Ragged) or isinstance(second, Ragged):
        alike = isinstance(first, Ragged) and isinstance(second, Ragged) and np.array_equal(first.offsets, second.offsets)
        return alike and _close(first.values, second.values, tolerance)  # type: ignore[union-attr]
    held = present(first)
    if not np.array_equal(held, present(second)):
        return False
    return _close(_values(first)[held], _values(second)[held], tolerance)


def _values(column: Column) -> NDArray[Any]:
    return column if isinstance(column, np.ndarray) else column.values


def _close(first: NDArray[Any], second: NDArray[Any], tolerance: float) -> bool:
    if first.dtype != second.dtype or first.shape != second.shape:
        return False
    if first.dtype.kind != "f" or tolerance == 0:
        return bool(np.array_equal(first, second, equal_nan=first.dtype.kind == "f"))
    return bool(np.allclose(first, second, rtol=tolerance, atol=tolerance * 1e-3, equal_nan=True))
