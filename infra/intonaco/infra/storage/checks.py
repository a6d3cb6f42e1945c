"""Quality checks: what must hold for rows before they are committed."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import field, frozen

from intonaco.core.errors import InvalidError, QualityError, SchemaError
from intonaco.core.schema import suggestion
from intonaco.infra.storage.arrowtypes import is_private, schema_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "KINDS",
    "Check",
    "HasType",
    "InRange",
    "Matches",
    "NotNull",
    "OneOf",
    "Unique",
    "check_from_json",
    "check_to_json",
    "column_of",
    "require",
    "tried",
    "violated",
]

Value = str | int | bool
Bound = int | float | str | None


class Check(ABC):
    """One thing that must hold for the rows of a write."""

    __slots__ = ()

    @abstractmethod
    def violations(self, data: pa.Table) -> "NDArray[np.bool_]":
        """True for each row that violates the check; shape (rows,), bool."""

    @property
    def alone(self) -> bool:
        """Whether each row is judged by itself, whatever stands beside it."""
        return True

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that it looks at, as far as its fields `column` and `columns` say."""
        return (*getattr(self, "columns", ()), *((self.column,) if hasattr(self, "column") else ()))

    def as_of(self, at_us: int) -> Self:
        """The check at a moment, int64 microseconds since 1970; most are the same at all times."""
        return self

    def measured(self, data: pa.Table, bad: "NDArray[np.bool_]") -> float:
        """How far the rows are from what is expected, as the number that the check compares; by default the share of bad rows."""
        return float(bad.mean()) if len(bad) else 0.0

    def plain(self) -> dict[str, Any]:
        """What makes the check anew, as plain values."""
        kind: Any = type(self)
        fields = {each.name: getattr(self, each.name) for each in attrs.fields(kind)}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in fields.items()}


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _values(given: Iterable[Value]) -> tuple[Value, ...]:
    return tuple(given)


def _bound(given: Bound | datetime) -> Bound:
    return given.isoformat() if isinstance(given, datetime) else given


@frozen
class NotNull(Check):
    """Every value is there; NaN is not one.

    Parameters
    ----------
    share
        So great a share of the rows of a write may lack a value; above it, all that do are bad.
    """

    columns: tuple[str, ...] = field(converter=_names)
    share: float = 0.0

    @property
    def alone(self) -> bool:
        return not self.share

    def violations(self, data: pa.Table) -> "NDArray[np.bool_]":
        bad = self._absent(data)
        return bad if self.measured(data, bad) > self.share else np.zeros(data.num_rows, np.bool_)

    def measured(self, data: pa.Table, bad: "NDArray[np.bool_]") -> float:
        absent = self._absent(data)
        return float(absent.mean()) if len(absent) else 0.0

    def _absent(self, data: pa.Table) -> "NDArray[np.bool_]":
        found = [_flags(column_of(data, name).is_null(nan_is_null=True)) for name in self.columns]
        return np.logical_or.reduce(found) if found else np.zeros(data.num_rows, np.bool_)


@frozen
class HasType(Check):
    """A column has the type of this name: `float64`, `str`, `timestamp`; if not, every row is bad."""

    column: str
    dtype: str

    @property
    def alone(self) -> bool:
        return False

    def violations(self, data: pa.Table) -> "NDArray[np.bool_]":
        column_of(data, self.column)
        given = schema_of(data.select([self.column]))[self.column]
        return np.full(data.num_rows, given.dtype != self.dtype or bool(given.shape))


@frozen
class InRange(Check):
    """Every value lies between `low` and `high`, both included; a missing one passes. Bounds of a time are ISO text with a zone."""

    column: str
    low: Bound = field(default=None, converter=_bound)
    high: Bound = field(default=None, converter=_bound)

    def violations(self, data: pa.Table) -> "NDArray[np.bool_]":
        values = column_of(data, self.column)
        below = _flags(pc.less(values, _like(self.low, values))) if self.low is not None else False
        above = _flags(pc.greater(values, _like(self.high, values))) if self.high is not None else False
        return np.zeros(data.num_rows, np.bool_) | below | above


@frozen
class OneOf(Check):
    """Every value is one of these; a missing one passes."""

    column: str
    values: tuple[Value, ...] = field(converter=_values)

    def violations(self, data: pa.Table) -> "NDArray[np.bool_]":
        held = column_of(data, self.column)
        known = pc.is_in(held, value_set=pa.array(self.values, held.type))
        return _flags(pc.and_(pc.invert(known), held.is_valid()))


