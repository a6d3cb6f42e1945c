"""Windows of many entries that lost hops since the newest event, merged anew at once."""

from collections.abc import Sequence

import numpy as np
from attrs import define, field
from numpy.typing import NDArray

from intonaco.infra.compute.algebra import finalize
from intonaco.infra.compute.timeline import tail
from intonaco.infra.features.defined.layout import Aggregate
from intonaco.infra.features.entries.hopcolumns import HopColumns
from intonaco.infra.features.entries.shape import LATER_NULLS, LATEST, PENDING, UNTIL, WIDTHS, holds_floats, places_of
from intonaco.infra.features.online.movedrow import ADDED
from intonaco.infra.features.online.viewreader import ViewReader
from intonaco.infra.storage.entries import VALUE

__all__ = ["MovedRows"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Places = slice | NDArray[np.intp]


@define(eq=False)
class MovedRows:
    """Merges windows that are differences of running sums, where no more than one event waits."""

    reader: ViewReader
    _windows: tuple[int, ...] = field(init=False)
    _later_untils: Places = field(init=False)
    _slots: Places = field(init=False)
    _slot_untils: NDArray[np.intp] = field(init=False)
    _later: Places = field(init=False)
    _all_added: bool = field(init=False)
    _overs: Ints = field(init=False)
    _hops: Ints = field(init=False)
    _in_units: Ints = field(init=False)
    _units: Ints = field(init=False)
    _lists: NDArray[np.intp] = field(init=False)

    def __attrs_post_init__(self) -> None:
        shape, kinds = self.reader.shape, self.reader.kinds
        self._windows = tuple(sorted({window for window in self.reader.windows if window >= 0}))
        self._later_untils = places_of([shape.untils + len(shape.windows) + window for window in self._windows])
        slots = [slot for slot, window in enumerate(self.reader.windows) if window >= 0]
        self._slots = places_of(slots)
        self._slot_untils = np.array([shape.untils + self.reader.windows[slot] for slot in slots], dtype=np.intp)
        self._later = places_of([shape.later + self.reader.wanted[slot] - shape.columns for slot in slots])
        self._all_added = all(not isinstance(kind, Aggregate) or kind.kind in ADDED for kind in kinds)
        self._overs = np.array([shape.windows[window][0] for window in self._windows], dtype=np.int64)
        self._hops = np.array([shape.windows[window][1] for window in self._windows], dtype=np.int64)
        self._in_units = np.array([shape.window_hops[window] for window in self._windows], dtype=np.int64)
        self._units = np.array([shape.units_us[shape.window_lists[window]] for window in self._windows], dtype=np.int64)
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
        if not self._windows or not np.count_nonzero(before >= head[UNTIL]):
            return later, False
        words[self._slots] = np.where(before < head[self._slot_untils], words[self._slots], head[self._later])
        nulls = bool(np.count_nonzero(head[LATER_NULLS]))
        moved = before >= head[self._later_untils]
        if not np.count_nonzero(moved):
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
        columns = HopColumns.of(head[WIDTHS], counts.sum(axis=0), 1 + shape.words, np.cumsum(sizes) - sizes + shape.head)
        last = np.cumsum(counts, axis=0)[self._lists[windows], rows] - 1
        firsts = tail(before[rows], self._overs[windows], self._hops[windows])
        wanted = firsts * self._in_units[windows] - head[LATEST, rows] // self._units[windows]
        found = _search(columns, flat, rows, last - counts[self._lists[windows], rows] + 1, last, wanted)
        inside = head[LATEST, rows] >= firsts * self._hops[windows]
        merged = {
            measure: columns.values(flat, 1 + place, rows, last)
            - columns.values(flat, 1 + place, rows, found)
            + np.where(inside, head[shape.first + 1 + number, rows], 0)
            for number, (measure, place) in enumerate(zip(shape.layout.measures, shape.places, strict=True))
            if measure.adds
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


def _search(columns: HopColumns, flat: Ints, rows: NDArray[np.intp], low: Ints, high: Ints, firsts: Ints) -> Ints:
    """For each list, whose base is at `low` and whose last hop at `high`, the last record before the first hop of its window."""
    step = 1 << int((high - low).max()).bit_length()
    while step := step >> 1:
        further = np.minimum(low + step, high)
        low = np.where(columns.values(flat, 0, rows, further) < firsts, further, low)
    return low
