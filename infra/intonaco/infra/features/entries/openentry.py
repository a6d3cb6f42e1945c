"""One entry opened for one cut: what is merged of its hops and events where its results do not hold."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from attrs import define, field

from intonaco.infra.compute.measures import NONE, Measure
from intonaco.infra.compute.scalars import finalize_one, wrapped
from intonaco.infra.compute.timeline import NEVER, tail
from intonaco.infra.features.defined.layout import Aggregate
from intonaco.infra.features.entries.folding import merge_state
from intonaco.infra.features.entries.hopcolumns import columns_of_one
from intonaco.infra.features.entries.results import finalized
from intonaco.infra.features.entries.resultvalues import bytes_at
from intonaco.infra.features.entries.shape import LATEST, NEWEST, PENDING, WORDS, Shape

__all__ = ["OpenEntry"]

_TIME, _CREATED = 0, 1
_LENGTH = 0xFFFF_FFFF


@define(eq=False)
class OpenEntry:
    """The lists of hops of an entry, and the events that a cut has to heed.

    Parameters
    ----------
    starts
        At which hop each list begins, and after the last where it ends.
    columns
        Of each column of hops the numbers among which it is, and where it begins.
    states
        Where the states begin.
    folded
        The words of the newest event before the horizon; empty if there is none.
    events
        Those at or after the horizon that lie before the cut.
    """

    shape: Shape
    whole: bytes
    words: memoryview
    before: int
    starts: list[int]
    columns: list[tuple[memoryview, int]]
    states: int
    folded: list[int]
    events: list[list[int]]
    #: Of the windows that were looked for: where their hops begin and end, and the events inside.
    _inside: dict[tuple[int, int], tuple[int, int, list[list[int]]]] = field(factory=dict, init=False)

    @classmethod
    def of(cls, shape: Shape, whole: bytes, words: memoryview, before: int) -> "OpenEntry":
        """Open an entry, whose words are these."""
        counts = words[shape.counts : shape.first].tolist()
        starts = [0, *accumulate(counts)]
        columns, behind = columns_of_one(words, shape.head, 1 + shape.words, starts[-1])
        folded: list[int] = []
        if shape.columns and words[NEWEST] != NEVER:
            folded = [words[NEWEST], *words[behind : behind + shape.newest - 1].tolist()]
            behind += shape.newest - 1
        events, size = [], shape.event
        for _ in range(words[PENDING] - 1):
            events.append(words[behind : behind + size].tolist())
            behind += size
        events = [event for event in events if event[_TIME] < before]
        if words[LATEST] < before:
            prepared = words[shape.first + 1 : shape.head].tolist()
            events.append([words[LATEST], words[shape.first], *[NONE] * shape.columns, *prepared])
        return cls(shape, whole, words, before, starts, columns, behind, folded, events)

    def newest(self) -> list[int]:
        """The words of the newest usable event, of those of one time the one that is greatest."""
        size = self.shape.newest
        rows = [*([self.folded] if self.folded else []), *(event[:size] for event in self.events)]
        return max(rows, key=lambda row: self._comparable(row), default=[])

    def _comparable(self, row: list[int]) -> tuple[Any, ...]:
        plain: list[Any] = list(row)
        for column in self.shape.texts:
            plain[column] = bytes_at(row[column], self.whole, self.words[WORDS])
            plain[column] = (plain[column] is not None, plain[column] or b"")
        return tuple(plain)

    def aggregate(self, kind: Aggregate) -> Any:
        """An aggregate of its window."""
        window = (kind.over_us, kind.hop_us)
        if window not in self._inside:
            self._inside[window] = self._window(kind)
        found, end, events = self._inside[window]
        measures = self.shape.layout.measures
        numbers = [measures.index(measure) for measure in kind.measures]
        if measures[numbers[0]].varies:
            return self._varying(kind, numbers[0], found, end, events)
        words = [self._word(number, found, end, events) for number in numbers]
        return finalize_one(kind.kind, words, kind.resolution, kind.floats)

    def _window(self, kind: Aggregate) -> tuple[int, int, list[list[int]]]:
        """The hops and the events that a window holds."""
        shape, number = self.shape, self.shape.windows.index((kind.over_us, kind.hop_us))
        first, place = tail(self.before, kind.over_us, kind.hop_us), shape.window_lists[number]
        start, end = self.starts[place : place + 2]
        numbers, begin = self.columns[0]
        wanted = first * shape.window_hops[number] - self.words[LATEST] // shape.units_us[place]
        found = bisect_left(numbers, wanted, begin + start + 1, begin + end) - begin
        return found, end, [event for event in self.events if event[_TIME] >= first * kind.hop_us]

    def _word(self, number: int, found: int, end: int, events: Sequence[list[int]]) -> int:
        """One measure, merged."""
        shape, measure = self.shape, self.shape.layout.measures[number]
        words, begin = self.columns[1 + shape.places[number]]
        place = 2 + shape.columns + number
        if measure.adds:
            return wrapped(words[begin + end - 1] - words[begin + found - 1] + sum(event[place] for event in events))
        if not measure.by_time:
            return max([NONE, *words[begin + found : begin + end], *(event[place] for event in events)])
        parts = self.columns[1 + shape.places[number] :][:3]
        rows = [row for row in zip(*(part[at + found : at + end] for part, at in parts), strict=True) if row[2] != NONE]
        rows += [_when(measure, event, event[place]) for event in events if event[place] != NONE]
        return max(rows)[2] if rows else NONE

    def _varying(self, kind: Aggregate, number: int, found: int, end: int, events: Sequence[list[int]]) -> Any:
        """An aggregate of states that vary in length."""
        shape, measure = self.shape, self.shape.layout.measures[number]
        words, begin = self.columns[1 + shape.places[number]]
        pointers = words[begin + found : begin + end].tolist()
        states = [self.words[self.states + (at >> 32) : self.states + (at >> 32) + (at & _LENGTH)] for at in pointers]
        rows = _flat(states)
        place = 2 + shape.columns + number
        held = [event for event in events if event[place] != NONE]
        if measure.binned:
            rows = np.concatenate([rows, np.array([event[place] for event in held], dtype=np.int64)])
        else:
            new = np.array([(event[_TIME], event[_CREATED], event[place]) for event in held], dtype=np.int64).reshape(-1, 3)
            rows = np.concatenate([rows.reshape(-1, 3), new])
        groups, rows = merge_state(measure, np.zeros(len(rows), dtype=np.int64), rows)
        merged, null, values = finalized(shape, kind, np.zeros((1, shape.words), dtype=np.int64), {number: (groups, rows)})
        if values is not None:
            return tuple((values.view(np.float64) if kind.floats else values).tolist())
        return None if null[0] else float(merged.view(np.float64)[0])


def _flat(states: Sequence[memoryview]) -> Any:
    return np.frombuffer(b"".join(states), dtype=np.int64)


def _when(measure: Measure, event: list[int], value: int) -> tuple[int, int, int]:
    time, created = event[_TIME], event[_CREATED]
    return (~time, ~created, value) if measure.kind == "first" else (time, created, value)
