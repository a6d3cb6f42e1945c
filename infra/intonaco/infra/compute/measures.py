"""Aggregates, and the intermediate values of which each is made."""

from collections.abc import Mapping, Sequence

from attrs import frozen

from intonaco.core.errors import DefinitionError
from intonaco.core.schema import suggestion

__all__ = ["DEFAULT_RESOLUTION", "KINDS", "NONE", "WHOLE_KINDS", "Measure", "measures_of"]

#: Floats enter sums as whole multiples of this fraction of their unit.
DEFAULT_RESOLUTION = 2.0**-20
#: The intermediate value of "no event" where the greatest wins.
NONE = -(2**63)

#: Aggregates, and the measures of which each is finalized.
KINDS: Mapping[str, tuple[str, ...]] = {
    "count": ("count",),
    "sum": ("sum",),
    "mean": ("sum", "count"),
    "variance": ("sum", "count", "square_high", "square_mixed", "square_low"),
    "minimum": ("least",),
    "maximum": ("greatest",),
    "first": ("first",),
    "last": ("last",),
    "last_k": ("latest",),
    "distinct": ("registers",),
    "quantile": ("buckets",),
}
#: Aggregates of whole numbers that are whole numbers: int64, or a decimal of the column's scale.
WHOLE_KINDS = ("sum", "minimum", "maximum", "first", "last", "last_k")
_GREATEST = ("least", "greatest")
_BY_TIME = ("first", "last")
_BINNED = ("registers", "buckets")
_SCALED = ("sum", "square_high", "square_mixed", "square_low")


@frozen(order=True)
class Measure:
    """One intermediate value: what it measures of which column (`""` is the event itself).

    Parameters
    ----------
    resolution
        The step of fixed point in which floats are added; 1 of whole numbers and of what is not added.
    parameter
        Of `registers` the precision (2^p registers), of `buckets` the bits of the mantissa that name a bucket, of
        `latest` how many values are kept.
    """

    column: str
    kind: str
    resolution: float = 1.0
    parameter: int = 0

    @property
    def adds(self) -> bool:
        """Whether two values merge by addition."""
        return self.kind not in _GREATEST + _BY_TIME and not self.varies

    @property
    def by_time(self) -> bool:
        """Whether the value is that of the greatest (event time, creation time, value)."""
        return self.kind in _BY_TIME

    @property
    def binned(self) -> bool:
        """Whether the state is a sorted array of words `bin << 32 | value`, one for each bin that holds something."""
        return self.kind in _BINNED

    @property
    def listed(self) -> bool:
        """Whether the state is up to `parameter` rows (event time, creation time, value), the newest first."""
        return self.kind == "latest"

    @property
    def varies(self) -> bool:
        """Whether the state varies in length, so that its word tells only where it lies."""
        return self.binned or self.listed

    @property
    def words(self) -> int:
        """How many integers of fixed place it takes."""
        return 3 if self.by_time else 1


def measures_of(kind: str, column: str, resolution: float, parameters: Sequence[float] = ()) -> tuple[Measure, ...]:
    """The measures of which an aggregate of a column is finalized.

    Parameters
    ----------
    resolution
        In which floats are added; 1 for a column of whole numbers or decimals, which enter as they are.
    parameters
        `(k,)` of `last_k`, `(precision,)` of `distinct`, `(q, bits)` of `quantile`: the last is the measure's.
    """
    if kind not in KINDS:
        raise DefinitionError(f"no aggregate {kind!r}", hint=suggestion(kind, KINDS))
    parameter = int(parameters[-1]) if len(parameters) else 0
    return tuple(Measure(column, each, resolution if each in _SCALED else 1.0, parameter) for each in KINDS[kind])
