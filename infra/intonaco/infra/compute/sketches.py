"""Approximate distinct counts and quantiles: states of bins that merge to the same bits in every order and batching.

A state is a sorted array of 64-bit words, one for each bin that holds something: `bin << 32 | value`. HyperLogLog keeps the
greatest rank of each register, DDSketch the count of each bucket. What enters a state is computed from bits, and estimates
with additions, multiplications and square roots alone, so that every machine gives the same bits.

References
----------
Flajolet, Fusy, Gandouet & Meunier, "HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm", AofA 2007.
Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", arXiv:1702.01284, algorithm 6: an estimate without
bias from no values to very many, so without tables of corrections and switches of formula.
Masson, Rim & Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees", VLDB 2019. Buckets
are those of the logarithm interpolated linearly between powers of two, which are the leading bits of the float itself.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intonaco.core.errors import InvalidError
from intonaco.infra.compute.measures import NONE, Measure

__all__ = ["bins_of", "bits_for", "cardinality", "finalize_bins", "merge_bins", "middle_of", "rank_of"]

Ints = NDArray[np.int64]
_LOW = np.int64(0xFFFF_FFFF)
_MANTISSA = 52
#: 1 / (2 ln 2), which Ertl calls alpha infinity.
_ALPHA = 0.7213475204444817


def bits_for(accuracy: float) -> int:
    """Bits of the mantissa that name a bucket, so that its middle is within this relative error of all it holds."""
    return next(bits for bits in range(1, 20) if 2.0 ** -(bits + 1) <= accuracy)


def bins_of(measure: Measure, values: NDArray[Any], held: NDArray[np.bool_]) -> Ints:
    """The state of each value by itself: the word of its one bin; without meaning where none is held."""
    if measure.kind == "registers":
        return _register(_hashed(np.where(held, values, 0)), measure.parameter)
    return _bucket(np.where(held, values, 0).astype(np.float64), measure.parameter) << 32 | 1


def _hashed(values: NDArray[Any]) -> NDArray[np.uint64]:
    """The bits of int64 or of float64 (of which both zeros are one), mixed.

    References
    ----------
    Steele, Lea & Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014: the finalizer of SplitMix64.
    """
    bits = ((values.astype(np.float64) + 0.0) if values.dtype.kind == "f" else values.astype(np.int64)).view(np.uint64)
    mixed = bits + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def _register(hashes: NDArray[np.uint64], precision: int) -> Ints:
    """The first bits of a hash name a register, the zeros that lead the others give the rank."""
    width = 64 - precision
    register = (hashes >> np.uint64(width)).astype(np.int64)
    rest = (hashes & np.uint64((1 << width) - 1)).astype(np.int64)
    return register << 32 | (width + 1 - _bit_length(rest))


def _bit_length(numbers: Ints) -> Ints:
    high, low = numbers >> 32, numbers & _LOW
    return np.where(high > 0, 32 + np.frexp(high.astype(np.float64))[1], np.frexp(low.astype(np.float64))[1]).astype(np.int64)


def _bucket(values: NDArray[np.float64], bits: int) -> Ints:
    """Sign, exponent and leading bits of the mantissa: buckets in the order of the values; 0 holds what is nearly zero."""
    size = np.abs(values).view(np.int64) >> (_MANTISSA - bits)
    return np.where(values < 0, -size, size)


def middle_of(buckets: Ints, bits: int) -> NDArray[np.float64]:
    """The middle of each bucket."""
    shift = _MANTISSA - bits
    middle = (np.abs(buckets) << shift | 1 << (shift - 1)).view(np.float64)
    return np.where(buckets == 0, 0.0, np.where(buckets < 0, -middle, middle))


def merge_bins(measure: Measure, groups: Ints, words: Ints) -> tuple[Ints, Ints]:
    """The states of groups, each a sorted array of words, one behind the other in the order of the groups.

    Parameters
    ----------
    groups : shape (n,)
        Not negative.
    words : shape (n,)
        Of states and of events; NONE is left out.

    Raises
    ------
    InvalidError
        A bucket counts 2^32 values or more.
    """
    held = words != NONE
    if not held.all():
        groups, words = groups[held], words[held]
    order = _order(groups, words)
    groups, words = groups[order], words[order]
    bins = words >> 32
    differs = (groups[1:] != groups[:-1]) | (bins[1:] != bins[:-1])
    if measure.kind == "registers":  # sorted by rank too: the last of a bin is the greatest
        last = np.append(differs, True) if len(words) else np.zeros(0, dtype=np.bool_)
        return groups[last], words[last]
    starts = np.flatnonzero(np.append(True, differs)) if len(words) else np.zeros(0, dtype=np.int64)
    counts = np.add.reduceat(words & _LOW, starts) if len(words) else words
    if len(counts) and int(counts.max()) > _LOW:
        hint = "use a shorter window or a finer accuracy"
        raise InvalidError(f"a bucket of {measure.column!r} counts 2^32 values or more", hint=hint, field=measure.column)
    return groups[starts], bins[starts] << 32 | counts


def _order(groups: Ints, words: Ints) -> NDArray[np.intp]:
    """By group, then by word."""
    if not len(groups) or int(groups.max()) == 0:
        return np.argsort(words, kind="stable")
    return np.lexsort([words, groups])


def finalize_bins(
    kind: str, parameters: Sequence[float], groups: Ints, words: Ints, n: int, unit: float = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The aggregate of the merged states of n groups, and where there is one.

    Parameters
    ----------
    kind
        `distinct` or `quantile`.
    parameters
        Of the feature: `(precision,)` or `(q, bits)`.
    groups, words
        As `merge_bins` gives them.
    unit
        What one whole number of the column is worth: 10^-scale of decimals, else 1.

    Returns
    -------
    values : shape (n,)
        Of `distinct` a whole number, 0 where there is no value.
    held : shape (n,)
        False where a quantile is of no value.
    """
    if kind == "distinct":
        precision = int(parameters[0])
        return cardinality(precision, _counted(groups, words, n, precision), n), np.ones(n, dtype=np.bool_)
    return _quantile(groups, words, n, float(parameters[0]), int(parameters[1]), unit)


