"""Columns: names to NumPy arrays, rows first.

Text and images are `str` and `bytes` in arrays of dtype object. A missing value is NaN in a float column; any other
nullable column is `Masked`. Rows of different lengths are `Ragged`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from intonaco.core.errors import SchemaError
from intonaco.core.schema import Field

__all__ = ["Column", "Columns", "Masked", "Ragged", "check_column", "concatenate", "present", "rows_of", "take"]


@frozen(eq=False)
class Ragged:
    """Rows of different lengths, one behind the other.

    Parameters
    ----------
    values : shape (n, ...)
        All rows' values.
    offsets : shape (rows + 1,), int64
        Row i is `values[offsets[i]:offsets[i + 1]]`.
    """

    values: NDArray[Any]
    offsets: NDArray[np.int64] = field(converter=lambda given: np.asarray(given, dtype=np.int64))

    def __attrs_post_init__(self) -> None:
        good = len(self.offsets) > 0 and self.offsets[0] == 0 and self.offsets[-1] == len(self.values)
        if not good or bool(np.any(np.diff(self.offsets) < 0)):
            raise SchemaError(f"ragged offsets must rise from 0 to the number of values, {len(self.values)}")

    @classmethod
    def from_rows(cls, rows: Sequence[NDArray[Any]]) -> "Ragged":
        """Put rows one behind the other."""
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
        return cls(np.concatenate(rows) if rows else np.empty(0), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> NDArray[Any]:
        return self.values[self.offsets[index] : self.offsets[index + 1]]


@frozen(eq=False)
class Masked:
    """Values of which some are missing.

    Parameters
    ----------
    values : shape (rows, ...)
        What stands at a missing row is of the dtype and without meaning.
    missing : shape (rows,), bool
        True where the value is missing.
    """

    values: NDArray[Any]
    missing: NDArray[np.bool_]

    def __attrs_post_init__(self) -> None:
        if self.missing.shape != self.values.shape[:1] or self.missing.dtype != np.bool_:
            raise SchemaError("a mask must be one bool per row")

    def __len__(self) -> int:
        return len(self.values)


Column = NDArray[Any] | Ragged | Masked
Columns = Mapping[str, Column]


def rows_of(columns: Columns, where: str = "the columns") -> int:
    """The number of rows; SchemaError if the columns differ in it, 0 if there is no column."""
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise SchemaError(f"{where}: columns differ in length: {lengths}")
    return next(iter(lengths.values()), 0)


def present(column: Column) -> NDArray[np.bool_]:
    """True where the row holds a value; shape (rows,)."""
    if isinstance(column, Masked):
        return ~column.missing
    if isinstance(column, Ragged) or column.dtype.kind != "f":
        return np.ones(len(column), dtype=np.bool_)
    return ~np.isnan(column).reshape(len(column), -1).any(axis=1) if column.ndim > 1 else ~np.isnan(column)


def take(columns: Columns, rows: NDArray[np.intp] | slice) -> dict[str, Column]:
    """The same columns, these rows in this order."""
    return {name: _take(column, rows) for name, column in columns.items()}


def _take(column: Column, rows: NDArray[np.intp] | slice) -> Column:
    if isinstance(column, Masked):
        return Masked(column.values[rows], column.missing[rows])
    if isinstance(column, Ragged):
        return Ragged.from_rows([column[int(row)] for row in np.arange(len(column))[rows]])
    return column[rows]


def concatenate(parts: Sequence[Columns]) -> dict[str, Column]:
    """One behind the other; all parts have the same columns."""
    return {name: _concatenate([part[name] for part in parts]) for name in parts[0]}


def _concatenate(parts: Sequence[Column]) -> Column:
    if any(isinstance(part, Masked) for part in parts):
        masked = [part if isinstance(part, Masked) else Masked(_array(part), ~present(part)) for part in parts]
        return Masked(np.concatenate([part.values for part in masked]), np.concatenate([part.missing for part in masked]))
    if isinstance(parts[0], Ragged):
        return Ragged.from_rows([row for part in parts if isinstance(part, Ragged) for row in (part[i] for i in range(len(part)))])
    return np.concatenate([_array(part) for part in parts])


def _array(column: Column) -> NDArray[Any]:
    if isinstance(column, np.ndarray):
        return column
    raise SchemaError(f"a plain array was expected, not {type(column).__name__}")


_OBJECTS = {"str": str, "json": str, "bytes": bytes}


def check_column(column: Column, expected: Field, rows: int, where: str) -> None:
    """Raise SchemaError where a column differs from its field; the message names the column and the first bad row."""
    name = expected.name
    if len(column) != rows:
        raise SchemaError(f"{where}: column {name!r} has {len(column)} rows, not {rows}", field=name)
    _check_shape(column, expected, where)
    values = column.values if isinstance(column, Ragged | Masked) else column
    _check_dtype(values, expected, where)
    held = present(column)
    if not expected.nullable and not held.all():
        raise SchemaError(f"{where}: column {name!r} misses a value in row {int(np.argmin(held))} and is not nullable", field=name)
    if expected.dtype in _OBJECTS:
        _check_objects(values if isinstance(column, Ragged) else values[held], expected, where)


def _check_shape(column: Column, expected: Field, where: str) -> None:
    values = column.values if isinstance(column, Ragged | Masked) else column
    varies = expected.shape[:1] == (-1,)
    wanted = expected.shape[1:] if varies else expected.shape
    if varies != isinstance(column, Ragged) or values.shape[1:] != wanted:
        given = f"rows of shape {values.shape[1:]}" if not isinstance(column, Ragged) else "rows of different lengths"
        raise SchemaError(f"{where}: column {expected.name!r} has {given}, expected shape {expected.shape}", field=expected.name)


def _check_dtype(values: NDArray[Any], expected: Field, where: str) -> None:
    wanted = {"timestamp": "datetime64[us]", **dict.fromkeys(_OBJECTS, "object")}.get(expected.dtype, expected.dtype)
    if values.dtype != np.dtype(wanted):
        raise SchemaError(f"{where}: column {expected.name!r} is {values.dtype}, expected {expected.dtype}", field=expected.name)


def _check_objects(values: NDArray[Any], expected: Field, where: str) -> None:
    kind = _OBJECTS[expected.dtype]
    allowed = frozenset(expected.categories)
    for row, value in enumerate(values.ravel()):
        if type(value) is not kind:
            raise SchemaError(f"{where}: column {expected.name!r} holds {value!r} where a {expected.dtype} was expected", field=expected.name)
        if allowed and value not in allowed:
            raise SchemaError(f"{where}: column {expected.name!r} holds {value!r} (row {row}), not one of its {len(allowed)} categories", field=expected.name)
