"""Features of a view: columns as of the moment, and aggregates over trailing windows."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Protocol

from intonaco.core.errors import DefinitionError
from intonaco.infra.compute.sketches import bits_for
from intonaco.infra.compute.timeline import default_hop, duration, duration_text
from intonaco.infra.features.defined.defaults import check_default
from intonaco.infra.features.defined.feature import EXACT, Feature

__all__ = [
    "Feature",
    "columns",
    "count",
    "distinct",
    "first",
    "last",
    "last_k",
    "maximum",
    "mean",
    "minimum",
    "quantile",
    "sum_",
    "variance",
    "windows",
]

Span = str | int | timedelta
_MOST_LISTED = 1024
_PRECISIONS = range(4, 17)


def columns(*names: str, default: Any = None, valid_for: Span | None = None) -> tuple[Feature, ...]:
    """The newest usable values of these columns."""
    limit = None if valid_for is None else duration(valid_for)
    return tuple(Feature(name, kind="column", column=name, default=default, valid_for_us=limit) for name in names)


def windows(
    kind: str,
    column: str,
    over: Span | Sequence[Span],
    *,
    hop: Span | None = None,
    exact: bool = False,
    name: str | None = None,
    resolution: float = 0.0,
    parameters: tuple[float, ...] = (),
    default: Any = None,
    valid_for: Span | None = None,
) -> tuple[Feature, ...]:
    """One feature of an aggregate (of `KINDS`) for each window; `parameters` as `Feature` has them."""
    spans = [over] if isinstance(over, str | int | timedelta) else list(over)
    if name is not None and len(spans) > 1:
        raise DefinitionError(f"one name {name!r} for {len(spans)} windows", hint="leave out the name, or call once for each", field=name)
    if exact and hop is not None:
        raise DefinitionError(f"{column!r}: a window that is exact on both ends has no hop", hint="leave out hop, or exact", field=column)
    shared: dict[str, Any] = {"kind": kind, "column": column, "resolution": resolution, "parameters": parameters, "default": default}
    shared["valid_for_us"] = None if valid_for is None else duration(valid_for)
    built = []
    for span in spans:
        over_us = duration(span)
        text = span.replace(" ", "") if isinstance(span, str) else duration_text(over_us)
        hop_us = EXACT if exact else default_hop(over_us) if hop is None else duration(hop)
        named = name or "_".join(part for part in (column, _word(kind, parameters), text) if part)
        built.append(Feature(named, over_us=over_us, hop_us=hop_us, **shared))
    return tuple(built)


def _word(kind: str, parameters: tuple[float, ...]) -> str:
    """The aggregate in a feature's name: `mean`, `last_5`, `p95`, `p99.9`."""
    if kind == "last_k":
        return f"last_{parameters[0]:.0f}"
    return f"p{100 * parameters[0]:.6g}" if kind == "quantile" else kind


def count(
    column: str = "",
    *,
    over: Span | Sequence[Span],
    hop: Span | None = None,
    exact: bool = False,
    name: str | None = None,
    default: Any = None,
    valid_for: Span | None = None,
) -> tuple[Feature, ...]:
    """How many events, or how many values of a column of any type, each window holds."""
    check_default(name or "count", "float64", default)
    return windows("count", column, over, hop=hop, exact=exact, name=name, resolution=1.0, default=default, valid_for=valid_for)


def distinct(
    column: str,
    *,
    over: Span | Sequence[Span],
    precision: int = 11,
    hop: Span | None = None,
    exact: bool = False,
    name: str | None = None,
    default: float | None = None,
    valid_for: Span | None = None,
) -> tuple[Feature, ...]:
    """How many different values of a column of any type each window holds, approximately; 0 where it holds none.

    Parameters
    ----------
    precision
        2^precision registers; the standard error is 1.04 / sqrt(2^precision): 2.3 % at 11, 0.8 % at 14.
    """
    if precision not in _PRECISIONS:
        raise DefinitionError(
            f"{column!r}: a precision is from 4 to 16, not {precision}", hint="11 errs by 2.3 %, 14 by 0.8 %", field=column
        )
    return windows("distinct", column, over, hop=hop, exact=exact, name=name, parameters=(precision,), default=default, valid_for=valid_for)


