"""Features of a view: columns as of the moment, and aggregates over trailing windows."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Protocol

from attrs import evolve, field, frozen

from intonaco.core.errors import DefinitionError
from intonaco.core.fields import decimal_digits
from intonaco.core.schema import suggestion
from intonaco.infra.compute.measures import DEFAULT_RESOLUTION, KINDS, WHOLE_KINDS
from intonaco.infra.compute.sketches import bits_for
from intonaco.infra.compute.timeline import default_hop, duration, duration_text

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
#: The ratio of a window's longest to its hop: more hops than this are kept and read for each entity.
_MOST_HOPS = 10_000
#: The hop of a window that is exact on both ends: each moment is a hop of its own.
_EXACT = 1
_MOST_LISTED = 1024
#: Of the largest integer of 64 bits: a sum of decimals has at most so many.
_DIGITS = 19
_PRECISIONS = range(4, 17)
_OF_ANY_TYPE = ("count", "distinct")


@frozen(kw_only=True)
class Feature:
    """One feature of a view.

    Parameters
    ----------
    kind
        `column`, or an aggregate of `KINDS`.
    column
        Of the source; empty for a count of events.
    dtype
        Of the value; filled in by the view. Of aggregates float64, but the sum, minimum, maximum, first, last and last k of
        whole numbers are int64, and of decimals decimals.
    over_us, hop_us
        The window and the hop to which its tail is aligned; 0 for a column. A hop of 1 us makes the tail exact too.
    resolution
        What one whole number in sums is worth: for floats the step of fixed point, for decimals 10^-scale, else 1.
    parameters
        `(k,)` of `last_k`, `(precision,)` of `distinct`, `(q, bits)` of `quantile`.
    default
        What stands in where there is no value; None lets the model see that it is missing.
    valid_for_us
        The age past which this feature is expired, where it is less than its view's.
    """

    name: str = field(kw_only=False)
    kind: str
    column: str = ""
    dtype: str = "float64"
    source_dtype: str = ""
    over_us: int = 0
    hop_us: int = 0
    resolution: float = 0.0
    parameters: tuple[float, ...] = ()
    default: Any = None
    valid_for_us: int | None = None
    description: str = ""
    tags: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        if self.kind == "column":
            return
        if self.kind not in KINDS:
            raise DefinitionError(f"feature {self.name!r}: there is no aggregate {self.kind!r}", hint=suggestion(self.kind, KINDS))
        if not 0 < self.hop_us <= self.over_us:
            window, hop = duration_text(self.over_us), duration_text(self.hop_us)
            raise DefinitionError(f"feature {self.name!r}: the window of {window} is shorter than its hop of {hop}", field=self.name)
        if self.hop_us != _EXACT and self.over_us // self.hop_us > _MOST_HOPS:
            raise DefinitionError(f"feature {self.name!r} keeps more than {_MOST_HOPS} hops", hint="use a longer hop", field=self.name)
        if self.resolution < 0:
            raise DefinitionError(f"feature {self.name!r}: a resolution is positive, not {self.resolution}", field=self.name)
        if self.kind == "last_k" and self.default is not None:
            raise DefinitionError(f"feature {self.name!r}: a list has no default; without values it is empty", field=self.name)

    @property
    def floats(self) -> bool:
        """Whether the source column holds floats."""
        return self.source_dtype.startswith("float")

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one value: `(-1,)` of a list, else `()`."""
        return (-1,) if self.kind == "last_k" else ()

    def of_type(self, dtype: str) -> "Feature":
        """The feature of a source column of this type; DefinitionError if it cannot be aggregated."""
        if self.kind == "column":
            return evolve(self, dtype=dtype, source_dtype=dtype)
        if self.kind not in _OF_ANY_TYPE and not dtype.startswith(("int", "uint", "float", "bool", "decimal")):
            raise DefinitionError(f"feature {self.name!r}: there is no {self.kind} of {self.column!r}, which is {dtype}", field=self.name)
        return evolve(self, source_dtype=dtype, dtype=self._answered(dtype), resolution=self._step(dtype))

    def _answered(self, dtype: str) -> str:
        if self.kind not in WHOLE_KINDS or dtype.startswith("float"):
            return "float64"
        digits = decimal_digits(dtype)
        if digits is None:
            return "int64"
        return f"decimal({max(digits[0], _DIGITS)},{digits[1]})" if self.kind == "sum" else dtype

    def _step(self, dtype: str) -> float:
        if dtype.startswith("float"):
            return self.resolution or DEFAULT_RESOLUTION
        if self.resolution not in (0.0, 1.0, _unit(dtype)):
            hint = "leave out the resolution"
            raise DefinitionError(f"feature {self.name!r}: {self.column!r} is {dtype}, which is summed exactly", hint=hint, field=self.name)
        return _unit(dtype)

    def meaning(self) -> dict[str, Any]:
        """What decides the value; names, defaults and descriptions left out."""
        plain = {name: getattr(self, name) for name in ("kind", "column", "source_dtype", "over_us", "hop_us", "resolution")}
        return plain | ({"parameters": self.parameters} if self.parameters else {})


def _unit(dtype: str) -> float:
    """What one whole number of a column of this type is worth."""
    digits = decimal_digits(dtype)
    return 1.0 if digits is None else 10.0 ** -digits[1]


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
        hop_us = _EXACT if exact else default_hop(over_us) if hop is None else duration(hop)
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
        raise DefinitionError(f"{column!r}: a precision is from 4 to 16, not {precision}", field=column)
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
        raise DefinitionError(f"{column!r}: a quantile is of a share from 0 to 1, not {q}", field=column)
    if not 2.0**-16 <= accuracy < 0.5:
        raise DefinitionError(f"{column!r}: an accuracy is from 2^-16 to 0.5, not {accuracy}", field=column)
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
        raise DefinitionError(f"{column!r}: k is from 1 to {_MOST_LISTED}, not {k}", field=column)
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
