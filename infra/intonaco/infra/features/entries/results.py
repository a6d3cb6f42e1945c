"""The results in an entry: the features of its entity just after the newest event, and until when they hold.

A read whose cut lies after the newest event and before a window's end of validity takes the window's features as they are. Such
a window is at its fullest: it loses hops as the cut moves on. What it is after the first loss stands beside, for between two
events a window loses one hop in the mean; what it is after more is merged by the read.
"""

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from intonaco.infra.compute.algebra import NONE, finalize, unordered
from intonaco.infra.compute.sketches import finalize_bins
from intonaco.infra.compute.timeline import NEVER, tail
from intonaco.infra.features.defined.layout import Aggregate
from intonaco.infra.features.entries.folding import event_rows, joined, merge_hops, merge_runs
from intonaco.infra.features.entries.shape import ENDLESS, HEADER, LATEST, Entries, HopRows, Shape, States, holds_floats, run_starts

__all__ = ["Finalized", "Results", "aggregates_at", "finalized", "results"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
#: Words of an aggregate, where each is null, and of a list the values of all, one behind the other, with the words as lengths.
Finalized = tuple[Ints, Bools, Ints | None]


@frozen(eq=False)
class Results:
    """Results of entities, and what they are later.

    Parameters
    ----------
    words, nulls : shape (entities, results and later results)
        A text is its position as in `pending`, a list its length.
    untils : shape (entities, windows and windows later)
        The moments until which windows hold.
    lists
        The values of results that are lists, by their place.
    """

    words: Ints
    nulls: Bools
    untils: Ints
    lists: dict[int, Ints]


def results(shape: Shape, entries: Entries) -> Results:
    """The results of entries."""
    made = _blank(shape, len(entries.header))
    _columns(shape, entries, made)
    if shape.windows and len(entries.owners):
        hops = _with_pending(shape, entries)
        for number in range(len(shape.windows)):
            inside = _inside(shape, number, entries.header[:, LATEST] + 1, hops)
            _window(shape, number, 0, hops, inside, made)
            _window(shape, number, 1, hops, _without_first(shape, number, hops, inside), made)
    return made


def aggregates_at(shape: Shape, entries: Entries, cuts: Ints) -> Results:
    """Aggregates of entities as of cuts after their newest events; columns are left out."""
    made, hops = _blank(shape, len(entries.header)), _with_pending(shape, entries)
    for number in range(len(shape.windows)):
        _window(shape, number, 0, hops, _inside(shape, number, cuts, hops), made)
    return made


def _blank(shape: Shape, count: int) -> Results:
    words = np.full((count, shape.untils - HEADER), NEVER, dtype=np.int64)
    untils = np.full((count, 2 * len(shape.windows)), ENDLESS, dtype=np.int64)
    return Results(words, np.ones(words.shape, dtype=np.bool_), untils, {})


def _with_pending(shape: Shape, entries: Entries) -> HopRows:
    """All hops, those of pending events too."""
    return merge_hops(shape, joined(entries.hops, event_rows(shape, entries.owners, entries.pending, shape.units_us)))


def _columns(shape: Shape, entries: Entries, made: Results) -> None:
    """Columns of the newest event of each entity."""
    if not shape.columns or not len(entries.owners):
        return
    first = run_starts(entries.owners)
    values = entries.pending[first, 2 : 2 + shape.columns]
    made.nulls[entries.owners[first], : shape.columns] = values == NEVER
    if len(shape.floating):
        values = values.copy()
        values[:, shape.floating - 2] = unordered(values[:, shape.floating - 2], True).view(np.int64)
    made.words[entries.owners[first], : shape.columns] = values


def _inside(shape: Shape, number: int, cuts: Ints, hops: HopRows) -> NDArray[np.intp]:
    """The hops that a window holds as of each entity's cut."""
    lists, firsts = len(shape.lists), tail(cuts, *shape.windows[number]) * shape.window_hops[number]
    if lists == 1:
        return np.flatnonzero(hops.indices >= firsts[hops.groups])
    return np.flatnonzero((hops.groups % lists == shape.window_lists[number]) & (hops.indices >= firsts[hops.groups // lists]))


def _without_first(shape: Shape, number: int, hops: HopRows, inside: NDArray[np.intp]) -> NDArray[np.intp]:
    """The hops that a window holds once it has lost the first one of its own size, which finer ones may make up."""
    groups, indices = hops.groups[inside], hops.indices[inside] // shape.window_hops[number]
    starts = run_starts(groups)
    return inside[indices > np.repeat(indices[starts], np.diff(starts, append=len(groups)))]


def _window(shape: Shape, number: int, later: int, hops: HopRows, inside: NDArray[np.intp], into: Results) -> None:
    """Fill in the results of one window that holds these hops."""
    over, hop = shape.windows[number]
    groups = hops.groups[inside]
    starts = run_starts(groups)
    measures, states = merge_runs(shape, hops.measures[inside], starts, _within(hops.states, inside, len(hops.groups)))
    found = groups[starts] // len(shape.lists)
    into.untils[found, later * len(shape.windows) + number] = (hops.indices[inside[starts]] // shape.window_hops[number] + 1) * hop + over
    for which, aggregate in enumerate(shape.layout.aggregates, start=shape.columns + later * len(shape.layout.aggregates)):
        if (aggregate.over_us, aggregate.hop_us) == (over, hop):
            if len(found) < len(into.words):
                into.words[:, which], into.nulls[:, which] = _of_nothing(shape, aggregate)
            into.words[found, which], into.nulls[found, which], listed = finalized(shape, aggregate, measures, states)
            if listed is not None:
                into.lists[which] = listed


def _of_nothing(shape: Shape, aggregate: Aggregate) -> tuple[int, bool]:
    """The word of an aggregate of an empty window, and whether it is null."""
    measures = np.full((1, shape.words), NONE, dtype=np.int64)
    measures[:, shape.adding] = 0
    none = np.zeros(0, dtype=np.int64)
    states = {number: (none, none if shape.layout.measures[number].binned else none.reshape(0, 3)) for number in shape.varying}
    words, nulls, _ = finalized(shape, aggregate, measures, states)
    return int(words[0]), bool(nulls[0])


def _within(states: States, chosen: NDArray[np.intp], rows: int) -> States:
    if not states:
        return states
    moved = np.full(rows, -1, dtype=np.int64)
    moved[chosen] = np.arange(len(chosen))
    return {number: (moved[places[moved[places] >= 0]], words[moved[places] >= 0]) for number, (places, words) in states.items()}


def finalized(shape: Shape, aggregate: Aggregate, measures: Ints, states: States) -> Finalized:
    """An aggregate of merged rows of measures: its words, where it is null, and the values of lists."""
    numbers = [shape.layout.measures.index(measure) for measure in aggregate.measures]
    count = len(measures)
    if aggregate.kind == "last_k":
        groups, rows = states[numbers[0]]
        return np.bincount(groups, minlength=count), np.zeros(count, dtype=np.bool_), _values(aggregate, rows[:, 2])
    if shape.layout.measures[numbers[0]].binned:
        unit = 1.0 if aggregate.floats else aggregate.resolution
        values, held = finalize_bins(aggregate.kind, aggregate.parameters, *states[numbers[0]], count, unit)
    else:
        values, held = finalize(
            aggregate.kind, [measures[:, shape.place_of(number)] for number in numbers], aggregate.resolution, aggregate.floats
        )
    if holds_floats(aggregate):
        return np.where(held, values.astype(np.float64), np.nan).view(np.int64), ~held, None
    return np.where(held, values, NONE), ~held, None


def _values(aggregate: Aggregate, codes: Ints) -> Ints:
    """The values of a list as words: bits of floats, or whole numbers."""
    return unordered(codes, True).view(np.int64) if aggregate.floats else codes
