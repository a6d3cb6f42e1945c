"""Merged intermediate values of windows over sorted events: differences of prefix sums, and searches."""

import numpy as np
from attrs import define
from numpy.typing import NDArray

from intonaco.core.errors import InvalidError
from intonaco.infra.compute.eventindex import EventIndex
from intonaco.infra.compute.measures import NONE, Measure

__all__ = ["ByTime", "Greatest", "Sums"]

Ints = NDArray[np.int64]
_OVERFLOW = 2**63
_HALF = 32


@define(eq=False)
class Sums:
    """Prefix sums; the sum of a window is the difference of two, exact even where the prefix sums wrapped around.

    Parameters
    ----------
    high
        Prefix sums of the words' upper halves, where a window's sum may pass 63 bits; else None.
    """

    prefix: Ints
    head: Ints
    at_head: Ints
    column: str
    high: Ints | None

    @classmethod
    def of(cls, index: EventIndex, measure: Measure) -> "Sums":
        words = index.events.words(measure)
        prefix = _running(words)
        greatest = max(-int(words.min()), int(words.max())) if len(words) else 0
        high = None if greatest * len(words) < _OVERFLOW else _running(words >> _HALF)
        return cls(prefix, index.head, prefix[index.head], measure.column, high)

    def over(self, start: Ints) -> Ints:
        sums = self.at_head - self.prefix[start]
        if self.high is not None:
            self._refuse_wrapped(sums, self.high[self.head] - self.high[start], self.head - start)
        return sums

    def _refuse_wrapped(self, sums: Ints, high: Ints, events: Ints) -> None:
        """The lower halves of n words add between 0 and n units to the sum of the upper ones: one that wrapped is far off."""
        carried = (sums >> _HALF) - high
        if bool(np.any((carried < 0) | (carried > events))):
            hint = "use a shorter window, or declare a coarser resolution"
            raise InvalidError(f"sums of {self.column!r} pass 63 bits", hint=hint, field=self.column)


def _running(words: Ints) -> Ints:
    prefix = np.zeros(len(words) + 1, dtype=np.int64)
    np.cumsum(words, out=prefix[1:])
    return prefix


@define(eq=False)
class Greatest:
    """A table of the greatest among 2^k events from each position; a window is covered by two of them."""

    levels: list[Ints]
    head: Ints

    @classmethod
    def of(cls, index: EventIndex, measure: Measure) -> "Greatest":
        levels = [index.events.words(measure)]
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
class ByTime:
    """For each position the newest event before it, or the oldest from it on, that holds a value."""

    words: Ints
    nearest: Ints
    head: Ints
    latest: bool

    @classmethod
    def of(cls, index: EventIndex, measure: Measure) -> "ByTime":
        words, latest = index.events.words(measure), measure.kind == "last"
        words = words[index.events.by_value(lambda tied: [words[tied] if latest else ~words[tied]])]
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
