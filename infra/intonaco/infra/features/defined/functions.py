"""Request-time functions over columns: named here, so that a plan that uses them is data and holds no code."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from intonaco.core.columns import Columns, Ragged
from intonaco.core.errors import DefinitionError, NotRegisteredError, SchemaError
from intonaco.core.schema import suggestion
from intonaco.infra.features.defined.given import words
from intonaco.infra.features.defined.rowfunctions import FUNCTIONS, as_floats, function_named

__all__ = [
    "RequestFunction",
    "absolute",
    "apply",
    "bucket",
    "clip",
    "day_of_year",
    "difference",
    "equal",
    "haversine_km",
    "hour_of_day",
    "is_missing",
    "log1p",
    "minute_of_day",
    "product",
    "ratio",
    "weekday",
]

#: What to do about a function that is not given what it takes.
_SIGNATURES = "see the functions of the reference of definitions"
#: Names the moment of the row among a function's arguments.
AT = "at"
Floats = NDArray[np.float64]


def _numbers(given: Iterable[float]) -> tuple[float, ...]:
    return tuple(float(number) for number in given)


@frozen(kw_only=True)
class RequestFunction:
    """A feature computed when it is asked for, from request columns, features, or the moment itself (`at`).

    Parameters
    ----------
    function
        The name of one of infra's functions, or of one that a plugin offers.
    arguments
        Columns that it takes.
    parameters
        Numbers that it takes behind them.
    """

    name: str
    function: str
    arguments: tuple[str, ...] = field(converter=words)
    parameters: tuple[float, ...] = field(default=(), converter=_numbers)
    description: str = ""

    def __attrs_post_init__(self) -> None:
        try:
            found = function_named(self.function)
        except NotRegisteredError as error:
            hint = suggestion(self.function, FUNCTIONS)
            raise DefinitionError(f"no request-time function {self.function!r}", hint=hint, field=self.name) from error
        if len(self.arguments) != found.columns:
            raise DefinitionError(
                f"{self.function!r} takes {found.columns} columns, not {len(self.arguments)}", hint=_SIGNATURES, field=self.name
            )
        wanted = "one or more" if found.parameters < 0 else str(found.parameters)
        if len(self.parameters) != found.parameters and not (found.parameters < 0 and self.parameters):
            raise DefinitionError(
                f"{self.function!r} takes {wanted} parameters, not {len(self.parameters)}", hint=_SIGNATURES, field=self.name
            )
        try:
            if found.check is not None:
                found.check(*self.parameters)
        except ValueError as error:
            raise DefinitionError(f"{self.function!r}: {error}", hint=_SIGNATURES, field=self.name) from None


def apply(function: RequestFunction, columns: Columns, at_us: NDArray[np.int64]) -> Floats:
    """The function's column; NaN where it has no value."""
    found = function_named(function.function)
    arguments = [_argument(name, columns, at_us, found.exact) for name in function.arguments]
    return found.compute(*arguments, *function.parameters)


def _argument(name: str, columns: Columns, at_us: NDArray[np.int64], exact: bool) -> Any:
    if name == AT:
        return at_us.view("datetime64[us]") if exact else at_us.astype(np.float64)
    if not exact:
        return as_floats(columns[name], name)
    if isinstance(columns[name], Ragged):
        raise SchemaError(f"column {name!r} holds several values a row", field=name)
    return columns[name]


def _build(function: str, name: str | None, *arguments: str, parameters: Iterable[float] = ()) -> RequestFunction:
    called = name or "_".join((function, *(a for a in arguments if a != AT)))
    return RequestFunction(name=called, function=function, arguments=arguments, parameters=tuple(parameters))


def minute_of_day(column: str = AT, *, name: str | None = None) -> RequestFunction:
    """Minutes since midnight UTC, 0 to 1439."""
    return _build("minute_of_day", name, column)


def hour_of_day(column: str = AT, *, name: str | None = None) -> RequestFunction:
    """The hour in UTC, 0 to 23."""
    return _build("hour_of_day", name, column)


def weekday(column: str = AT, *, name: str | None = None) -> RequestFunction:
    """The day of the week in UTC, Monday 0 to Sunday 6."""
    return _build("weekday", name, column)


def day_of_year(column: str = AT, *, name: str | None = None) -> RequestFunction:
    """The day of the year in UTC, from 1."""
    return _build("day_of_year", name, column)


def difference(left: str, right: str, *, name: str | None = None) -> RequestFunction:
    """Left minus right; microseconds between times."""
    return _build("difference", name, left, right)


def product(left: str, right: str, *, name: str | None = None) -> RequestFunction:
    """Left times right."""
    return _build("product", name, left, right)


def ratio(over: str, under: str, *, name: str | None = None) -> RequestFunction:
    """One column over another; missing where the other is 0."""
    return _build("ratio", name, over, under)


def absolute(column: str, *, name: str | None = None) -> RequestFunction:
    """The column without its sign."""
    return _build("absolute", name, column)


def log1p(column: str, *, name: str | None = None) -> RequestFunction:
    """The natural logarithm of 1 + the column; missing where that is not positive."""
    return _build("log1p", name, column)


def clip(column: str, least: float, greatest: float, *, name: str | None = None) -> RequestFunction:
    """The column, no less and no more than these."""
    return _build("clip", name, column, parameters=(least, greatest))


def bucket(column: str, edges: Iterable[float], *, name: str | None = None) -> RequestFunction:
    """How many of the rising edges lie at or below the value: 0 before the first."""
    return _build("bucket", name, column, parameters=edges)


def equal(left: str, right: str, *, name: str | None = None) -> RequestFunction:
    """1 where two columns of any one type hold the same, 0 where they do not; missing where one is."""
    return _build("equal", name, left, right)


def is_missing(column: str, *, name: str | None = None) -> RequestFunction:
    """1 where the column has no value, else 0."""
    return _build("is_missing", name, column)


def haversine_km(lat: str, lon: str, other_lat: str, other_lon: str, *, name: str | None = None) -> RequestFunction:
    """Kilometres between two places in degrees on a sphere; missing where a latitude is beyond 90."""
    return _build("haversine_km", name, lat, lon, other_lat, other_lon)
