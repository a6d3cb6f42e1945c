"""Aggregates as an algebra: prepare an event, merge intermediate values, finalize.

Intermediate values are integers of 64 bits. They merge by addition or by taking the greatest, so any order and any
batching give the same bits. Batch, stream and request call the functions of this module and no others.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from intonaco.core.errors import DefinitionError, InvalidError
from intonaco.core.schema import suggestion

__all__ = ["DEFAULT_RESOLUTION", "KINDS", "NONE", "Measure", "finalize", "fixed_point", "measures_of", "ordered", "prepare", "unordered"]

Ints = NDArray[np.int64]

#: Floats enter sums as whole multiples of this fraction of their unit.
DEFAULT_RESOLUTION = 2.0**-20
#: The intermediate value of "no event" where the greatest wins.
NONE = -(2**63)
_FIXED_LIMIT = 2.0**53
_LIMB = 20
_SQUARE_LIMIT = 2**45
_BITS = np.int64(0x7FFF_FFFF_FFFF_FFFF)

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
}
_GREATEST = ("least", "greatest")
_BY_TIME = ("first", "last")


@frozen(order=True)
class Measure:
    """One intermediate value: what it measures of which column (`""` is the event itself)."""

    column: str
    kind: str
    resolution: float = 1.0

    @property
    def adds(self) -> bool:
        """Whether two values merge by addition; else the greatest wins."""
        return self.kind not in _GREATEST + _BY_TIME

    @property
    def by_time(self) -> bool:
        """Whether the value is that of the greatest (event time, creation time, value)."""
        return self.kind in _BY_TIME

    @property
    def words(self) -> int:
        """How many integers it takes."""
        return 3 if self.by_time else 1


def measures_of(kind: str, column: str, resolution: float) -> tuple[Measure, ...]:
    """The measures of which an aggregate of a column is finalized."""
    if kind not in KINDS:
        raise DefinitionError(f"no aggregate {kind!r}", hint=suggestion(kind, KINDS))
    scaled = ("sum", "square_high", "square_mixed", "square_low")
    return tuple(Measure(column, each, resolution if each in scaled else 1.0) for each in KINDS[kind])


def fixed_point(values: NDArray[Any], held: NDArray[np.bool_], resolution: float, column: str) -> Ints:
    """Values as whole multiples of the resolution, rounded half to even; 0 where none is held.

    Raises
    ------
    InvalidError
        A value is NaN, infinite, or 2^53 resolutions or more.
    """
    if values.dtype.kind in "biu" and resolution == 1.0:
        return _whole(values, held, column)
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.rint(values.astype(np.float64) / resolution)
        bad = held & ~(np.abs(scaled) < _FIXED_LIMIT)
    if bad.any():
        value = values[int(np.argmax(bad))]
        hint = "write a missing value as null" if not np.isfinite(value) else "declare a coarser resolution"
        raise InvalidError(f"column {column!r} holds {value}, which fixed point at {resolution} cannot hold", hint=hint, field=column)
    return np.where(held, scaled, 0.0).astype(np.int64)


def _whole(values: NDArray[Any], held: NDArray[np.bool_], column: str) -> Ints:
    if values.dtype == np.uint64 and bool(np.any(held & (values > _BITS))):
        raise InvalidError(f"column {column!r} holds {values[held].max()}, beyond 63 bits", field=column)
    return np.where(held, values, 0).astype(np.int64)


def ordered(values: NDArray[Any]) -> Ints:
    """Integers in the same order as the values, from which `unordered` restores each bit; NaN above all."""
    if values.dtype.kind == "f":
        bits = values.astype(np.float64).view(np.int64)
        return np.where(bits < 0, bits ^ _BITS, bits)
    return values.astype(np.int64)


def unordered(codes: Ints, floats: bool) -> NDArray[Any]:
    """The values behind `ordered`: float64 or int64."""
    return np.where(codes < 0, codes ^ _BITS, codes).view(np.float64) if floats else codes


def prepare(measure: Measure, values: NDArray[Any] | None, held: NDArray[np.bool_]) -> Ints:
    """The intermediate value of each event; shape (n,). Of a measure by time it is the ordered value alone.

    Parameters
    ----------
    values : shape (n,)
        Of the measure's column; None where it measures events.
    held : shape (n,)
        False where the value is null; such an event leaves the measure as it is.
    """
    if measure.kind == "count":
        return held.astype(np.int64)
    assert values is not None
    if measure.adds:
        fixed = fixed_point(values, held, measure.resolution, measure.column)
        return fixed if measure.kind == "sum" else _square(measure, fixed)
    _refuse_infinite(values, held, measure.column)
    codes = ordered(values)
    return np.where(held, ~codes if measure.kind in ("least", "first") else codes, NONE)


def _square(measure: Measure, fixed: Ints) -> Ints:
    """One of the three integers whose sums give the exact sum of squares: x = high * 2^20 + low."""
    if bool(np.any(np.abs(fixed) >= _SQUARE_LIMIT)):
        raise InvalidError(
            f"column {measure.column!r} is too large for a variance", hint="declare a coarser resolution", field=measure.column
        )
    high, low = fixed >> _LIMB, fixed & ((1 << _LIMB) - 1)
    return {"square_high": high * high, "square_mixed": high * low, "square_low": low * low}[measure.kind]


def _refuse_infinite(values: NDArray[Any], held: NDArray[np.bool_], column: str) -> None:
    if values.dtype.kind == "f" and not bool(np.all(np.isfinite(values) | ~held)):
        raise InvalidError(f"column {column!r} holds a value that is not finite", hint="write a missing value as null", field=column)


def finalize(
    kind: str, words: Sequence[Ints], resolution: "float | NDArray[np.float64]", floats: bool
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The aggregate of merged intermediate values, and where there is one.

    Parameters
    ----------
    words
        Of the measures of `KINDS[kind]`, in their order, all of one shape; of a measure by time the ordered value alone.
    floats
        Whether the column holds floats.
    """
    if kind in ("count", "sum"):
        values = words[0].astype(np.float64)
        return (values * resolution if kind == "sum" else values), np.ones(values.shape, dtype=np.bool_)
    if kind == "mean":
        held = words[1] > 0
        return words[0].astype(np.float64) / np.maximum(words[1], 1).astype(np.float64) * resolution, held
    if kind == "variance":
        return _variance(words, resolution), words[1] > 0
    held = words[0] != NONE
    codes = ~words[0] if kind in ("minimum", "first") else words[0]
    return unordered(np.where(held, codes, 0), floats).astype(np.float64), held


def _variance(words: Sequence[Ints], resolution: "float | NDArray[np.float64]") -> NDArray[np.float64]:
    """Mean square distance from the mean, from exact integers: (n * sum of squares - square of sum) / n^2."""
    total, count, high, mixed, low = (word.astype(object) for word in words)
    squares = high * (1 << 2 * _LIMB) + mixed * (1 << _LIMB + 1) + low
    with_one = np.maximum(count, 1)
    exact: NDArray[np.float64] = ((with_one * squares - total * total) / (with_one * with_one)).astype(np.float64)
    return exact * resolution * resolution
