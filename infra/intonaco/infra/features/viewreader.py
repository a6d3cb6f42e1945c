"""One entry at a time: the results that a read finds in it, and those that it has to merge."""

import sys
from bisect import bisect_left
from collections.abc import Sequence
from struct import Struct
from typing import Any

import numpy as np
from attrs import define, field, frozen

from intonaco.core.errors import CorruptError, InvalidError
from intonaco.infra.compute.measures import NONE, Measure
from intonaco.infra.compute.scalars import finalize_one, unordered_one, wrapped
from intonaco.infra.compute.timeline import NEVER, tail
from intonaco.infra.features.folding import merge_state
from intonaco.infra.features.keys import room_prefix, view_prefix
from intonaco.infra.features.layout import Aggregate, Kept
from intonaco.infra.features.plan import Output, ReadPlan, ViewPlan
from intonaco.infra.features.results import finalized
from intonaco.infra.features.shape import HEADER, LATEST, NEWEST, PENDING, TAG, TEXTS, WORDS, Shape, holds_floats

__all__ = ["ViewReader", "other_layout", "result_of"]

if sys.byteorder != "little":
    raise ImportError("online entries are read in place, which takes a little-endian machine")

_Words = memoryview
#: Of the windows that were looked for: where their hops begin and end, and the events inside.
_Windows = dict[tuple[int, int], tuple[int, int, list[list[int]]]]
_TIME, _CREATED = 0, 1
_LENGTH = 0xFFFF_FFFF
_INTEGER, _FLOAT = Struct("<q"), Struct("<d")


@frozen(eq=False)
class _Parts:
    """An entry of which something has to be merged: its lists of hops, and the events that it has to heed."""

    whole: bytes
    words: _Words
    starts: list[int]
    total: int
    states: int
    newest: list[int]
    events: list[list[int]]


