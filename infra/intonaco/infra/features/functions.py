"""Request-time functions over columns: named here, so that a plan that uses them is data and holds no code."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from intonaco.core.columns import Column, Columns, Masked, Ragged
from intonaco.core.errors import DefinitionError, SchemaError
from intonaco.core.schema import suggestion

__all__ = ["FUNCTIONS", "RequestFunction", "apply", "day_of_year", "difference", "hour_of_day", "minute_of_day", "ratio", "weekday"]

#: Names the moment of the row among a function's arguments.
AT = "at"
Floats = NDArray[np.float64]

_MINUTE, _HOUR, _DAY = 60_000_000, 3_600_000_000, 86_400_000_000


def _ratio(over: Floats, under: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(under == 0, np.nan, over / under)


#: Functions by name: how many columns each takes, and what it makes of them. Times come as microseconds; all give float64.
FUNCTIONS: Mapping[str, tuple[int, Callable[..., Floats]]] = {
    "minute_of_day": (1, lambda at: np.floor(at / _MINUTE) % 1440),
    "hour_of_day": (1, lambda at: np.floor(at / _HOUR) % 24),
    "weekday": (1, lambda at: (np.floor(at / _DAY) + 3) % 7),
    "day_of_year": (1, lambda at: _day_of_year(at)),
    "difference": (2, lambda left, right: left - right),
    "ratio": (2, _ratio),
}


@frozen(kw_only=True)
class RequestFunction:
    """A feature computed when it is asked for, from request columns, features, or the moment itself (`at`)."""

    name: str
    function: str
    arguments: tuple[str, ...]
    description: str = ""

    def __attrs_post_init__(self) -> None:
        if self.function not in FUNCTIONS:
            raise DefinitionError(f"no request-time function {self.function!r}", hint=suggestion(self.function, FUNCTIONS), field=self.name)
        wanted = FUNCTIONS[self.function][0]
        if len(self.arguments) != wanted:
            raise DefinitionError(f"{self.function!r} takes {wanted} columns, not {len(self.arguments)}", field=self.name)


def apply(function: RequestFunction, columns: Columns, at_us: NDArray[np.int64]) -> Floats:
    """The function's column; NaN where an argument is missing."""
    arguments = [_floats(name, columns, at_us) for name in function.arguments]
    return FUNCTIONS[function.function][1](*arguments)


def _floats(name: str, columns: Columns, at_us: NDArray[np.int64]) -> Floats:
    return at_us.astype(np.float64) if name == AT else as_floats(columns[name], name)


def as_floats(column: Column, name: str) -> Floats:
    """A numeric or time column as float64, NaN where it is missing."""
    values: Any = column.values if isinstance(column, Masked | Ragged) else column
    if isinstance(column, Ragged) or values.ndim != 1 or values.dtype.kind not in "biufM":
        raise SchemaError(f"column {name!r} is {values.dtype}, expected numbers or times", field=name)
    floats = (values.astype("datetime64[us]").astype(np.int64) if values.dtype.kind == "M" else values).astype(np.float64)
    return np.where(column.missing, np.nan, floats) if isinstance(column, Masked) else floats


def _day_of_year(at: Floats) -> Floats:
    days = np.floor(np.where(np.isnan(at), 0, at) / _DAY).astype("int64").astype("datetime64[D]")
    return np.where(np.isnan(at), np.nan, (days - days.astype("datetime64[Y]")).astype(np.float64) + 1)


def _build(function: str, name: str | None, *arguments: str) -> RequestFunction:
    return RequestFunction(name=name or "_".join((function, *(a for a in arguments if a != AT))), function=function, arguments=arguments)


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


def ratio(over: str, under: str, *, name: str | None = None) -> RequestFunction:
    """One column over another; missing where the other is 0."""
    return _build("ratio", name, over, under)
