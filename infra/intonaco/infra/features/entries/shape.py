"""Where things lie in the online entries of a view, and the entries of some entities taken apart."""

from collections.abc import Sequence

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from intonaco.infra.features.defined.layout import Aggregate, Hops, Kept, Layout

__all__ = [
    "BATCH",
    "ENDLESS",
    "FORMAT",
    "HEADER",
    "LATER_NULLS",
    "LATEST",
    "NEWEST",
    "NULLS",
    "PENDING",
    "PUSHED",
    "TAG",
    "TEXTS",
    "UNTIL",
    "WIDTHS",
    "WORDS",
    "Entries",
    "HopRows",
    "Shape",
    "States",
    "places_of",
    "ragged",
    "run_starts",
]

Ints = NDArray[np.int64]
#: Of each measure that varies in length its states: the row of the hop or event of each word or row, ascending, and these.
States = dict[int, tuple[Ints, Ints]]

FORMAT = 3
HEADER = 11
TAG, LATEST, UNTIL, NULLS, LATER_NULLS, NEWEST, BATCH, PUSHED, PENDING, WORDS, WIDTHS = range(HEADER)
#: A moment after all moments.
ENDLESS = 2**63 - 1
TEXTS = ("str", "bytes", "json")


@frozen
class Shape:
    """Where things lie in the entries of a layout.

    The head of an entry is of one length: header, results, later results, the moments until which windows hold, counts, and what
    the newest event has beside its time and columns, which are results.

    Parameters
    ----------
    lists
        The lists of hops, each by the sizes that hops have in it, finest first: its unit.
    window_lists, window_hops
        Of each window its list, and its hop in units of that.
    """

    layout: Layout
    lists: tuple[tuple[Hops, ...], ...] = field(init=False)
    units_us: tuple[int, ...] = field(init=False)
    columns: int = field(init=False)
    windows: tuple[tuple[int, int], ...] = field(init=False)
    window_lists: tuple[int, ...] = field(init=False)
    window_hops: tuple[int, ...] = field(init=False)
    words: int = field(init=False)
    places: tuple[int, ...] = field(init=False)
    adding: NDArray[np.intp] = field(init=False, eq=False)
    only_sums: bool = field(init=False)
    varying: tuple[int, ...] = field(init=False)
    texts: tuple[int, ...] = field(init=False)
    floating: NDArray[np.intp] = field(init=False, eq=False)
    tag: int = field(init=False)
    later: int = field(init=False)
    untils: int = field(init=False)
    counts: int = field(init=False)
    first: int = field(init=False)
    head: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        layout = self.layout
        sizes = [measure.words for measure in layout.measures]
        places = tuple(sum(sizes[:number]) for number in range(len(sizes)))
        adding = [place for place, measure in zip(places, layout.measures, strict=True) if measure.adds]
        later = HEADER + len(layout.columns) + len(layout.aggregates)
        untils = later + len(layout.aggregates)
        counts = untils + 2 * len(layout.windows)
        lists = layout.lists
        units_us = tuple(each[0].hop_us for each in lists)
        home = {hops.hop_us: number for number, each in enumerate(lists) for hops in each}
        values = {
            "lists": lists,
            "units_us": units_us,
            "columns": len(layout.columns),
            "windows": layout.windows,
            "window_lists": tuple(home[hop_us] for _, hop_us in layout.windows),
            "window_hops": tuple(hop_us // units_us[home[hop_us]] for _, hop_us in layout.windows),
            "words": sum(sizes),
            "places": places,
            "adding": np.array(adding, dtype=np.intp),
            "only_sums": len(adding) == sum(sizes),
            "varying": tuple(number for number, measure in enumerate(layout.measures) if measure.varies),
            "texts": tuple(2 + number for number, kept in enumerate(layout.columns) if kept.dtype in TEXTS),
            "floating": np.array([2 + number for number, kept in enumerate(layout.columns) if holds_floats(kept)], dtype=np.intp),
            "tag": (layout.fingerprint << 32 | FORMAT) - (1 << 64 if layout.fingerprint >> 31 else 0),
            "later": later,
            "untils": untils,
            "counts": counts,
            "first": counts + len(lists),
            "head": counts + len(lists) + 1 + len(layout.measures),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def newest(self) -> int:
        """Words of the newest event before the horizon."""
        return 2 + self.columns if self.columns else 0

    @property
    def event(self) -> int:
        """Words of a pending event."""
        return 2 + self.columns + len(self.layout.measures)

    @property
    def results(self) -> tuple[Kept | Aggregate, ...]:
        """What each result is of, in order."""
        return (*self.layout.columns, *self.layout.aggregates)

    def latest_units(self, latest: Ints) -> Ints:
        """In which unit of each list the latest events are; shape (entities, lists)."""
        return latest[:, None] // np.array(self.units_us, dtype=np.int64)

    def place_of(self, measure: int) -> int:
        """The word of a hop that holds the value of a measure."""
        return self.places[measure] + (2 if self.layout.measures[measure].by_time else 0)


def holds_floats(result: Kept | Aggregate) -> bool:
    """Whether the word of a result is the bits of a float."""
    if isinstance(result, Kept):
        return result.dtype.startswith("float")
    return not result.whole and result.kind != "last_k"


@frozen(eq=False)
class HopRows:
    """Hops with their measures.

    Parameters
    ----------
    groups, indices : shape (hops,)
        Entity * lists + list, and where the hop begins, in units of the list.
    measures : shape (hops, words)
        Of each hop by itself; 0 in the words of measures that vary in length.
    states
        Of those measures; rows are hops.
    """

    groups: Ints
    indices: Ints
    measures: Ints
    states: States


@define(eq=False)
class Entries:
    """The entries of some entities, taken apart.

    Parameters
    ----------
    header : shape (entities, HEADER)
    hops
        Ascending by group and number, each once.
    newest : shape (entities, newest)
        The newest event before the horizon; its time is NEVER where there is none.
    owners : shape (pending,)
        The entity of each event at or after the horizon, ascending.
    pending : shape (pending, event)
        Event time, creation time, values, prepared measures; of each entity the newest first.
    """

    header: Ints
    hops: HopRows
    newest: Ints
    owners: Ints
    pending: Ints


def places_of(numbers: Sequence[int]) -> slice | NDArray[np.intp]:
    """An index of rows in ascending order: a slice, which copies nothing, where they follow each other."""
    first, count = (numbers[0], len(numbers)) if numbers else (0, 0)
    return slice(first, first + count) if list(numbers) == list(range(first, first + count)) else np.array(numbers, dtype=np.intp)


def run_starts(groups: Ints) -> NDArray[np.intp]:
    """Where among ascending groups each begins."""
    begins = np.empty(len(groups), dtype=np.bool_)
    begins[:1] = True
    np.not_equal(groups[1:], groups[:-1], out=begins[1:])
    return np.flatnonzero(begins)


def ragged(counts: Ints) -> Ints:
    """0, 1, ... for each count, one behind the other."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)
