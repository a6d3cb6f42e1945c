"""Columns: names to NumPy arrays, rows first.

Text and images are `str` and `bytes`, decimals `decimal.Decimal`, in arrays of dtype object. A missing value is NaN in a float
column; any other nullable column is `Masked`. Rows of different lengths are `Ragged`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from intonaco.core.errors import SchemaError
from intonaco.core.fields import DTYPES, Field, decimal_digits, suggestion

__all__ = ["Column", "Columns", "Masked", "Ragged", "check_column", "concatenate", "present", "rows_of", "take"]


def _offsets(given: Iterable[int]) -> NDArray[np.int64]:
    return np.asarray(given, dtype=np.int64)


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
    offsets: NDArray[np.int64] = field(converter=_offsets)

    def __attrs_post_init__(self) -> None:
        good = len(self.offsets) > 0 and self.offsets[0] == 0 and self.offsets[-1] == len(self.values)
        if not good or bool(np.any(np.diff(self.offsets) < 0)):
            raise SchemaError(f"ragged offsets must rise from 0 to the number of values, {len(self.values)}")

    @classmethod
    def from_rows(cls, rows: Sequence[NDArray[Any]]) -> "Ragged":
        """Put rows one behind the other; no rows at all are taken for float64."""
        return cls(np.concatenate(rows) if rows else np.empty(0), _ends([len(row) for row in rows]))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> NDArray[Any]:
        row = range(len(self))[index]  # counts a negative index from the end, and raises IndexError
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[row] for row in range(len(self)))

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> "Ragged":
        """These rows, in this order."""
        starts, lengths = self.offsets[:-1][rows], np.diff(self.offsets)[rows]
        offsets = _ends(lengths)
        return Ragged(self.values[np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)], offsets)


def _ends(lengths: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


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
    lengths = list(map(len, columns.values()))
    if lengths and lengths.count(lengths[0]) != len(lengths):
        raise SchemaError(f"{where}: columns differ in length: {dict(zip(columns, lengths, strict=True))}")
    return lengths[0] if lengths else 0


def present(column: Column) -> NDArray[np.bool_]:
    """True where the row holds a value; shape (rows,)."""
    if isinstance(column, Masked):
        return ~column.missing
    if isinstance(column, Ragged) or column.dtype.kind not in "fM":
        return np.ones(len(column), dtype=np.bool_)
    lacking: NDArray[np.bool_] = np.isnan(column) if column.dtype.kind == "f" else np.isnat(column)
    return ~lacking if column.ndim == 1 else ~np.asarray(lacking.any(axis=tuple(range(1, column.ndim))))


def take(columns: Columns, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> dict[str, Column]:
    """The same columns, these rows in this order."""
    return {name: _take(column, rows) for name, column in columns.items()}


def _take(column: Column, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Column:
    if isinstance(column, Masked):
        return Masked(column.values[rows], column.missing[rows])
    return column.take(rows) if isinstance(column, Ragged) else column[rows]


def concatenate(parts: Sequence[Columns]) -> dict[str, Column]:
    """One behind the other.

    Raises
    ------
    SchemaError
        The parts differ in their columns, or a column in its kind or type.
    """
    names = list(parts[0]) if parts else []
    for part in parts:
        if part.keys() != parts[0].keys():
            raise SchemaError(f"parts with the columns {', '.join(names)} and {', '.join(part)} cannot be put together")
    return {name: _concatenate(name, [part[name] for part in parts]) for name in names}


def _concatenate(name: str, parts: Sequence[Column]) -> Column:
    if any(isinstance(part, Ragged) for part in parts):
        ragged = [part for part in parts if isinstance(part, Ragged)]
        if len(ragged) != len(parts):
            raise SchemaError(f"column {name!r} has rows of different lengths in one part and not in another", field=name)
        return Ragged(_joined(name, [part.values for part in ragged]), _ends(np.concatenate([np.diff(part.offsets) for part in ragged])))
    values = _joined(name, [part.values if isinstance(part, Masked) else _plain(part) for part in parts])
    if any(isinstance(part, Masked) for part in parts):
        return Masked(values, np.concatenate([~present(part) for part in parts]))
    return values


def _plain(column: Column) -> NDArray[Any]:
    assert isinstance(column, np.ndarray), type(column)
    return column


def _joined(name: str, arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """One array; NumPy would silently turn text into objects, and large integers beside floats into others."""
    kinds = sorted({array.dtype.name for array in arrays if array.dtype.kind != arrays[0].dtype.kind} | {arrays[0].dtype.name})
    if len(kinds) > 1:
        raise SchemaError(f"column {name!r} is {' and '.join(kinds)}, which cannot be put together", field=name)
    return np.concatenate(arrays)


_OBJECTS = {"str": str, "json": str, "bytes": bytes}
_OBJECT = np.dtype("object")
_ARRAYS = {name: np.dtype("datetime64[us]" if name == "timestamp" else "object" if name in _OBJECTS else name) for name in DTYPES}


def check_column(column: Column, expected: Field, rows: int, where: str) -> None:
    """Raise SchemaError where a column differs from its field; the message names the column and, of a missing value, the row."""
    name = expected.name
    if len(column) != rows:
        raise SchemaError(f"{where}: column {name!r} has {len(column)} rows, not {rows}", field=name)
    _check_shape(column, expected, where)
    values = column.values if isinstance(column, Ragged | Masked) else column
    _check_dtype(values, expected, where)
    held = present(column)
    if not expected.nullable and not held.all():
        raise SchemaError(f"{where}: column {name!r} misses a value in row {int(np.argmin(held))} and is not nullable", field=name)
    if expected.dtype not in DTYPES:
        _check_decimals(values, held if not isinstance(column, Ragged) else None, expected, where)
    elif expected.dtype in _OBJECTS:
        _check_objects(values, held if not isinstance(column, Ragged) else None, expected, where)


def _check_shape(column: Column, expected: Field, where: str) -> None:
    values = column.values if isinstance(column, Ragged | Masked) else column
    varies = expected.shape[:1] == (-1,)
    wanted = expected.shape[1:] if varies else expected.shape
    if varies != isinstance(column, Ragged) or values.shape[1:] != wanted:
        given = f"rows of shape {values.shape[1:]}" if not isinstance(column, Ragged) else "rows of different lengths"
        raise SchemaError(f"{where}: column {expected.name!r} has {given}, expected shape {expected.shape}", field=expected.name)


def _check_dtype(values: NDArray[Any], expected: Field, where: str) -> None:
    if values.dtype != _ARRAYS.get(expected.dtype, _OBJECT):
        raise SchemaError(f"{where}: column {expected.name!r} is {values.dtype}, expected {expected.dtype}", field=expected.name)


def _check_decimals(values: NDArray[Any], held: NDArray[np.bool_] | None, expected: Field, where: str) -> None:
    """Whether objects are decimals that the field's digits can hold; a missing row may hold anything."""
    digits = decimal_digits(expected.dtype)
    assert digits is not None, expected.dtype
    places = np.arange(len(values)) if held is None else np.flatnonzero(held)
    for place in places.tolist():
        value = values[place]
        if type(value) is not Decimal or not _fits(value, *digits):
            reason = "more digits than it has" if type(value) is Decimal and value.is_finite() else f"where a {expected.dtype} was expected"
            row = "" if held is None else f" in row {place}"
            raise SchemaError(f"{where}: column {expected.name!r} holds {value!r}{row}, {reason}", field=expected.name)


