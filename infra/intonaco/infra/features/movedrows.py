"""Windows of many entries that lost hops since the newest event, merged anew at once."""

from collections.abc import Sequence

import numpy as np
from attrs import define, field
from numpy.typing import NDArray

from intonaco.infra.compute.algebra import finalize
from intonaco.infra.compute.timeline import tail
from intonaco.infra.features.layout import Aggregate
from intonaco.infra.features.movedrow import ADDED
from intonaco.infra.features.shape import LATER_NULLS, LATEST, PENDING, UNTIL, holds_floats
from intonaco.infra.features.viewreader import ViewReader
from intonaco.infra.storage.entries import VALUE

__all__ = ["MovedRows"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@define(eq=False)
class MovedRows:
    """Merges windows that are differences of running sums, where no more than one event waits."""

    reader: ViewReader
    _windows: tuple[int, ...] = field(init=False)
    _untils: NDArray[np.intp] = field(init=False)
    _later_untils: NDArray[np.intp] = field(init=False)
    _slots: NDArray[np.intp] = field(init=False)
    _owners: NDArray[np.intp] = field(init=False)
    _later: NDArray[np.intp] = field(init=False)
    _all_added: bool = field(init=False)
    _overs: Ints = field(init=False)
    _hops: Ints = field(init=False)
    _units: Ints = field(init=False)
    _lists: NDArray[np.intp] = field(init=False)

    def __attrs_post_init__(self) -> None:
        shape, kinds = self.reader.shape, self.reader.kinds
        self._windows = tuple(sorted({window for window in self.reader.windows if window >= 0}))
        self._untils = np.array([shape.untils + window for window in self._windows], dtype=np.intp)
        width = len(shape.windows)
        self._later_untils = self._untils + width
        slots = [slot for slot, window in enumerate(self.reader.windows) if window >= 0]
        self._slots = np.array(slots, dtype=np.intp)
        self._owners = np.array([self._windows.index(self.reader.windows[slot]) for slot in slots], dtype=np.intp)
        self._later = np.array([shape.later + self.reader.wanted[slot] - shape.columns for slot in slots], dtype=np.intp)
        self._all_added = all(not isinstance(kind, Aggregate) or kind.kind in ADDED for kind in kinds)
        self._overs = np.array([shape.windows[window][0] for window in self._windows], dtype=np.int64)
        self._hops = np.array([shape.windows[window][1] for window in self._windows], dtype=np.int64)
        self._units = np.array([shape.window_hops[window] for window in self._windows], dtype=np.int64)
        self._lists = np.array([shape.window_lists[window] for window in self._windows], dtype=np.intp)

    def merge(self, head: Ints, entries: Sequence[bytes], before: Ints, words: Ints) -> tuple[Bools, bool]:
        """Put windows that moved on into the results; the rows that have to be merged one by one, and whether a result is null.

        Parameters
        ----------
        head : shape (words, rows)
            The heads of the entries, word by word.
        words : shape (wanted, rows)
            The results.
        """
        later: Bools = head[LATEST] >= before
        if not self._windows:
            return later, False
        if (before < head[UNTIL]).all():
            return later, False
        moved = before >= head[self._untils]
        words[self._slots] = np.where(moved[self._owners], head[self._later], words[self._slots])
        nulls = bool(head[LATER_NULLS].any())
        moved = before >= head[self._later_untils]
        if not moved.any():
            return later, nulls
        if not self._all_added:
            return later | moved.any(axis=0), nulls
        alone = later | (moved.any(axis=0) & (head[PENDING] != 1))
        if alone.any():
            moved &= ~alone
        return alone, self._merge(moved, head, entries, before, words) or nulls

    def _merge(self, moved: Bools, head: Ints, entries: Sequence[bytes], before: Ints, words: Ints) -> bool:
        windows, rows = np.nonzero(moved)
        if not len(rows):
            return False
        shape = self.reader.shape
        wholes = [entry[VALUE] for entry in entries]
        flat = np.frombuffer(b"".join(wholes), dtype="<i8")
        sizes = np.array([len(whole) >> 3 for whole in wholes])
        counts = head[shape.counts : shape.first]
        ends = np.cumsum(counts, axis=0) + (np.cumsum(sizes) - sizes + shape.head)
        last = ends[self._lists[windows], rows] - 1
        firsts = tail(before[rows], self._overs[windows], self._hops[windows])
        found = _search(flat, last - counts[self._lists[windows], rows] + 1, last, firsts * self._units[windows])
        inside = head[LATEST, rows] >= firsts * self._hops[windows]
        totals = counts.sum(axis=0)[rows]
        merged = {
            measure: flat[last + shift] - flat[found + shift] + np.where(inside, head[shape.first + 1 + number, rows], 0)
            for number, measure in enumerate(shape.layout.measures)
            if measure.adds
            for shift in ((1 + shape.places[number]) * totals,)
        }
        nulls = False
        for number, window in enumerate(self._windows):
            chosen = windows == number
            for slot, kind in enumerate(self.reader.kinds):
                if self.reader.windows[slot] == window and isinstance(kind, Aggregate):
                    parts = [merged[measure][chosen] for measure in kind.measures]
                    values, held = finalize(kind.kind, parts, kind.resolution, kind.floats)
                    if holds_floats(kind):
                        values = np.where(held, values, np.nan).view(np.int64)
                        nulls = nulls or not held.all()
                    words[slot, rows[chosen]] = values
        return nulls


def _search(flat: Ints, low: Ints, high: Ints, firsts: Ints) -> Ints:
    """For each list, whose base lies at `low` and whose last hop at `high`, the last record before the first hop of its window."""
    step = 1 << int((high - low).max()).bit_length()
    while step := step >> 1:
        further = np.minimum(low + step, high)
        low = np.where(flat[further] < firsts, further, low)
    return low