@frozen
class Unique(Check):
    """No two rows of a write have the same values in these columns; the first of them is not counted."""

    columns: tuple[str, ...] = field(converter=_names)

    @property
    def alone(self) -> bool:
        return False

    def violations(self, data: pa.Table) -> "NDArray[np.bool_]":
        keys = pa.table({str(index): column_of(data, name) for index, name in enumerate(self.columns)})
        numbered = keys.append_column("row", pa.array(np.arange(data.num_rows)))
        first = numbered.group_by(keys.column_names).aggregate([("row", "min")])["row_min"].to_numpy()
        found = np.ones(data.num_rows, np.bool_)
        found[first] = False
        return found


@frozen
class Matches(Check):
    """Every text matches the regular expression (RE2) as a whole; a missing one passes."""

    column: str
    pattern: str

    def violations(self, data: pa.Table) -> "NDArray[np.bool_]":
        return _flags(pc.invert(pc.match_substring_regex(column_of(data, self.column), f"^(?:{self.pattern})$")))


#: The checks of this module, by the names under which they are recorded.
KINDS: Mapping[str, type[Check]] = {kind.__name__: kind for kind in (NotNull, HasType, InRange, OneOf, Unique, Matches)}


def check_to_json(check: Check, kinds: Mapping[str, type[Check]] = KINDS) -> dict[str, Any]:
    """Plain values that `check_from_json` reads; InvalidError for a check that is not one of these kinds."""
    if kinds.get(type(check).__name__) is not type(check):
        raise InvalidError(f"{check} cannot be recorded", hint=f"known: {', '.join(kinds)}")
    return {"check": type(check).__name__, **check.plain()}


def check_from_json(stored: Mapping[str, Any], kinds: Mapping[str, type[Check]] = KINDS) -> Check:
    """Read what `check_to_json` wrote."""
    name = stored.get("check", "")
    if name not in kinds:
        raise InvalidError(f"unknown check {name!r}", hint=suggestion(str(name), kinds), field="check")
    try:
        kind: type[Check] = kinds[name]
        return kind(**{key: value for key, value in stored.items() if key != "check"})
    except TypeError as error:
        raise InvalidError(f"the check {name} cannot be read: {error}", field=name) from error


def require(table: str, data: pa.Table, checks: Sequence[Check]) -> None:
    """Raise QualityError for the first check that rows violate; SchemaError for one that these columns cannot be held to."""
    for check in checks:
        bad = tried(check, data, table)
        if bad.any():
            raise QualityError(violated(table, data, check, bad), hint="mend the rows or the check; nothing was written")


def tried(check: Check, data: pa.Table, table: str) -> "NDArray[np.bool_]":
    """The rows that violate a check; SchemaError if these columns cannot be held to it."""
    try:
        return check.violations(data)
    except pa.ArrowException as error:
        raise SchemaError(f"{check} cannot be tried on {table}: {error}") from error


def violated(table: str, data: pa.Table, check: Check, bad: "NDArray[np.bool_]", hidden: Collection[str] = ()) -> str:
    """How many rows violate a check, and the first of them, without personal data and what these columns hold."""
    first = int(bad.argmax())
    row = {
        each.name: "***" if is_private(each) or each.name in hidden else data[each.name][first].as_py() for each in list(data.schema)[:8]
    }
    return f"{int(bad.sum())} of {len(bad)} rows for {table} violate {check}; the first is row {first}: {row}"


def column_of(data: pa.Table, name: str) -> pa.ChunkedArray:
    """The column, its categories as text."""
    if name not in data.column_names:
        raise SchemaError(f"a check names the column {name!r}, which the rows lack", hint=suggestion(name, data.column_names), field=name)
    column = data[name]
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _like(bound: Bound, values: pa.ChunkedArray) -> pa.Scalar:
    return pa.scalar(bound).cast(values.type) if pa.types.is_timestamp(values.type) else pa.scalar(bound)


def _flags(found: pa.ChunkedArray) -> "NDArray[np.bool_]":
    """As an array; null is False."""
    return np.asarray(found.fill_null(False).to_numpy(), dtype=np.bool_)