def _fits(value: Decimal, precision: int, scale: int) -> bool:
    """Whether a decimal is kept exactly in so many digits, so many of them behind the point."""
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return False  # infinity, or no number
    number = "".join(map(str, digits)).lstrip("0")
    kept = number.rstrip("0")
    behind = -(exponent + len(number) - len(kept))
    return not kept or (behind <= scale and len(kept) - behind <= precision - scale)


def _check_objects(values: NDArray[Any], held: NDArray[np.bool_] | None, expected: Field, where: str) -> None:
    """Whether objects are of the field's type and among its categories; a missing row may hold anything."""
    given = (values if held is None else values[held]).ravel().tolist()
    kind, categories = _OBJECTS[expected.dtype], set(expected.categories)
    if set(map(type, given)) <= {kind} and (not categories or categories.issuperset(given)):
        return
    position = next(at for at, value in enumerate(given) if type(value) is not kind or (categories and value not in categories))
    row = "" if held is None else f" in row {np.flatnonzero(held)[position * int(held.sum()) // len(given)]}"
    wrong = given[position]
    if type(wrong) is kind:
        reason, hint = f"not one of its {len(categories)} categories", suggestion(wrong, categories)
    else:
        reason, hint = f"where a {expected.dtype} was expected", ""
    raise SchemaError(f"{where}: column {expected.name!r} holds {wrong!r}{row}, {reason}", hint=hint, field=expected.name)