@define(eq=False)
class ViewReader:
    """Finds the features of one view in entries.

    Parameters
    ----------
    prefix
        What the view's keys start with, apart from what those of all views of the plan do.
    wanted
        The results that the plan's features need, each once.
    slots
        For each feature of the plan which of them it is.
    """

    plan: ViewPlan
    prefix: bytes
    shape: Shape
    wanted: tuple[int, ...] = field(init=False)
    slots: tuple[int, ...] = field(init=False)
    windows: tuple[int, ...] = field(init=False)
    kinds: tuple[Kept | Aggregate, ...] = field(init=False)

    @classmethod
    def all_of(cls, plan: ReadPlan) -> tuple[bytes, "tuple[ViewReader, ...]"]:
        """What all keys of a plan start with, and the readers of its views."""
        prefixes = [view_prefix(plan.project, view.view, view.version) for view in plan.views]
        shared = room_prefix(plan.project)
        readers = [cls(view, prefix[len(shared) :], Shape(view.layout)) for view, prefix in zip(plan.views, prefixes, strict=True)]
        return shared, tuple(readers)

    def __attrs_post_init__(self) -> None:
        results = self.shape.results
        places = [_place(results, output) for output in self.plan.outputs]
        self.wanted = tuple(dict.fromkeys(places))
        self.slots = tuple(self.wanted.index(place) for place in places)
        self.kinds = tuple(results[place] for place in self.wanted)
        self.windows = tuple(-1 if isinstance(each, Kept) else self.shape.windows.index((each.over_us, each.hop_us)) for each in self.kinds)

    def values(self, entry: bytes, at_us: int) -> tuple[list[Any], int]:
        """Values of the wanted results, None where null, and the time of the newest usable event.

        Floats and whole numbers are such, texts bytes, lists tuples.

        Raises
        ------
        CorruptError
            The entry is of another format or layout.
        InvalidError
            The moment lies before the newest event.
        """
        words = memoryview(entry)[: len(entry) & ~7].cast("q")
        if words[TAG] != self.shape.tag:
            raise other_layout(self.plan.view)
        before, latest = at_us - self.shape.layout.delay_us, words[LATEST]
        if at_us < latest:
            self._refuse(at_us, latest)
        if before > latest:
            return self._after(entry, words, before), latest
        return self._between(entry, words, before)

    def _refuse(self, at_us: int, latest: int) -> None:
        raise InvalidError(
            f"feature view {self.plan.view!r} knows events up to {latest} and cannot be read online as of {at_us}",
            hint="read the past offline: --offline",
            field="at",
        )

    def _after(self, entry: bytes, words: _Words, before: int) -> list[Any]:
        """All events are usable: results, as far as their windows still are as they were."""
        shape, parts = self.shape, None
        values: list[Any] = []
        merged: _Windows = {}
        for place, kind, window in zip(self.wanted, self.kinds, self.windows, strict=True):
            if window < 0 or before < words[shape.untils + window]:
                values.append(result_of(kind, words[HEADER + place], entry, words[WORDS]))
                continue
            if before < words[shape.untils + len(shape.windows) + window]:
                values.append(result_of(kind, words[shape.later + place - shape.columns], entry, words[WORDS]))
                continue
            if parts is None:
                parts = self._parts(entry, words, before)
            assert isinstance(kind, Aggregate)
            values.append(self._merged(parts, kind, before, merged))
        return values

    def _between(self, entry: bytes, words: _Words, before: int) -> tuple[list[Any], int]:
        """The latest event is not usable yet, perhaps others too."""
        parts = self._parts(entry, words, before)
        newest = max([words[NEWEST], *(event[_TIME] for event in parts.events)])
        row = self._newest(parts)
        values: list[Any] = []
        merged: _Windows = {}
        for place, kind in zip(self.wanted, self.kinds, strict=True):
            if isinstance(kind, Kept):
                values.append(None if newest == NEVER else _of_code(kind, row[2 + place], entry, words[WORDS]))
            else:
                values.append(self._merged(parts, kind, before, merged))
        return values, newest

    def _parts(self, entry: bytes, words: _Words, before: int) -> _Parts:
        shape = self.shape
        counts = words[shape.counts : shape.first].tolist()
        starts = [shape.head]
        for count in counts:
            starts.append(starts[-1] + count)
        total = starts[-1] - shape.head
        behind = shape.head + total * (1 + shape.words)
        newest: list[int] = []
        if shape.columns and words[NEWEST] != NEVER:
            newest = [words[NEWEST], *words[behind : behind + shape.newest - 1].tolist()]
            behind += shape.newest - 1
        events, size = [], shape.event
        for _ in range(words[PENDING] - 1):
            events.append(words[behind : behind + size].tolist())
            behind += size
        events = [event for event in events if event[_TIME] < before]
        if words[LATEST] < before:
            prepared = words[shape.first + 1 : shape.head].tolist()
            events.append([words[LATEST], words[shape.first], *[NONE] * shape.columns, *prepared])
        return _Parts(entry, words, starts, total, behind, newest, events)

    def _newest(self, parts: _Parts) -> list[int]:
        """The words of the newest usable event, of those of one time the one that is greatest."""
        size = self.shape.newest
        rows = [*([parts.newest] if parts.newest else []), *(event[:size] for event in parts.events)]
        return max(rows, key=lambda row: self._comparable(row, parts), default=[])

    def _comparable(self, row: list[int], parts: _Parts) -> tuple[Any, ...]:
        plain: list[Any] = list(row)
        for column in self.shape.texts:
            plain[column] = _bytes_at(row[column], parts.whole, parts.words[WORDS])
            plain[column] = (plain[column] is not None, plain[column] or b"")
        return tuple(plain)

    def _merged(self, parts: _Parts, kind: Aggregate, before: int, known: _Windows) -> Any:
        """The aggregate of a window that ends at the cut."""
        window = (kind.over_us, kind.hop_us)
        if window not in known:
            known[window] = self._inside(parts, kind, before)
        found, end, events = known[window]
        measures = self.shape.layout.measures
        numbers = [measures.index(measure) for measure in kind.measures]
        if measures[numbers[0]].varies:
            return self._varying(parts, kind, numbers[0], found, end, events)
        words = [self._word(parts, number, found, end, events) for number in numbers]
        return finalize_one(kind.kind, words, kind.resolution, kind.floats)

    def _inside(self, parts: _Parts, kind: Aggregate, before: int) -> tuple[int, int, list[list[int]]]:
        """The hops and the events that a window holds."""
        first = tail(before, kind.over_us, kind.hop_us)
        number = self.shape.hops_us.index(kind.hop_us)
        start, end = parts.starts[number : number + 2]
        oldest = first * kind.hop_us
        return bisect_left(parts.words, first, start, end), end, [event for event in parts.events if event[_TIME] >= oldest]

    def _word(self, parts: _Parts, number: int, found: int, end: int, events: Sequence[list[int]]) -> int:
        """One measure, merged."""
        shape, measure = self.shape, self.shape.layout.measures[number]
        words, shift = parts.words, (1 + shape.places[number]) * parts.total
        place = 2 + shape.columns + number
        if measure.adds:
            return wrapped(words[shift + end - 1] - words[shift + found - 1] + sum(event[place] for event in events))
        if not measure.by_time:
            return max([NONE, *words[shift + found : shift + end], *(event[place] for event in events)])
        total = parts.total
        rows = [
            (words[shift + hop], words[shift + total + hop], words[shift + 2 * total + hop])
            for hop in range(found, end)
            if words[shift + 2 * total + hop] != NONE
        ]
        rows += [_when(measure, event, event[place]) for event in events if event[place] != NONE]
        return max(rows)[2] if rows else NONE

    def _varying(self, parts: _Parts, kind: Aggregate, number: int, found: int, end: int, events: Sequence[list[int]]) -> Any:
        """An aggregate of states that vary in length."""
        shape, measure = self.shape, self.shape.layout.measures[number]
        shift = (1 + shape.places[number]) * parts.total
        pointers = parts.words[shift + found : shift + end].tolist()
        states = [parts.words[parts.states + (at >> 32) : parts.states + (at >> 32) + (at & _LENGTH)] for at in pointers]
        rows = _flat(states)
        place = 2 + shape.columns + number
        held = [event for event in events if event[place] != NONE]
        if measure.binned:
            rows = np.concatenate([rows, np.array([event[place] for event in held], dtype=np.int64)])
        else:
            new = np.array([(event[_TIME], event[_CREATED], event[place]) for event in held], dtype=np.int64).reshape(-1, 3)
            rows = np.concatenate([rows.reshape(-1, 3), new])
        groups, rows = merge_state(measure, np.zeros(len(rows), dtype=np.int64), rows)
        words, null, values = finalized(shape, kind, np.zeros((1, shape.words), dtype=np.int64), {number: (groups, rows)})
        if values is not None:
            return tuple((values.view(np.float64) if kind.floats else values).tolist())
        return None if null[0] else float(words.view(np.float64)[0])


