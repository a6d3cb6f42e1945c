"""Approximate distinct counts and quantiles of windows that slide over sorted events, without a state for each window.

The starts and the heads of windows rise from row to row, so an event stands for its register in one run of rows: runs are
added up by differences. The bucket of a given rank among the events of a window is found in a wavelet matrix. Both give what
merging the states of all events in a window would give, to the bit.

References
----------
Claude, Navarro & Ordóñez, "The wavelet matrix", Information Systems 47, 2015.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from intonaco.infra.compute.measures import NONE
from intonaco.infra.compute.sketches import cardinality, middle_of, rank_of

__all__ = ["distinct_in", "quantile_in"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
_LOW = np.int64(0xFFFF_FFFF)
#: Beyond this many possible buckets for each event those that occur are numbered by sorting.
_SPARSE = 4


def distinct_in(words: Ints, entities: Ints, start: Ints, head: Ints, precision: int) -> tuple[NDArray[np.float64], Bools]:
    """The distinct count of each window.

    Parameters
    ----------
    words, entities : shape (events,)
        The register and rank of each event, NONE where it holds no value, and a number for its entity.
    start, head : shape (rows,)
        The events of each window; heads rise, and so do the starts, but for those of one head.
    """
    if len(start) and bool(np.any(start[1:] < start[:-1])):
        rising = np.lexsort([start, head])
        values = np.empty(len(start))
        values[rising], held = distinct_in(words, entities, start[rising], head[rising], precision)
        return values, held
    held = words != NONE
    order = np.lexsort([words >> 32, entities])
    order = order[held[order]]
    registers, ranks = entities[order] << precision | words[order] >> 32, words[order] & _LOW
    counts = _holders(registers, ranks, order, _Runs.of(start, head, len(words)), 64 - precision)
    return cardinality(precision, counts, len(start)), np.ones(len(start), dtype=np.bool_)


@frozen(eq=False)
class _Runs:
    """For each event the first row whose window ends behind it, and the first whose window starts behind it."""

    reached: Ints
    left: Ints
    rows: int

    @classmethod
    def of(cls, start: Ints, head: Ints, events: int) -> "_Runs":
        positions = np.arange(events)
        return cls(np.searchsorted(head, positions, side="right"), np.searchsorted(start, positions, side="right"), len(start))

    def count(self, events: Ints, before: Ints) -> Ints:
        """How many of the events each row's window holds without the event before it (-1 is none)."""
        first = np.maximum(self.reached[events], np.where(before < 0, 0, self.left[before]))
        changes = np.bincount(first, minlength=self.rows + 1) - np.bincount(self.left[events], minlength=self.rows + 1)
        return np.cumsum(changes)[: self.rows]


def _holders(registers: Ints, ranks: Ints, positions: Ints, runs: _Runs, width: int) -> Iterator[Ints]:
    """For the ranks width + 1, width ... 1: in how many registers of each window the greatest rank is this one."""
    above: Ints = np.zeros(runs.rows, dtype=np.int64)
    for rank in range(width + 1, 0, -1):
        reaching = np.flatnonzero(ranks >= rank)
        at_least = above
        if len(reaching):
            same = np.append(False, np.diff(registers[reaching]) == 0)
            events = positions[reaching]
            at_least = runs.count(events, np.where(same, np.append(-1, events[:-1]), -1))
        yield at_least - above
        above = at_least


def quantile_in(words: Ints, start: Ints, head: Ints, parameters: Sequence[float], unit: float) -> tuple[NDArray[np.float64], Bools]:
    """The quantile of each window, and where it holds a value.

    Parameters
    ----------
    words : shape (events,)
        The bucket of each event, NONE where it holds no value.
    parameters
        `(q, bits)`.
    """
    present = words != NONE
    before = np.append(0, np.cumsum(present))
    low, high = before[start], before[head]
    held = high > low
    known, codes = _numbered(words[present] >> 32)
    found = _Wavelets.of(codes, len(known)).select(low[held], high[held], rank_of(parameters[0], (high - low)[held]))
    values = np.zeros(len(start))
    values[held] = middle_of(known[found], int(parameters[1]))
    return values * unit, held


def _numbered(buckets: Ints) -> tuple[Ints, Ints]:
    """The buckets that occur, rising, and for each event which of them."""
    if not len(buckets):
        return buckets, buckets
    least, span = int(buckets.min()), int(buckets.max()) - int(buckets.min()) + 1
    if span > _SPARSE * len(buckets):
        known, codes = np.unique(buckets, return_inverse=True)
        return known, codes
    occurs = np.bincount(buckets - least, minlength=span) > 0
    return np.flatnonzero(occurs) + least, (np.cumsum(occurs) - 1)[buckets - least]


@frozen(eq=False)
class _Wavelets:
    """A wavelet matrix: for each bit of the codes, the highest first, how many zeros lie before each position."""

    zeros: tuple[NDArray[np.int64], ...]

    @classmethod
    def of(cls, codes: Ints, bound: int) -> "_Wavelets":
        levels = []
        for bit in range(max(0, bound - 1).bit_length() - 1, -1, -1):
            ones = (codes >> bit & 1).astype(np.bool_)
            levels.append(np.append(0, np.cumsum(~ones)))
            codes = np.concatenate([codes[~ones], codes[ones]])
        return cls(tuple(levels))

    def select(self, low: Ints, high: Ints, rank: Ints) -> Ints:
        """The code of a rank, counted from 0, among the positions from low to high."""
        found = np.zeros(len(low), dtype=np.int64)
        for zeros in self.zeros:
            before, until = zeros[low], zeros[high]
            count = until - before
            right = rank >= count
            found = found << 1 | right
            low = np.where(right, zeros[-1] + low - before, before)
            high = np.where(right, zeros[-1] + high - until, until)
            rank = rank - np.where(right, count, 0)
        return found
