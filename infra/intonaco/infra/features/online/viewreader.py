"""One entry at a time: the results that a read finds in it, and those that it has to merge."""

import sys
from collections.abc import Sequence
from typing import Any

from attrs import define, field

from intonaco.core.errors import CorruptError
from intonaco.infra.compute.timeline import NEVER
from intonaco.infra.features.defined.layout import Aggregate, Kept
from intonaco.infra.features.entries.keys import room_prefix, view_prefix
from intonaco.infra.features.entries.openentry import OpenEntry
from intonaco.infra.features.entries.resultvalues import of_code, result_of
from intonaco.infra.features.entries.shape import HEADER, LATEST, NEWEST, TAG, WORDS, Shape
from intonaco.infra.features.online.past import PastError
from intonaco.infra.features.online.plan import Output, ReadPlan, ViewPlan

__all__ = ["ViewReader", "other_layout"]

if sys.byteorder != "little":
    raise ImportError("online entries are read in place, which takes a little-endian machine")


@define(eq=False)
class ViewReader:
    """Finds the features of one view in entries.

    Parameters
    ----------
    prefix
        What the view's keys start with, apart from what those of all views of the plan do.
    wanted
        The results that the plan's features need, each once, in the order of entries.
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
        self.wanted = tuple(sorted(set(places)))
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
        PastError
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
        raise PastError.of(self.plan.view, "knows events up to", latest, at_us)

    def _after(self, entry: bytes, words: memoryview, before: int) -> list[Any]:
        """All events are usable: results, as far as their windows still are as they were."""
        shape = self.shape
        opened: OpenEntry | None = None
        values: list[Any] = []
        for place, kind, window in zip(self.wanted, self.kinds, self.windows, strict=True):
            if window < 0 or before < words[shape.untils + window]:
                values.append(result_of(kind, words[HEADER + place], entry, words[WORDS]))
                continue
            if before < words[shape.untils + len(shape.windows) + window]:
                values.append(result_of(kind, words[shape.later + place - shape.columns], entry, words[WORDS]))
                continue
            opened = opened or OpenEntry.of(shape, entry, words, before)
            assert isinstance(kind, Aggregate)
            values.append(opened.aggregate(kind))
        return values

    def _between(self, entry: bytes, words: memoryview, before: int) -> tuple[list[Any], int]:
        """The latest event is not usable yet, perhaps others too."""
        opened = OpenEntry.of(self.shape, entry, words, before)
        row = opened.newest()
        newest = max([words[NEWEST], *(event[0] for event in opened.events)])
        values: list[Any] = []
        for place, kind in zip(self.wanted, self.kinds, strict=True):
            if isinstance(kind, Kept):
                values.append(None if newest == NEVER else of_code(kind, row[2 + place], entry, words[WORDS]))
            else:
                values.append(opened.aggregate(kind))
        return values, newest


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
