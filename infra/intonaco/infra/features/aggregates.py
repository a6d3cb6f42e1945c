"""Features of a view: columns as of the moment, and aggregates over trailing windows."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Protocol

from attrs import evolve, field, frozen

from intonaco.core.errors import DefinitionError
from intonaco.core.schema import suggestion
from intonaco.infra.compute.algebra import DEFAULT_RESOLUTION, KINDS
from intonaco.infra.compute.timeline import default_hop, duration, duration_text

__all__ = ["Feature", "columns", "count", "first", "last", "maximum", "mean", "minimum", "sum_", "variance", "windows"]

Span = str | int | timedelta
#: The ratio of a window's longest to its hop: more hops than this are kept and read for each entity.
_MOST_HOPS = 10_000


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
        Of the value; filled in by the view. Aggregates are float64.
    over_us, hop_us
        The window and the hop to which its tail is aligned; 0 for a column.
    resolution
        The step of fixed point in which a float enters sums.
    default
        What stands in where there is no value; None lets the model see that it is missing.
    """

    name: str = field(kw_only=False)
    kind: str
    column: str = ""
    dtype: str = "float64"
    source_dtype: str = ""
    over_us: int = 0
    hop_us: int = 0
    resolution: float = 0.0
    default: Any = None
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
        if self.over_us // self.hop_us > _MOST_HOPS:
            raise DefinitionError(f"feature {self.name!r} keeps more than {_MOST_HOPS} hops", hint="use a longer hop", field=self.name)
        if self.resolution < 0:
            raise DefinitionError(f"feature {self.name!r}: a resolution is positive, not {self.resolution}", field=self.name)

    @property
    def floats(self) -> bool:
        """Whether the source column holds floats."""
        return self.source_dtype.startswith("float")

    def of_type(self, dtype: str) -> "Feature":
        """The feature of a source column of this type; DefinitionError if it cannot be aggregated."""
        if self.kind == "column":
            return evolve(self, dtype=dtype, source_dtype=dtype)
        if self.kind != "count" and not dtype.startswith(("int", "uint", "float", "bool")):
            raise DefinitionError(f"feature {self.name!r}: there is no {self.kind} of {self.column!r}, which is {dtype}", field=self.name)
        step = 1.0 if not dtype.startswith("float") else DEFAULT_RESOLUTION
        return evolve(self, source_dtype=dtype, resolution=self.resolution or step)

    def meaning(self) -> dict[str, Any]:
        """What decides the value; names, defaults and descriptions left out."""
        return {name: getattr(self, name) for name in ("kind", "column", "source_dtype", "over_us", "hop_us", "resolution")}


def columns(*names: str, default: Any = None) -> tuple[Feature, ...]:
    """The newest usable values of these columns."""
    return tuple(Feature(name, kind="column", column=name, default=default) for name in names)


def windows(
    kind: str,
    column: str,
    over: Span | Sequence[Span],
    *,
    hop: Span | None = None,
    name: str | None = None,
    resolution: float = 0.0,
    default: float | None = None,
) -> tuple[Feature, ...]:
    """One feature of an aggregate (of `KINDS`) for each window."""
    spans = [over] if isinstance(over, str | int | timedelta) else list(over)
    if name is not None and len(spans) > 1:
        raise DefinitionError(f"one name {name!r} for {len(spans)} windows", hint="leave out the name, or call once for each", field=name)
    built = []
    for span in spans:
        over_us = duration(span)
        text = span.replace(" ", "") if isinstance(span, str) else duration_text(over_us)
        built.append(
            Feature(
                name or "_".join(part for part in (column, kind, text) if part),
                kind=kind,
                column=column,
                over_us=over_us,
                hop_us=default_hop(over_us) if hop is None else duration(hop),
                resolution=resolution,
                default=default,
            )
        )
    return tuple(built)


def count(
    column: str = "", *, over: Span | Sequence[Span], hop: Span | None = None, name: str | None = None, default: Any = None
) -> tuple[Feature, ...]:
    """How many events, or how many values of a column, each window holds."""
    return windows("count", column, over, hop=hop, name=name, resolution=1.0, default=default)


class Aggregate(Protocol):
    """Defines features of one aggregate."""

    def __call__(
        self,
        column: str,
        *,
        over: Span | Sequence[Span],
        hop: Span | None = None,
        name: str | None = None,
        resolution: float = 0.0,
        default: float | None = None,
    ) -> tuple[Feature, ...]:
        """One feature for each window.

        Parameters
        ----------
        over
            The window, or several: `"6h"`, `["3h", "7d"]`.
        hop
            To which the tails of windows are aligned; by default the coarsest that a window holds 24 of.
        name
            By default column, aggregate and window: `gain_mean_6h`.
        resolution
            The step of fixed point in which floats are summed; 2^-20 of the column's unit by default.
        default
            Stands in where there is no value.
        """


def _aggregate(kind: str, doc: str) -> Aggregate:
    def build(
        column: str,
        *,
        over: Span | Sequence[Span],
        hop: Span | None = None,
        name: str | None = None,
        resolution: float = 0.0,
        default: float | None = None,
    ) -> tuple[Feature, ...]:
        return windows(kind, column, over, hop=hop, name=name, resolution=resolution, default=default)

    build.__name__, build.__doc__ = kind, doc
    return build


mean = _aggregate("mean", "The mean of a column's values in each window; null where it holds none.")
sum_ = _aggregate("sum", "The sum of a column's values in each window; 0 where it holds none.")
variance = _aggregate("variance", "The mean square distance from the mean (of the population) in each window; null where it holds none.")
minimum = _aggregate("minimum", "The least of a column's values in each window; null where it holds none.")
maximum = _aggregate("maximum", "The greatest of a column's values in each window; null where it holds none.")
first = _aggregate("first", "The earliest value of a column in each window; null where it holds none.")
last = _aggregate("last", "The latest value of a column in each window; null where it holds none.")
