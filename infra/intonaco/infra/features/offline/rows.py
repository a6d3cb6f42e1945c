"""Rows that people give: columns or Arrow tables, brought into our types once, at the edge, without a change of value."""

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import evolve, frozen
from numpy.typing import NDArray

from intonaco.core.columns import Column, Columns, Masked, Ragged
from intonaco.core.errors import SchemaError
from intonaco.core.schema import Field, Schema
from intonaco.infra.storage.arrow import schema_of, to_arrow

__all__ = ["Rows", "columns_table", "plain_columns", "plain_table"]


@frozen(kw_only=True)
class Rows:
    """Rows in Arrow, their schema, and the reference of their table if they have one."""

    table: pa.Table
    schema: Schema
    source: str = ""

    @classmethod
    def of(cls, data: "Columns | pa.Table", source: str = "") -> "Rows":
        """Rows from columns or an Arrow table."""
        table = plain_table(data) if isinstance(data, pa.Table) else columns_table(data)
        return cls(table=table, schema=schema_of(table), source=source)


def columns_table(columns: Columns) -> pa.Table:
    """Columns as an Arrow table, whatever their types."""
    plain = plain_columns(columns)
    return to_arrow(plain, Schema(tuple(_field(name, column) for name, column in plain.items())))


def plain_columns(columns: Columns) -> dict[str, Column]:
    """The columns with texts as objects and times in microseconds; SchemaError for times that are finer.

    NumPy's texts of a fixed width and its times of other units are what people have; nothing else is converted.
    """
    return {name: _plain(name, column) for name, column in columns.items()}


def plain_table(table: pa.Table) -> pa.Table:
    """The table with every time in UTC; SchemaError for times without a zone, of which nobody knows when they were."""
    for place, each in enumerate(table.schema):
        if pa.types.is_timestamp(each.type) and (each.type.tz, each.type.unit) != ("UTC", "us"):
            table = table.set_column(place, each.with_type(_UTC), _in_utc(table.column(place), each.name))
    return table


_UTC = pa.timestamp("us", tz="UTC")


def _in_utc(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    if column.type.tz is None:
        hint = "say which zone they are of: pyarrow.compute.assume_timezone(column, 'UTC')"
        raise SchemaError(f"column {name!r} holds times without a zone", hint=hint, field=name)
    try:
        return pc.cast(column, _UTC)
    except pa.ArrowInvalid as error:
        raise SchemaError(f"column {name!r} holds times finer than a microsecond", hint="round them", field=name) from error


def _plain(name: str, column: Column) -> Column:
    if isinstance(column, Masked):
        return evolve(column, values=_plain_values(name, column.values))
    return evolve(column, values=_plain_values(name, column.values)) if isinstance(column, Ragged) else _plain_values(name, column)


def _plain_values(name: str, given: Any) -> NDArray[Any]:
    values = np.asarray(given)
    if values.dtype.kind in "US":
        return values.astype(object)
    if values.dtype.kind == "M" and values.dtype != np.dtype("datetime64[us]"):
        micros = values.astype("datetime64[us]")
        if not np.array_equal(micros.astype(values.dtype), values, equal_nan=True):
            raise SchemaError(f"column {name!r} is {values.dtype} and holds times that microseconds cannot", hint="round them", field=name)
        return micros
    return values


def _field(name: str, column: Column) -> Field:
    values = np.asarray(column.values if isinstance(column, Masked | Ragged) else column)
    dtype = {"M": "timestamp", "O": "str"}.get(values.dtype.kind, str(values.dtype))
    if values.dtype.kind == "O":
        dtype = _object_type(values if not isinstance(column, Masked) else values[~column.missing])
    if isinstance(column, Ragged):
        return Field(name, dtype, shape=(-1, *values.shape[1:]))
    return Field(name, dtype, nullable=True, shape=values.shape[1:])


def _object_type(values: NDArray[Any]) -> str:
    first = next((value for value in values if value is not None), "")
    if isinstance(first, Decimal):
        return _decimal_type([value for value in values if isinstance(value, Decimal) and value.is_finite()])
    return "bytes" if isinstance(first, bytes) else "str"


def _decimal_type(values: list[Decimal]) -> str:
    """The type of the fewest digits that holds them all."""
    parts = [value.as_tuple() for value in values]
    exponents = [each.exponent for each in parts if isinstance(each.exponent, int)]
    scale = max((-exponent for exponent in exponents if exponent < 0), default=0)
    whole = max((len(each.digits) + exponent for each, exponent in zip(parts, exponents, strict=True)), default=1)
    return f"decimal({max(whole, 1) + scale},{scale})" if scale else f"decimal({max(whole, 1)},0)"
