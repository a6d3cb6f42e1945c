"""One feature of a view, as its definition keeps it."""

from collections.abc import Iterable
from typing import Any

from attrs import evolve, field, frozen

from intonaco.core.errors import DefinitionError
from intonaco.core.fields import decimal_digits
from intonaco.core.schema import suggestion
from intonaco.infra.compute.measures import DEFAULT_RESOLUTION, KINDS, WHOLE_KINDS
from intonaco.infra.compute.timeline import duration_text
from intonaco.infra.features.defined.defaults import check_default

__all__ = ["EXACT", "Feature"]

#: The hop of a window that is exact on both ends: each moment is a hop of its own.
EXACT = 1
#: The ratio of a window's longest to its hop: more hops than this are kept and read for each entity.
_MOST_HOPS = 10_000
#: Of the largest integer of 64 bits: a sum of decimals has at most so many.
_DIGITS = 19
_OF_ANY_TYPE = ("count", "distinct")


def _floats(given: Iterable[float]) -> tuple[float, ...]:
    """As they are read back, so that a definition and its record are equal."""
    return tuple(float(each) for each in given)


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
    parameters: tuple[float, ...] = field(default=(), converter=_floats)
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
            raise DefinitionError(
                f"feature {self.name!r}: the window of {window} is shorter than its hop of {hop}",
                hint="leave out the hop, or make it shorter",
                field=self.name,
            )
        if self.hop_us != EXACT and self.over_us // self.hop_us > _MOST_HOPS:
            raise DefinitionError(f"feature {self.name!r} keeps more than {_MOST_HOPS} hops", hint="use a longer hop", field=self.name)
        if self.resolution < 0:
            raise DefinitionError(
                f"feature {self.name!r}: a resolution is positive, not {self.resolution}", hint="such as 0.01", field=self.name
            )
        if self.kind == "last_k" and self.default is not None:
            raise DefinitionError(
                f"feature {self.name!r}: a list has no default; without values it is empty", hint="leave out the default", field=self.name
            )

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
            return self._declared(evolve(self, dtype=dtype, source_dtype=dtype))
        if self.kind not in _OF_ANY_TYPE and not dtype.startswith(("int", "uint", "float", "bool", "decimal")):
            hint = "count, distinct and columns take every type; the others numbers"
            raise DefinitionError(
                f"feature {self.name!r}: there is no {self.kind} of {self.column!r}, which is {dtype}", hint=hint, field=self.name
            )
        return self._declared(evolve(self, source_dtype=dtype, dtype=self._answered(dtype), resolution=self._step(dtype)))

    def _declared(self, typed: "Feature") -> "Feature":
        """The typed feature; one that was typed when it was applied is read back with the default that it had."""
        if not self.source_dtype:
            check_default(typed.name, typed.dtype, typed.default)
        return typed

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