def _quantile(groups: Ints, words: Ints, n: int, q: float, bits: int, unit: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    ends = np.searchsorted(groups, np.arange(n), side="right")
    running = np.append(0, np.cumsum(words & _LOW))
    until = running[ends]
    before = np.append(0, until)[:-1]
    held = until > before
    place = np.searchsorted(running[1:], before + rank_of(q, until - before), side="right")
    values = np.zeros(n)
    values[held] = middle_of(words[place[held]] >> 32, bits)
    return values * unit, held


def rank_of(q: float, numbers: Ints) -> Ints:
    """Which of that many sorted values a quantile is, counted from 0: floor(q * (number - 1))."""
    return np.floor(q * (numbers - 1).astype(np.float64)).astype(np.int64)


def _counted(groups: Ints, words: Ints, n: int, precision: int) -> Iterator[Ints]:
    """For the ranks from the highest to 1, how many registers of each group hold it."""
    ranks = 65 - precision
    counts = np.bincount(groups * (ranks + 1) + (words & _LOW), minlength=n * (ranks + 1)).reshape(n, ranks + 1)
    return iter(counts.T[:0:-1])


def cardinality(precision: int, counts: Iterator[Ints], n: int) -> NDArray[np.float64]:
    """Ertl's algorithm 6, rounded to a whole number; shape (n,).

    Parameters
    ----------
    counts
        For the ranks 65 - precision, 64 - precision ... 1, how many registers hold it; each of shape (n,).
    """
    registers = 1 << precision
    full = next(counts)
    total = registers * _tau(precision)[registers - full]
    empty = registers - full
    for count in counts:
        total = 0.5 * (total + count)
        empty = empty - count
    total = total + registers * _sigma(precision)[empty]
    return np.asarray(np.rint(_ALPHA * registers * registers / total)).reshape(n)


@cache
def _sigma(precision: int) -> NDArray[np.float64]:
    """Ertl's sigma of 0/m, 1/m, ... m/m."""
    x = np.arange((1 << precision) + 1) / (1 << precision)
    total, weight, before = x.copy(), 1.0, np.full_like(x, np.nan)
    x[-1], total[-1] = 0.0, np.inf
    while not np.array_equal(total, before):
        x, before = x * x, total
        total, weight = total + x * weight, weight + weight
    return total


@cache
def _tau(precision: int) -> NDArray[np.float64]:
    """Ertl's tau of 0/m, 1/m, ... m/m."""
    x = np.arange((1 << precision) + 1) / (1 << precision)
    edge = (x == 0.0) | (x == 1.0)
    total, weight, before = 1.0 - x, 1.0, np.full_like(x, np.nan)
    while not np.array_equal(total, before):
        x, weight, before = np.sqrt(x), 0.5 * weight, total
        total = total - (1.0 - x) * (1.0 - x) * weight
    return np.where(edge, 0.0, total / 3.0)
