"""Aggregates of sorted events over many windows at once, by prefix sums and searches."""

import numpy as np
from attrs import define, field
from numpy.typing import NDArray

from intonaco.core.errors import InvalidError
from intonaco.infra.compute.algebra import NONE, Measure, finalize, prepare
from intonaco.infra.compute.eventindex import EventIndex
from intonaco.infra.compute.tables import WindowColumn
from intonaco.infra.compute.timeline import tail

__all__ = ["WindowSums"]

Ints = NDArray[np.int64]
_OVERFLOW = 2.0**62


@define(eq=False)
class WindowSums:
    """Merges intermediate values over windows of one source; what several windows share is made once."""

    index: EventIndex
    _starts: dict[tuple[int, int], Ints] = field(factory=dict, init=False)
    _merged: "dict[Measure, _Sums | _Greatest | _ByTime]" = field(factory=dict, init=False)

    def column(self, wanted: WindowColumn) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """The aggregate for each sorted row, and where there is one."""
        start = self._start(wanted.over_us, wanted.hop_us)
        words = [self._measure(measure).over(start) for measure in wanted.measures]
        return finalize(wanted.kind, words, wanted.resolution, wanted.floats)

    def _start(self, over_us: int, hop_us: int) -> Ints:
        """How many sorted events lie before each window."""
        key = (over_us, hop_us)
        if key not in self._starts:
            first = self.index.position(tail(self.index.cuts, over_us, hop_us) * hop_us)
            self._starts[key] = np.minimum(first, self.index.head)
        return self._starts[key]

    def _measure(self, measure: Measure) -> "_Sums | _Greatest | _ByTime":
        if measure not in self._merged:
            make = _Sums if measure.adds else _ByTime if measure.by_time else _Greatest
            self._merged[measure] = make.of(self.index, measure)
        return self._merged[measure]


def _prepared(index: EventIndex, measure: Measure) -> Ints:
    if not measure.column:
        return np.ones(len(index.order), dtype=np.int64)
    values, held = index.numbers(measure.column)
    return prepare(measure, values, held)


@define(eq=False)
class _Sums:
    """Prefix sums; the sum of a window is the difference of two, exact even where the prefix sums wrapped around."""

    prefix: Ints
    head: Ints
    at_head: Ints
    column: str
    rough: NDArray[np.float64] | None

    @classmethod
    def of(cls, index: EventIndex, measure: Measure) -> "_Sums":
        words = _prepared(index, measure)
        prefix = np.zeros(len(words) + 1, dtype=np.int64)
        np.cumsum(words, out=prefix[1:])
        greatest = max(-int(words.min()), int(words.max())) if len(words) else 0
        rough = None if greatest * len(words) < _OVERFLOW else np.concatenate([[0.0], np.cumsum(np.abs(words.astype(np.float64)))])
        return cls(prefix, index.head, prefix[index.head], measure.column, rough)

    def over(self, start: Ints) -> Ints:
        if self.rough is not None and bool(np.any(self.rough[self.head] - self.rough[start] >= _OVERFLOW)):
            raise InvalidError(f"sums of {self.column!r} pass 63 bits", hint="declare a coarser resolution", field=self.column)
        return self.at_head - self.prefix[start]


@define(eq=False)
class _Greatest:
    """A table of the greatest among 2^k events from each position; a window is covered by two of them."""

    levels: list[Ints]
    head: Ints

    @classmethod
    def of(cls, index: EventIndex, measure: Measure) -> "_Greatest":
        levels = [_prepared(index, measure)]
        while len(levels[-1]) > (step := 1 << (len(levels) - 1)):
            levels.append(np.maximum(levels[-1][:-step], levels[-1][step:]))
        return cls(levels, index.head)

    def over(self, start: Ints) -> Ints:
        size = self.head - start
        greatest = np.full(len(start), NONE, dtype=np.int64)
        for level, table in enumerate(self.levels):
            rows = np.flatnonzero((size >> level) == 1)
            if len(rows):
                greatest[rows] = np.maximum(table[start[rows]], table[self.head[rows] - (1 << level)])
        return greatest


@define(eq=False)
class _ByTime:
    """For each position the newest event before it, or the oldest from it on, that holds a value."""

    words: Ints
    nearest: Ints
    head: Ints
    latest: bool

    @classmethod
    def of(cls, index: EventIndex, measure: Measure) -> "_ByTime":
        words, latest = _prepared(index, measure), measure.kind == "last"
        words = words[index.by_value([words if latest else ~words])]
        positions = np.arange(len(words))
        if latest:
            nearest = np.maximum.accumulate(np.where(words == NONE, -1, positions))
        else:
            nearest = np.minimum.accumulate(np.where(words == NONE, len(words), positions)[::-1])[::-1]
        return cls(words, nearest, index.head, latest)

    def over(self, start: Ints) -> Ints:
        found = np.full(len(start), NONE, dtype=np.int64)
        rows = np.flatnonzero(self.head > start)
        if len(rows):
            nearest = self.nearest[(self.head[rows] - 1) if self.latest else start[rows]]
            inside = (nearest >= start[rows]) & (nearest < self.head[rows])
            found[rows[inside]] = self.words[nearest[inside]]
        return found