def quantile(
    column: str,
    q: float,
    *,
    over: Span | Sequence[Span],
    accuracy: float = 0.01,
    hop: Span | None = None,
    exact: bool = False,
    name: str | None = None,
    default: float | None = None,
    valid_for: Span | None = None,
) -> tuple[Feature, ...]:
    """The value that a share q of a column's values in each window does not pass, approximately; null where it holds none.

    Parameters
    ----------
    q
        From 0 to 1: 0.5 is the median. Of n sorted values that of rank floor(q (n - 1)), counted from 0, is meant.
    accuracy
        The greatest relative error of the value.
    """
    if not 0.0 <= q <= 1.0:
        raise DefinitionError(f"{column!r}: a quantile is of a share from 0 to 1, not {q}", hint="0.5 is the median", field=column)
    if not 2.0**-16 <= accuracy < 0.5:
        raise DefinitionError(
            f"{column!r}: an accuracy is from 2^-16 up to, but below, 0.5, not {accuracy}", hint="0.01 is within 1 %", field=column
        )
    parameters = (q, bits_for(accuracy))
    return windows("quantile", column, over, hop=hop, exact=exact, name=name, parameters=parameters, default=default, valid_for=valid_for)


def last_k(
    column: str,
    *,
    k: int,
    over: Span | Sequence[Span],
    hop: Span | None = None,
    exact: bool = False,
    name: str | None = None,
    valid_for: Span | None = None,
) -> tuple[Feature, ...]:
    """The latest k values of a column in each window, the newest first; fewer where it holds fewer, nulls left out."""
    if not 1 <= k <= _MOST_LISTED:
        raise DefinitionError(f"{column!r}: k is from 1 to {_MOST_LISTED}, not {k}", hint="k=5 keeps the five newest", field=column)
    return windows("last_k", column, over, hop=hop, exact=exact, name=name, parameters=(k,), valid_for=valid_for)


class Aggregate(Protocol):
    """Defines features of one aggregate."""

    def __call__(
        self,
        column: str,
        *,
        over: Span | Sequence[Span],
        hop: Span | None = None,
        exact: bool = False,
        name: str | None = None,
        resolution: float = 0.0,
        default: float | None = None,
        valid_for: Span | None = None,
    ) -> tuple[Feature, ...]:
        """One feature for each window.

        Parameters
        ----------
        over
            The window, or several: `"6h"`, `["3h", "7d"]`.
        hop
            To which the tails of windows are aligned; by default the coarsest that a window holds 24 of.
        exact
            The tail is exact to the microsecond, as the head is; costs a word for each event that a window holds.
        name
            By default column, aggregate and window: `gain_mean_6h`.
        resolution
            The step of fixed point in which floats are summed; 2^-20 of the column's unit by default.
        default
            Stands in where there is no value.
        valid_for
            The age past which the feature is expired, where it is less than its view's.
        """


def _aggregate(kind: str, doc: str) -> Aggregate:
    def build(
        column: str,
        *,
        over: Span | Sequence[Span],
        hop: Span | None = None,
        exact: bool = False,
        name: str | None = None,
        resolution: float = 0.0,
        default: float | None = None,
        valid_for: Span | None = None,
    ) -> tuple[Feature, ...]:
        given: dict[str, Any] = {"hop": hop, "exact": exact, "name": name, "resolution": resolution}
        return windows(kind, column, over, **given, default=default, valid_for=valid_for)

    build.__name__, build.__doc__ = kind, doc
    return build


mean = _aggregate("mean", "The mean of a column's values in each window; null where it holds none.")
sum_ = _aggregate("sum", "The sum of a column's values in each window; 0 where it holds none.")
variance = _aggregate("variance", "The mean square distance from the mean (of the population) in each window; null where it holds none.")
minimum = _aggregate("minimum", "The least of a column's values in each window; null where it holds none.")
maximum = _aggregate("maximum", "The greatest of a column's values in each window; null where it holds none.")
first = _aggregate("first", "The earliest value of a column in each window; null where it holds none.")
last = _aggregate("last", "The latest value of a column in each window; null where it holds none.")