def other_layout(view: str) -> CorruptError:
    """What to say of an entry that is of another format or layout."""
    return CorruptError(
        f"an online entry of {view!r} is of another format or layout than the view's", hint="materialize the view anew, under a new version"
    )


def _place(results: Sequence[Kept | Aggregate], output: Output) -> int:
    """Which result a feature is."""
    for place, each in enumerate(results):
        if isinstance(each, Kept):
            if output.kind == "column" and each.column == output.column:
                return place
        elif all(getattr(each, name) == getattr(output, name) for name in _SAME):
            return place
    raise AssertionError("every feature of the plan is in its layout")


_SAME = ("kind", "column", "over_us", "hop_us", "resolution", "floats", "parameters")


def _flat(states: Sequence[_Words]) -> Any:
    return np.frombuffer(b"".join(states), dtype=np.int64)


def _when(measure: Measure, event: list[int], value: int) -> tuple[int, int, int]:
    time, created = event[_TIME], event[_CREATED]
    return (~time, ~created, value) if measure.kind == "first" else (time, created, value)


def _bytes_at(word: int, whole: bytes, words: int) -> bytes | None:
    start = 8 * words + (word >> 32)
    return None if word == NEVER else whole[start : start + (word & _LENGTH)]


def result_of(kind: Kept | Aggregate, word: int, whole: bytes, words: int) -> Any:
    """The value of a result; None where null."""
    if holds_floats(kind):
        value = _FLOAT.unpack(_INTEGER.pack(word))[0]
        return value if value == value else None
    if isinstance(kind, Aggregate) and kind.kind == "last_k":
        listed = np.frombuffer(_bytes_at(word, whole, words) or b"", dtype=np.int64)
        return tuple((listed.view(np.float64) if kind.floats else listed).tolist())
    if isinstance(kind, Kept) and kind.dtype in TEXTS:
        return _bytes_at(word, whole, words)
    return None if word == NEVER else word


def _of_code(kept: Kept, code: int, whole: bytes, words: int) -> Any:
    """The value of a column of an event, where floats are ordered codes."""
    if code == NEVER:
        return None
    return unordered_one(code) if holds_floats(kept) else result_of(kept, code, whole, words)
