"""Named functions of columns, each row by itself: what request-time features are computed with, online and in batches alike.

A plan names its functions, so it is data and holds no code. Infra's own stand here; plugins offer others through the hook
`request_functions`.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from intonaco.core.columns import Column, Masked, Ragged, present
from intonaco.core.errors import PluginError, SchemaError
from intonaco.core.plugins import Plugins

__all__ = ["FUNCTIONS", "RowFunction", "as_floats", "function_named"]

Floats = NDArray[np.float64]

_MINUTE, _HOUR, _DAY = 60_000_000, 3_600_000_000, 86_400_000_000
_EARTH_KM = 6371.0088


@frozen(kw_only=True)
class RowFunction:
    """A function of columns that gives one number for each row.

    Parameters
    ----------
    compute
        Takes the columns, shape (rows,), then the parameters; gives float64 of shape (rows,), NaN where there is no value. A row's
        result depends on that row alone, and is the same to the bit whatever other rows are computed with it.
    columns
        How many columns it takes.
    parameters
        How many numbers it takes; -1 for one or more.
    exact
        Whether columns come as they are; else as float64, NaN where missing, times in microseconds.
    check
        Raises ValueError for parameters that cannot be used.
    """

    compute: Callable[..., Floats] = field(eq=False)
    columns: int
    parameters: int = 0
    exact: bool = False
    check: Callable[..., None] | None = field(default=None, eq=False)


def as_floats(column: Column, name: str) -> Floats:
    """A numeric or time column as float64, NaN where it is missing."""
    values: Any = column.values if isinstance(column, Masked | Ragged) else column
    if not isinstance(column, Ragged) and len(values) and isinstance(values[0], Decimal):
        values = values.astype(np.float64)
    if isinstance(column, Ragged) or values.ndim != 1 or values.dtype.kind not in "biufM":
        raise SchemaError(f"column {name!r} is {values.dtype}, expected numbers or times", field=name)
    floats = (values.astype("datetime64[us]").astype(np.int64) if values.dtype.kind == "M" else values).astype(np.float64)
    return np.where(column.missing, np.nan, floats) if isinstance(column, Masked) else floats


def _ratio(over: Floats, under: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.where(under == 0, np.nan, over / under)


def _day_of_year(at: Floats) -> Floats:
    days = np.floor(np.where(np.isnan(at), 0, at) / _DAY).astype("int64").astype("datetime64[D]")
    return np.where(np.isnan(at), np.nan, (days - days.astype("datetime64[Y]")).astype(np.float64) + 1)


def _log1p(column: Floats) -> Floats:
    return np.log1p(np.where(column > -1, column, np.nan))


def _haversine_km(lat: Floats, lon: Floats, other_lat: Floats, other_lon: Floats) -> Floats:
    """Sinnott, "Virtues of the Haversine", Sky and Telescope 68(2), 1984; the Earth a sphere of its mean radius."""
    fine = (np.abs(lat) <= 90) & (np.abs(other_lat) <= 90) & (np.abs(lon) <= 360) & (np.abs(other_lon) <= 360)
    first, second, turn = (np.radians(np.where(fine, each, np.nan)) for each in (lat, other_lat, other_lon - lon))
    half = np.sin((second - first) / 2) ** 2 + np.cos(first) * np.cos(second) * np.sin(turn / 2) ** 2
    distance: Floats = 2 * _EARTH_KM * np.arcsin(np.sqrt(np.minimum(half, 1.0)))
    return distance


def _equal(left: Column, right: Column) -> Floats:
    one, other = (column.values if isinstance(column, Masked) else column for column in (left, right))
    if isinstance(one, Ragged) or isinstance(other, Ragged):
        raise SchemaError("columns of several values a row cannot be compared")
    same = np.asarray(one == other)
    if same.shape != (len(one),):
        raise SchemaError(f"columns of {one.dtype} and {other.dtype} cannot be compared")
    return np.where(present(left) & present(right), same.astype(np.float64), np.nan)


def _is_missing(column: Column) -> Floats:
    return (~present(column)).astype(np.float64)


def _clip(column: Floats, least: float, greatest: float) -> Floats:
    return np.clip(column, least, greatest)


def _ordered(least: float, greatest: float) -> None:
    if not least <= greatest:
        raise ValueError(f"the least, {least}, is more than the greatest, {greatest}")


def _bucket(column: Floats, *edges: float) -> Floats:
    return np.where(np.isnan(column), np.nan, np.searchsorted(np.array(edges), column, side="right").astype(np.float64))


def _rising(*edges: float) -> None:
    if not all(before < after for before, after in pairwise(edges)):
        raise ValueError(f"edges must rise: {edges}")


MINUTE_OF_DAY = RowFunction(compute=lambda at: np.floor(at / _MINUTE) % 1440, columns=1)
HOUR_OF_DAY = RowFunction(compute=lambda at: np.floor(at / _HOUR) % 24, columns=1)
WEEKDAY = RowFunction(compute=lambda at: (np.floor(at / _DAY) + 3) % 7, columns=1)
DAY_OF_YEAR = RowFunction(compute=_day_of_year, columns=1)
DIFFERENCE = RowFunction(compute=lambda left, right: left - right, columns=2)
PRODUCT = RowFunction(compute=lambda left, right: left * right, columns=2)
RATIO = RowFunction(compute=_ratio, columns=2)
ABSOLUTE = RowFunction(compute=np.abs, columns=1)
LOG1P = RowFunction(compute=_log1p, columns=1)
CLIP = RowFunction(compute=_clip, columns=1, parameters=2, check=_ordered)
BUCKET = RowFunction(compute=_bucket, columns=1, parameters=-1, check=_rising)
EQUAL = RowFunction(compute=_equal, columns=2, exact=True)
IS_MISSING = RowFunction(compute=_is_missing, columns=1, exact=True)
HAVERSINE_KM = RowFunction(compute=_haversine_km, columns=4)

#: Infra's own functions by name.
FUNCTIONS: Mapping[str, RowFunction] = {
    "minute_of_day": MINUTE_OF_DAY,
    "hour_of_day": HOUR_OF_DAY,
    "weekday": WEEKDAY,
    "day_of_year": DAY_OF_YEAR,
    "difference": DIFFERENCE,
    "product": PRODUCT,
    "ratio": RATIO,
    "absolute": ABSOLUTE,
    "log1p": LOG1P,
    "clip": CLIP,
    "bucket": BUCKET,
    "equal": EQUAL,
    "is_missing": IS_MISSING,
    "haversine_km": HAVERSINE_KM,
}


def function_named(name: str, plugins: Plugins | None = None) -> RowFunction:
    """The function of a name: infra's own, or one that a plugin offers.

    Raises
    ------
    NotRegisteredError
        There is none; the message lists those that are.
    PluginError
        What is offered cannot be imported, or is no `RowFunction`.
    """
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    return _offered(name) if plugins is None else _loaded(plugins, name)


@lru_cache(maxsize=1024)
def _offered(name: str) -> RowFunction:
    return _loaded(Plugins.discover(), name)


def _loaded(plugins: Plugins, name: str) -> RowFunction:
    found = plugins.load("request_functions", name, "request-time function")
    if not isinstance(found, RowFunction):
        raise PluginError(f"the request-time function {name!r} is a {type(found).__name__}, not a RowFunction", field=name)
    return found
