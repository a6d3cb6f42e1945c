"""Columns as one matrix of numbers, alike in training and in serving."""

import math
from typing import Any

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from intonaco.core.columns import Column, Columns, Masked, Ragged, rows_of
from intonaco.core.errors import DefinitionError
from intonaco.core.schema import Field, Schema

__all__ = ["MatrixForm"]


@frozen
class _Part:
    """One field's share of the matrix."""

    name: str
    first: int
    width: int
    codes: dict[str, float] = field(repr=False)


@frozen
class MatrixForm:
    """How columns become a matrix of float64: categories as their codes, missing as NaN, arrays flattened.

    Build with `of`; DefinitionError names a field that is no number.
    """

    parts: tuple[_Part, ...]
    width: int

    @classmethod
    def of(cls, schema: Schema) -> "MatrixForm":
        """The form of these fields, in their order."""
        parts, first = [], 0
        for each in schema:
            _check_numeric(each)
            width = int(np.prod(each.shape, dtype=np.int64))
            parts.append(_Part(each.name, first, width, {value: float(code) for code, value in enumerate(each.categories)}))
            first += width
        return cls(tuple(parts), first)

    @property
    def categorical(self) -> list[int]:
        """The matrix's columns that hold codes."""
        return [part.first for part in self.parts if part.codes]

    def matrix(self, columns: Columns) -> NDArray[np.float64]:
        """Columns that fit the schema as a matrix, shape (rows, width), rows first in memory."""
        rows = rows_of(columns)
        if rows == 1 and self.width == len(self.parts):
            return np.array([[_number(columns[part.name], part.codes) for part in self.parts]], dtype=np.float64)
        made = np.empty((rows, self.width), dtype=np.float64)
        for part in self.parts:
            column = columns[part.name]
            if part.width == 1 and not part.codes and type(column) is np.ndarray:
                made[:, part.first] = column.reshape(-1)
            else:
                made[:, part.first : part.first + part.width] = _numbers(column, part).reshape(len(made), part.width)
        return made


def _check_numeric(field: Field) -> None:
    if field.shape[:1] == (-1,) or field.dtype in ("bytes", "json", "timestamp") or (field.dtype == "str" and not field.categories):
        raise DefinitionError(
            f"column {field.name!r} ({field.dtype}{list(field.shape) if field.shape else ''}) cannot stand in a matrix of numbers",
            hint="give a text column categories, or make a number of it with a request-time function",
            field=field.name,
        )


def _number(column: Column, codes: dict[str, float]) -> Any:
    """The only row's value; a loop in Python is quicker there than one in NumPy."""
    if isinstance(column, Masked):
        if column.missing[0]:
            return math.nan
        column = column.values
    value: Any = column.item() if isinstance(column, np.ndarray) else math.nan
    return codes.get(value, math.nan) if codes else value


def _numbers(column: Column, part: _Part) -> NDArray[np.float64]:
    values: Any = column.values if isinstance(column, Masked | Ragged) else column
    numbers = _coded(values, part.codes) if part.codes else values.astype(np.float64)
    if isinstance(column, Masked):
        numbers[column.missing] = np.nan
    return np.asarray(numbers, dtype=np.float64)


def _coded(values: NDArray[Any], codes: dict[str, float]) -> NDArray[np.float64]:
    nan = float("nan")
    # What stands at a missing row is without meaning, and need not be hashable.
    found = [codes.get(value, nan) if type(value) is str else nan for value in values.flat]
    return np.array(found, dtype=np.float64).reshape(values.shape)
