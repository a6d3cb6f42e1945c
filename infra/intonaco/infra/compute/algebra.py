"""Aggregates as an algebra: prepare an event, merge intermediate values, finalize.

Intermediate values are integers of 64 bits. They merge by addition or by taking the greatest, so any order and any
batching give the same bits. Batch, stream and request call the functions of this module and no others; those whose
state varies in length (`varies`) have theirs in `compute.sketches` and `compute.latest`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intonaco.core.errors import InvalidError
from intonaco.infra.compute.measures import DEFAULT_RESOLUTION, KINDS, NONE, WHOLE_KINDS, Measure, measures_of
from intonaco.infra.compute.sketches import bins_of

__all__ = [
    "DEFAULT_RESOLUTION",
    "KINDS",
    "NONE",
    "WHOLE_KINDS",
    "Measure",
    "finalize",
    "fixed_point",
    "measures_of",
    "ordered",
    "prepare",
    "refuse_infinite",
    "unordered",
]

Ints = NDArray[np.int64]

_FIXED_LIMIT = 2.0**53
_LIMB = 20
_SQUARE_LIMIT = 2**45
_BITS = np.int64(0x7FFF_FFFF_FFFF_FFFF)


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
    """The intermediate value of each event; shape (n,). Of a measure by time and of `latest` it is the ordered value alone,
    of a binned one the word of its one bin; NONE where there is none.

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
    refuse_infinite(values, held, measure.column)
    if measure.binned:
        return np.where(held, bins_of(measure, values, held), NONE)
    codes = ordered(_whole(values, held, measure.column) if values.dtype.kind in "biu" else values)
    words = np.where(held, ~codes if measure.kind in ("least", "first") else codes, NONE)
    if bool(np.any(held & (words == NONE))):
        raise InvalidError(f"column {measure.column!r} holds an integer that 63 bits and a sign cannot hold", field=measure.column)
    return words


def _square(measure: Measure, fixed: Ints) -> Ints:
    """One of the three integers whose sums give the exact sum of squares: x = high * 2^20 + low."""
    if bool(np.any(np.abs(fixed) >= _SQUARE_LIMIT)):
        coarser = "a coarser resolution"
        hint = f"declare the column float64, and {coarser}" if measure.resolution == 1.0 else f"declare {coarser}"
        raise InvalidError(f"column {measure.column!r} is too large for a variance", hint=hint, field=measure.column)
    high, low = fixed >> _LIMB, fixed & ((1 << _LIMB) - 1)
    return {"square_high": high * high, "square_mixed": high * low, "square_low": low * low}[measure.kind]


def refuse_infinite(values: NDArray[Any], held: NDArray[np.bool_], column: str) -> None:
    """Raise InvalidError if a value that counts is NaN or infinite."""
    if values.dtype.kind == "f" and not bool(np.all(np.isfinite(values) | ~held)):
        raise InvalidError(f"column {column!r} holds a value that is not finite", hint="write a missing value as null", field=column)


def finalize(
    kind: str, words: Sequence[Ints], resolution: "float | NDArray[np.float64]", floats: bool
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The aggregate of merged intermediate values, and where there is one.

    Parameters
    ----------
    words
        Of the measures of `KINDS[kind]`, in their order, all of one shape; of a measure by time the ordered value alone.
    resolution
        What one whole number is worth: the step of a float column, 1 of integers, 10^-scale of decimals.
    floats
        Whether the column holds floats. Of others, the `WHOLE_KINDS` are int64: integers, or multiples of the resolution.

    Returns
    -------
    tuple
        float64, or int64 as above; and where there is a value.
    """
    if kind in ("count", "sum"):
        everywhere = np.ones(words[0].shape, dtype=np.bool_)
        if kind == "sum" and not floats:
            return words[0], everywhere
        values = words[0].astype(np.float64)
        return (values * resolution if kind == "sum" else values), everywhere
    if kind == "mean":
        held = words[1] > 0
        return words[0].astype(np.float64) / np.maximum(words[1], 1).astype(np.float64) * resolution, held
    if kind == "variance":
        return _variance(words, resolution), words[1] > 0
    held = words[0] != NONE
    codes = ~words[0] if kind in ("minimum", "first") else words[0]
    return unordered(np.where(held, codes, 0), floats), held


def _variance(words: Sequence[Ints], resolution: "float | NDArray[np.float64]") -> NDArray[np.float64]:
    """Mean square distance from the mean, from exact integers: (n * sum of squares - square of sum) / n^2."""
    total, count, high, mixed, low = (word.astype(object) for word in words)
    squares = high * (1 << 2 * _LIMB) + mixed * (1 << _LIMB + 1) + low
    with_one = np.maximum(count, 1)
    exact: NDArray[np.float64] = ((with_one * squares - total * total) / (with_one * with_one)).astype(np.float64)
    return exact * resolution * resolution
