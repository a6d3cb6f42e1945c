"""Quality checks: what must hold for rows before they are committed."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import field, frozen

from intonaco.core.errors import InvalidError, QualityError, SchemaError
from intonaco.core.schema import suggestion
from intonaco.infra.storage.arrowtypes import is_private

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Check", "InRange", "Matches", "NotNull", "OneOf", "Unique", "check_from_json", "check_to_json", "require"]

Value = str | int | bool
Bound = int | float | str | None


class Check(ABC):
    """One thing that must hold for every row of a write."""

    __slots__ = ()

    @abstractmethod
    def violations(self, data: pa.Table) -> "NDArray[np.bool_]":
        """True for each row that violates the check; shape (rows,), bool."""


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _values(given: Iterable[Value]) -> tuple[Value, ...]:
    return tuple(given)


def _bound(given: Bound | datetime) -> Bound:
    return given.isoformat() if isinstance(given, datetime) else given


@frozen
class NotNull(Check):
    """Every value is there; NaN is not one."""

    columns: tuple[str, ...] = field(converter=_names)

    def violations(self, data: pa.Table) -> "NDArray[np.bool_]":
        found = [_flags(_column(data, name).is_null(nan_is_null=True)) for name in self.columns]
        return np.logical_or.reduce(found) if found else np.zeros(data.num_rows, np.bool_)


@frozen
class InRange(Check):
    """Every value lies between `low` and `high`, both included; a missing one passes. Bounds of a time are ISO text with a zone."""

    column: str
    low: Bound = field(default=None, converter=_bound)
    high: Bound = field(default=None, converter=_bound)

    def violations(self, data: pa.Table) -> "NDArray[np.bool_]":
        values = _column(data, self.column)
        below = _flags(pc.less(values, _like(self.low, values))) if self.low is not None else False
        above = _flags(pc.greater(values, _like(self.high, values))) if self.high is not None else False
        return np.zeros(data.num_rows, np.bool_) | below | above


@frozen
class OneOf(Check):
    """Every value is one of these; a missing one passes."""

    column: str
    values: tuple[Value, ...] = field(converter=_values)

    def violations(self, data: pa.Table) -> "NDArray[np.bool_]":
        held = _column(data, self.column)
        known = pc.is_in(held, value_set=pa.array(self.values, held.type))
        return _flags(pc.and_(pc.invert(known), held.is_valid()))


@frozen
class Unique(Check):
    """No two rows of a write have the same values in these columns; the first of them is not counted."""

    columns: tuple[str, ...] = field(converter=_names)

    def violations(self, data: pa.Table) -> "NDArray[np.bool_]":
        keys = pa.table({str(index): _column(data, name) for index, name in enumerate(self.columns)})
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
        return _flags(pc.invert(pc.match_substring_regex(_column(data, self.column), f"^(?:{self.pattern})$")))


_KINDS: dict[str, Any] = {kind.__name__: kind for kind in (NotNull, InRange, OneOf, Unique, Matches)}


def check_to_json(check: Check) -> dict[str, Any]:
    """Plain values that `check_from_json` reads; InvalidError for a check that is not one of this module's."""
    if _KINDS.get(type(check).__name__) is not type(check):
        raise InvalidError(f"{check} cannot be recorded", hint=f"known: {', '.join(_KINDS)}")
    fields = {each.name: getattr(check, each.name) for each in attrs.fields(_KINDS[type(check).__name__])}
    return {"check": type(check).__name__, **{key: list(value) if isinstance(value, tuple) else value for key, value in fields.items()}}


def check_from_json(stored: Mapping[str, Any]) -> Check:
    """Read what `check_to_json` wrote."""
    name = stored.get("check", "")
    if name not in _KINDS:
        raise InvalidError(f"unknown check {name!r}", hint=suggestion(str(name), _KINDS), field="check")
    try:
        kind: type[Check] = _KINDS[name]
        return kind(**{key: value for key, value in stored.items() if key != "check"})
    except TypeError as error:
        raise InvalidError(f"the check {name} cannot be read: {error}", field=name) from error


def require(table: str, data: pa.Table, checks: Sequence[Check]) -> None:
    """Raise QualityError for the first check that rows violate; SchemaError for one that these columns cannot be held to."""
    for check in checks:
        try:
            bad = check.violations(data)
        except pa.ArrowException as error:
            raise SchemaError(f"{check} cannot be tried on {table}: {error}") from error
        if bad.any():
            raise _violated(table, data, check, bad)


def _violated(table: str, data: pa.Table, check: Check, bad: "NDArray[np.bool_]") -> QualityError:
    first = int(bad.argmax())
    row = {each.name: "***" if is_private(each) else data[each.name][first].as_py() for each in list(data.schema)[:8]}
    message = f"{int(bad.sum())} of {len(bad)} rows for {table} violate {check}; the first is row {first}: {row}"
    return QualityError(message, hint="mend the rows or the check; nothing was written")


def _column(data: pa.Table, name: str) -> pa.ChunkedArray:
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
