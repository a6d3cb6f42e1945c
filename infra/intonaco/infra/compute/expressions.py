"""SQL expressions over the rows of one table: each looks at its own row alone, so that appended rows change no others."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from attrs import field, frozen

from intonaco.core.errors import DefinitionError, SchemaError
from intonaco.core.schema import Schema, suggestion
from intonaco.infra.storage.arrow import arrow_schema

if TYPE_CHECKING:
    import polars as pl

__all__ = ["RowExpressions"]

#: The forms of an expression that look at one row, and the families of functions of which all do.
_FORMS = {"Column", "Literal", "BinaryExpr", "Ternary", "Cast", "Function"}
_FAMILIES = {"Sql", "StringExpr", "TemporalExpr", "Trigonometry", "Pow", "Bitwise"}
_FUNCTIONS = {
    *("Abs", "Exp", "Log", "Log1p", "Sign", "Floor", "Ceil", "Sqrt", "Cbrt", "Negate", "Coalesce", "FillNull", "Atan2", "Round", "Clip"),
    *("MaxHorizontal", "MinHorizontal", "SumHorizontal", "MeanHorizontal", "NullIf", "Hash"),
}
_CONDITIONS = {
    *("IsNull", "IsNotNull", "IsNan", "IsNotNan", "IsFinite", "IsInfinite", "IsIn", "IsBetween", "Not", "AnyHorizontal", "AllHorizontal"),
}
#: What differs from one moment or run to the next.
_RESTLESS = re.compile(
    r"\b(now|current_timestamp|current_date|current_time|localtime|localtimestamp|today|random|rand|uuid)\b", re.IGNORECASE
)
_QUOTED = re.compile(r"('(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")")


def _settled(given: Mapping[str, str]) -> dict[str, str]:
    return {name: settled(text) for name, text in given.items()}


def settled(text: str) -> str:
    """The expression with single spaces, what stands in quotes as it is."""
    parts = _QUOTED.split(text)
    return "".join(part if number % 2 else re.sub(r"\s+", " ", part) for number, part in enumerate(parts)).strip()


@frozen
class RowExpressions:
    """Columns made by SQL expressions, and a condition that rows must fulfil.

    Parameters
    ----------
    select
        Names of columns to expressions.
    where
        A condition; empty for all rows.
    place
        Named in errors.

    Raises
    ------
    DefinitionError
        An expression cannot be read, or looks at more than its row.
    """

    select: Mapping[str, str] = field(converter=_settled)
    where: str = field(converter=settled)
    place: str

    def __attrs_post_init__(self) -> None:
        for name, text in self._texts():
            try:
                _parsed(text)
            except ValueError as error:
                hint = "an expression looks at its own row alone; aggregates over time are features of a view"
                raise DefinitionError(f"{self.place}: {name} {text!r} {error}", hint=hint, field=name) from None

    def _texts(self) -> Iterator[tuple[str, str]]:
        yield from self.select.items()
        if self.where:
            yield "where", self.where

    def needs(self, used: Iterable[str]) -> tuple[str, ...]:
        """The columns of the table of which these columns are made."""
        names = [root for name in used for root in (_roots(self.select[name]) if name in self.select else (name,))]
        return tuple(dict.fromkeys([*names, *(_roots(self.where) if self.where else ())]))

    def of(self, rows: pa.Table, used: Iterable[str], schema: Schema) -> pa.Table:
        """These columns of the rows that fulfil the condition, in their order, in the types of the schema.

        Raises
        ------
        SchemaError
            A column is not there, or values do not fit their type.
        """
        wanted = list(dict.fromkeys(used))
        for name in self.needs(wanted):
            if name not in rows.column_names:
                hint = suggestion(name, rows.column_names)
                raise SchemaError(f"{self.place}: the table lacks the column {name!r}", hint=hint, field=name)
        kept = rows.filter(self._computed(rows, self.where).cast(pa.bool_())) if self.where else rows
        made = {name: _typed(self._computed(kept, self.select[name]), name, schema, self.place) for name in wanted if name in self.select}
        return pa.table({name: made[name] if name in made else kept[name] for name in wanted})

    def _computed(self, rows: pa.Table, text: str) -> pa.ChunkedArray:
        """What the expression makes of each row; a constant is repeated."""
        import polars as pl
        from polars import selectors

        expression = _parsed(text)
        frame = pl.from_arrow(_without_zones(rows.select(_roots(text) or rows.column_names[:1])))
        assert isinstance(frame, pl.DataFrame)
        try:
            wide = frame.with_columns(selectors.integer().cast(pl.Int128))  # so that what passes 64 bits is seen and does not wrap around
            column = wide.select(expression.alias("made")).to_series()
            column = column.cast(pl.Int64) if column.dtype == pl.Int128 else column
        except pl.exceptions.PolarsError as error:
            fault = str(error).partition("\n")[0]
            raise SchemaError(f"{self.place}: the expression {text!r} fails on the table's rows: {fault}") from error
        whole = column if len(column) == rows.num_rows else column.new_from_index(0, rows.num_rows)
        return whole.to_frame().to_arrow().column(0)


def _without_zones(rows: pa.Table) -> pa.Table:
    """Times as SQL writes them: without a zone, and of UTC as every time here."""
    kinds = [pa.timestamp(each.type.unit) if pa.types.is_timestamp(each.type) else each.type for each in rows.schema]
    return rows.cast(pa.schema([pa.field(each.name, kind) for each, kind in zip(rows.schema, kinds, strict=True)]))


def _typed(column: pa.ChunkedArray, name: str, schema: Schema, place: str) -> pa.ChunkedArray:
    """The column in its declared type, where no value changes by it."""
    wanted = arrow_schema(Schema((schema[name],))).field(0).type if name in schema else _own(column.type)
    if pa.types.is_timestamp(column.type) and column.type.tz is None:
        column = column.cast(pa.timestamp(column.type.unit, tz="UTC"))
    try:
        return column.cast(wanted)
    except pa.ArrowException as error:
        fault = str(error).partition("\n")[0]
        raise SchemaError(f"{place}: column {name!r} is {column.type} and does not fit {wanted}: {fault}", field=name) from error


def _own(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", tz="UTC")
    return pa.string() if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) else kind


@lru_cache(maxsize=4096)
def _parsed(text: str) -> "pl.Expr":
    """The expression; ValueError tells what is wrong with it."""
    import polars as pl

    restless = _RESTLESS.search(_QUOTED.sub("", text))
    if restless:
        raise ValueError(f"uses {restless[0]!r}, which is another at every reading")
    try:
        expression = pl.sql_expr(text)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"cannot be read: {error}") from None
    found = next(_strange(json.loads(expression.meta.serialize(format="json"))), None)
    if found:
        raise ValueError(f"is not row-wise: it uses {found}")
    return expression


def _roots(text: str) -> list[str]:
    return list(dict.fromkeys(_parsed(text).meta.root_names()))


def _strange(node: Any) -> Iterator[str]:
    """The parts of a parsed expression that are not known to look at one row."""
    form, inside = next(iter(node.items())) if isinstance(node, dict) else (node, {})
    if form not in _FORMS:
        yield str(form)
    elif form == "Function":
        yield from _strange_function(inside["function"])
        for each in inside["input"]:
            yield from _strange(each)
    elif form in ("BinaryExpr", "Ternary", "Cast"):
        for part in ("left", "right", "predicate", "truthy", "falsy", "expr"):
            if part in inside:
                yield from _strange(inside[part])


def _strange_function(function: Any) -> Iterator[str]:
    name, inside = next(iter(function.items())) if isinstance(function, dict) else (function, None)
    if name == "Boolean":
        name = next(iter(inside)) if isinstance(inside, dict) else inside
        if name not in _CONDITIONS:
            yield str(name)
    elif name not in _FAMILIES and name not in _FUNCTIONS:
        yield str(name)
