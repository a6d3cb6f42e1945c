"""Tensors: how a column of a schema is spelled on the wire, and back."""

import base64
import binascii
import math
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Annotated, Any

import attrs
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from intonaco.core.columns import Column, Masked, Ragged
from intonaco.core.errors import SchemaError
from intonaco.core.schema import Field

__all__ = ["DATATYPES", "EXACT", "Tensor", "datatype_of", "listed"]

#: Types of columns to datatypes of the Open Inference Protocol; decimals are BYTES that hold them as text.
DATATYPES = {
    "bool": "BOOL",
    **{f"{sign}int{bits}": f"{sign}int{bits}".upper() for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "float32": "FP32",
    "float64": "FP64",
    "str": "BYTES",
    "json": "BYTES",
    "bytes": "BYTES",
    "timestamp": "INT64",
}
#: Up to it a float64 holds each whole number.
EXACT = 2**53
_DECIMAL = re.compile(r"[+-]?\d{1,38}(\.\d{1,38})?")
_LARGEST = {"float32": float(np.finfo(np.float32).max), "uint64": 2.0**64}


def datatype_of(field: Field) -> str:
    """The protocol's name of the type of a field."""
    return DATATYPES.get(field.dtype, "BYTES")


def _element(dtype: str) -> Any:
    """The type that msgspec holds one JSON value of this type to."""
    if dtype in ("str", "json", "bytes") or dtype not in DATATYPES:
        return str
    if dtype == "bool" or dtype.startswith("float"):
        return bool if dtype == "bool" else float
    if dtype == "uint64":
        return Annotated[int, Meta(ge=0)]
    limits = np.iinfo("int64" if dtype == "timestamp" else dtype)
    return Annotated[int, Meta(ge=int(limits.min), le=int(limits.max))]


def _quick(dtype: str) -> Any:
    """The type that a decoder in one pass holds a value to: beyond 2^53 it cannot tell a float from a whole number that it rounds."""
    return Annotated[float, Meta(gt=-EXACT, lt=EXACT)] if dtype.startswith("float") else _element(dtype)


@attrs.frozen(eq=False)
class Tensor:
    """One input: its field, and what a request may hold for it.

    `size` is of one row, -1 where rows may differ in length (`varies`); `element` is the type of a value, `quick` that of one
    which a decoder in one pass reads exactly.
    """

    field: Field
    element: Any = attrs.field(init=False, repr=False)
    quick: Any = attrs.field(init=False, repr=False)
    size: int = attrs.field(init=False)
    varies: bool = attrs.field(init=False)
    check: Callable[[list[Any]], None] | None = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        for name, element in (("element", _element(self.field.dtype)), ("quick", _quick(self.field.dtype))):
            object.__setattr__(self, name, element | None if self.field.nullable else element)
        object.__setattr__(self, "varies", self.field.shape[:1] == (-1,))
        object.__setattr__(self, "size", math.prod(self.field.shape) if not self.varies else -1)
        object.__setattr__(self, "check", self._check())

    @property
    def datatype(self) -> str:
        """The protocol's name of the type."""
        return datatype_of(self.field)

    @property
    def shape(self) -> list[int]:
        """As the metadata says it: -1 for the rows, and for what may vary."""
        return [-1, *self.field.shape]

    def column(self, values: list[Any], lengths: Sequence[int] = ()) -> Column:
        """The values of many rows, one behind the other, as a column; `lengths` are those of the rows of a ragged one."""
        array = self._array(values)
        if self.varies:
            tail = self.field.shape[1:]
            return Ragged(array.reshape(-1, *tail) if tail else array, np.concatenate([[0], np.cumsum(lengths)]))
        shaped = array.reshape(-1, *self.field.shape) if self.field.shape else array
        if not self.field.nullable or self.field.dtype.startswith("float"):
            return shaped
        missing = np.fromiter((value is None for value in values), np.bool_, len(values)).reshape(len(shaped), -1)
        return Masked(shaped, np.asarray(missing.any(axis=1)))

    def _array(self, values: list[Any]) -> NDArray[Any]:
        dtype = self.field.dtype
        if dtype not in DATATYPES:
            decimals = np.empty(len(values), dtype=object)
            decimals[:] = [Decimal(value or 0) for value in values]
            return decimals
        if dtype in ("str", "json", "bytes"):
            array = np.empty(len(values), dtype=object)
            array[:] = [base64.b64decode(value or "") for value in values] if dtype == "bytes" else values
            return array
        if dtype.startswith("float"):
            return np.array(values, dtype=dtype)  # None becomes NaN
        plain = [value or 0 for value in values] if self.field.nullable else values
        return np.array(plain, dtype="int64").view("datetime64[us]") if dtype == "timestamp" else np.array(plain, dtype=dtype)

    def _check(self) -> Callable[[list[Any]], None] | None:
        """What the decoder cannot hold a value to; None for most types."""
        if self.field.categories and not self.field.nullable:  # else the signature takes an unknown category as missing
            return self._check_categories
        if self.field.dtype in _LARGEST:
            return self._check_range
        if self.field.dtype not in DATATYPES:
            return self._check_decimals
        return self._check_base64 if self.field.dtype == "bytes" else None

    def _check_categories(self, values: list[Any]) -> None:
        name, categories = self.field.name, self.field.categories
        for value in values:
            if value not in categories:
                known = ", ".join(categories[:8])
                what = f"input {name!r} is {value[:60]!r}, not one of its {len(categories)} categories"
                raise SchemaError(what, hint=f"such as {known}", field=name)

    def _check_range(self, values: list[Any]) -> None:
        limit = _LARGEST[self.field.dtype]
        for value in values:
            if value is not None and (abs(value) >= limit if self.field.dtype == "uint64" else abs(value) > limit):
                raise SchemaError(f"input {self.field.name!r} is {value!r}, too large for {self.datatype}", field=self.field.name)

    def _check_decimals(self, values: list[Any]) -> None:
        for value in values:
            if value is not None and not _DECIMAL.fullmatch(value):
                name, hint = self.field.name, "decimals travel in JSON as text: '12.50'"
                raise SchemaError(f"input {name!r} is {value[:60]!r}, no {self.field.dtype}", hint=hint, field=name)

    def _check_base64(self, values: list[Any]) -> None:
        try:
            for value in values:
                base64.b64decode(value or "", validate=True)
        except (binascii.Error, ValueError) as error:
            name, hint = self.field.name, "bytes travel in JSON as base64 text"
            raise SchemaError(f"input {name!r} is not base64: {error}", hint=hint, field=name) from error


def listed(column: Column) -> list[Any]:
    """A column as plain values, one per row, None where it is missing; NaN stays, and is written as null."""
    if isinstance(column, Ragged):
        return [listed(column[row]) for row in range(len(column))]
    if isinstance(column, Masked):
        values = listed(column.values)
        return [None if gone else value for value, gone in zip(values, column.missing.tolist(), strict=True)]
    if column.dtype.kind == "M":
        return list(column.astype("datetime64[us]").view("int64").tolist())
    values = list(column.tolist())
    return [format(value, "f") for value in values] if values and isinstance(values[0], Decimal) else values
