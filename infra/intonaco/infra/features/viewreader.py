"""Taking the merged words of a view's features out of an online entry."""

import sys
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from attrs import define, field, frozen

from intonaco.core.errors import CorruptError, InvalidError
from intonaco.infra.compute.algebra import NONE, Measure
from intonaco.infra.compute.timeline import NEVER
from intonaco.infra.features.entry import HEADER, HORIZON, LATEST, NEWEST, PENDING, TAG, WORDS, Shape
from intonaco.infra.features.keys import view_prefix
from intonaco.infra.features.plan import Output, ViewPlan

__all__ = ["ViewReader", "Window"]

if sys.byteorder != "little":
    raise ImportError("online entries are read in place, which takes a little-endian machine")

_Words = memoryview
_TIME, _CREATED = 0, 1


@frozen(eq=False)
class Window:
    """One window of a view: the list of hops that it reads, and where the words of its measures are."""

    hops: int
    over_us: int
    hop_us: int
    merges: tuple[tuple[int, int, int], ...]


_ADD, _GREATEST, _LAST, _FIRST = range(4)


@define(eq=False)
class ViewReader:
    """Takes the words of one view's features out of entries."""

    plan: ViewPlan
    prefix: bytes
    shape: Shape
    windows: tuple[Window, ...]
    floats: tuple[int, ...]
    columns: tuple[int, ...]
    dtypes: tuple[str, ...] = field(init=False)
    empty: list[int] = field(init=False)
    unknown: tuple[list[int], list[Any], int] = field(init=False)

    @classmethod
    def of(cls, plan: ViewPlan, project: str) -> "ViewReader":
        shape = Shape(plan.layout)
        lists = {each.hop_us: number for number, each in enumerate(plan.layout.hops)}
        windows: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
        kept = [each.column for each in plan.layout.columns]
        for output in plan.outputs:
            if output.kind != "column":
                windows.setdefault((output.over_us, output.hop_us), []).extend(_merge(shape, measure) for measure in output.measures)
        made = tuple(Window(lists[hop], over, hop, tuple(dict.fromkeys(merges))) for (over, hop), merges in windows.items())
        read = [output for output in plan.outputs if output.kind == "column"]
        floats = tuple(dict.fromkeys(2 + kept.index(output.column) for output in read if output.dtype == "float64"))
        columns = tuple(dict.fromkeys(2 + kept.index(output.column) for output in read if output.dtype != "float64"))
        return cls(plan, view_prefix(project, plan.view, plan.version), shape, made, floats, columns)

    def __attrs_post_init__(self) -> None:
        self.dtypes = tuple(dtype for _, dtype in self.plan.keys)
        self.empty = [0 if how == _ADD else NONE for window in self.windows for how, _, _ in window.merges]
        self.empty += [NONE] * len(self.floats)
        self.unknown = (self.empty, [None] * len(self.columns), NEVER)

    def place_of_column(self, column: str) -> int:
        """Where the value of a column that is not float stands among the kept values that `words` gives."""
        names = [kept.column for kept in self.plan.layout.columns]
        return self.columns.index(2 + names.index(column))

    def place(self, output: Output) -> list[int]:
        """Where a feature's words stand among those that `words` gives: a window's measures, or the code of a float column."""
        if output.kind == "column":
            names = [kept.column for kept in self.plan.layout.columns]
            return [len(self.empty) - len(self.floats) + self.floats.index(2 + names.index(output.column))]
        wanted = [_merge(self.shape, measure) for measure in output.measures]
        start = 0
        for window in self.windows:
            if (window.over_us, window.hop_us) == (output.over_us, output.hop_us):
                return [start + window.merges.index(merge) for merge in wanted]
            start += len(window.merges)
        raise AssertionError("every window of the plan was compiled")

    def words(self, entry: bytes, at_us: int, before: int, firsts: Sequence[int]) -> tuple[list[int], list[Any], int]:
        """Merged words of windows and codes of float columns, values of other columns, and the newest usable event time.

        Parameters
        ----------
        before
            The cut of the read.
        firsts
            The number of the first hop of each of the windows.
        """
        shape = self.shape
        whole = memoryview(entry)
        words = whole[: len(entry) & ~7].cast("q")
        if words[TAG] != shape.tag:
            raise CorruptError(f"an online entry of {self.plan.view!r} is of another format or layout", hint="materialize the view anew")
        if before < words[HORIZON]:
            self._refuse(at_us, words[LATEST])
        counts = words[HEADER : shape.start].tolist()
        total = sum(counts)
        behind = shape.start + total * (1 + shape.words)
        newest = words[NEWEST]
        pending = self._usable(words, behind + shape.newest, before) if words[PENDING] else ()
        for event in pending:
            newest = max(newest, event[_TIME])
        merged = self._merged(words, counts, total, firsts, pending)
        if not shape.columns or not (self.floats or self.columns):
            return merged, [], newest
        row = self._newest(whole, words, behind, pending)
        merged += [row[column] for column in self.floats]
        return merged, [self._value(column, row[column], whole[8 * words[WORDS] :]) for column in self.columns], newest

    def _refuse(self, at_us: int, latest: int) -> None:
        raise InvalidError(
            f"feature view {self.plan.view!r} knows events up to {latest} and cannot be read online as of {at_us}",
            hint="read the past offline: --offline",
            field="at",
        )

    def _usable(self, words: _Words, start: int, before: int) -> tuple[list[int], ...]:
        size = self.shape.event
        rows = [words[start + number * size : start + (number + 1) * size].tolist() for number in range(words[PENDING])]
        return tuple(row for row in rows if row[_TIME] < before)

    def _merged(self, words: _Words, counts: list[int], total: int, firsts: Sequence[int], pending: tuple[list[int], ...]) -> list[int]:
        merged: list[int] = []
        add = merged.append
        starts = [self.shape.start]
        for count in counts:
            starts.append(starts[-1] + count)
        oldest = min(event[_TIME] for event in pending) if pending else 0
        for window, first in zip(self.windows, firsts, strict=True):
            start, end = starts[window.hops], starts[window.hops + 1]
            found = bisect_left(words, first, start, end)
            inside = pending
            if pending and oldest < first * window.hop_us:
                inside = tuple(event for event in pending if event[_TIME] >= first * window.hop_us)
            before, last = found - 1, end - 1
            for how, word, event_word in window.merges:
                shift = (1 + word) * total
                if how == _ADD:
                    value = words[shift + last] - words[shift + before]
                    for event in inside:
                        value += event[event_word]
                else:
                    value = _extreme(how, words, shift, found, end, total, event_word, inside)
                add(value)
        return merged

    def _newest(self, whole: _Words, words: _Words, behind: int, pending: tuple[list[int], ...]) -> list[int]:
        """The words of the newest usable event, of those of one time the one that is greatest."""
        size = self.shape.newest
        folded = words[behind : behind + size].tolist()
        if not pending:
            return folded
        rows = [folded, *(event[:size] for event in pending)]
        texts = whole[8 * words[WORDS] :]
        return max(rows, key=lambda row: tuple(self._comparable(row, texts)))

    def _comparable(self, row: list[int], texts: memoryview) -> list[Any]:
        plain: list[Any] = list(row)
        for column in self.shape.texts:
            value = self._value(column, row[column], texts)
            plain[column] = (value is not None, value or b"")
        return plain

    def _value(self, column: int, word: int, texts: memoryview) -> Any:
        if word == NONE or column not in self.shape.texts:
            return None if word == NONE else word
        return bytes(texts[word >> 32 : (word >> 32) + (word & 0xFFFF_FFFF)])


def _merge(shape: Shape, measure: Measure) -> tuple[int, int, int]:
    """How a measure merges, its word in a hop, and its word in a pending event."""
    number = shape.layout.measures.index(measure)
    how = _ADD if measure.adds else (_LAST if measure.kind == "last" else _FIRST) if measure.by_time else _GREATEST
    return how, shape.places()[number], 2 + shape.columns + number


def _extreme(how: int, words: _Words, shift: int, found: int, end: int, total: int, event_word: int, pending: Sequence[list[int]]) -> int:
    """The greatest word, or the value of the newest or oldest event that holds one."""
    if how == _GREATEST:
        return max([NONE, *words[shift + found : shift + end], *(event[event_word] for event in pending)])
    candidates = [
        (words[shift + hop], words[shift + total + hop], words[shift + 2 * total + hop])
        for hop in range(found, end)
        if words[shift + 2 * total + hop] != NONE
    ]
    for event in pending:
        if event[event_word] != NONE:
            time, created = event[_TIME], event[_CREATED]
            candidates.append((~time, ~created, event[event_word]) if how == _FIRST else (time, created, event[event_word]))
    return max(candidates)[2] if candidates else NONE
