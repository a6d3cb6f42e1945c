"""Folding events into online entries: the same outcome for every order and every batching of the events."""

from collections.abc import Sequence

import numpy as np
from attrs import evolve
from numpy.typing import NDArray

from intonaco.core.errors import InvalidError
from intonaco.infra.compute.latest import merge_listed
from intonaco.infra.compute.measures import Measure
from intonaco.infra.compute.sketches import merge_bins
from intonaco.infra.compute.timeline import NEVER, cut, hop_of, tail
from intonaco.infra.features.entries.shape import LATEST, NEWEST, Entries, HopRows, Shape, States

__all__ = ["event_rows", "fold", "joined", "merge_hops", "merge_runs", "merge_state"]

Ints = NDArray[np.int64]
_TIME, _CREATED = 0, 1
_OVERFLOW = 2.0**62


def fold(shape: Shape, entries: Entries, owners: Ints, events: Ints) -> Entries:
    """The entries after these events.

    Parameters
    ----------
    owners : shape (events,)
        The entity of each event.
    events : shape (events, event)
        Words of pending events, texts as numbers in the order of the texts.

    Raises
    ------
    InvalidError
        A sum passes 63 bits; nothing is changed.
    """
    header = entries.header.copy()
    np.maximum.at(header[:, LATEST], owners, events[:, _TIME])
    horizon = np.where(header[:, LATEST] == NEVER, NEVER, cut(header[:, LATEST], shape.layout.delay_us))
    owners, events = np.concatenate([entries.owners, owners]), np.concatenate([entries.pending, events])
    folds = events[:, _TIME] < horizon[owners]
    old, old_owners = events[folds], owners[folds]
    np.maximum.at(header[:, NEWEST], old_owners, old[:, _TIME])
    newest = _newest(shape, entries.newest, old_owners, old) if shape.columns else entries.newest
    owners, pending = _newest_first(owners[~folds], events[~folds])
    hops = _hops(shape, entries.hops, horizon, old_owners, old)
    return evolve(entries, header=header, hops=hops, newest=newest, owners=owners, pending=pending)


def _newest_first(owners: Ints, events: Ints) -> tuple[Ints, Ints]:
    """By entity, of each the greatest (event time, creation time, values) first."""
    if not len(owners) or bool((owners[1:] > owners[:-1]).all()):
        return owners, events
    order = np.lexsort([*~events.T[::-1], owners])
    return owners[order], events[order]


def _newest(shape: Shape, newest: Ints, owners: Ints, events: Ints) -> Ints:
    """The greatest (event time, creation time, values) of each entity."""
    if bool((owners[1:] > owners[:-1]).all()):
        own = newest[owners]
        if not bool((own[:, _TIME] == events[:, _TIME]).any()):
            newest = newest.copy()
            later = events[:, _TIME] > own[:, _TIME]
            newest[owners[later]] = events[later, : shape.newest]
            return newest
    rows = np.concatenate([newest, events[:, : shape.newest]])
    entities = np.concatenate([np.arange(len(newest)), owners])
    order = np.lexsort([*rows.T[::-1], entities])
    last = np.flatnonzero(np.diff(entities[order], append=-1))
    return rows[order[last]]


def _hops(shape: Shape, hops: HopRows, horizon: Ints, owners: Ints, events: Ints) -> HopRows:
    """The hops of entries and of events, each once, as coarse as reads allow, without those that none can reach any more."""
    if not shape.lists or not len(owners):
        return hops
    rows = _coarser(shape, joined(hops, event_rows(shape, owners, events, shape.units_us)), horizon)
    kept = rows.indices >= _tails(shape, horizon)[rows.groups]
    return merge_hops(shape, rows if kept.all() else _chosen(rows, kept))


def _coarser(shape: Shape, rows: HopRows, horizon: Ints) -> HopRows:
    """The hops, those that the tails of all finer windows have passed as parts of the next coarser ones.

    A tail goes from hop to hop of its size, and each size divides the next, so no hop lies on both sides of one. How coarse the hop
    of an event is depends on its time and the horizon alone, whenever it came.
    """
    indices = rows.indices
    for level in range(1, max(map(len, shape.lists))):
        passed = indices < _tails(shape, horizon, level)[rows.groups]
        if not passed.any():
            break
        sizes = np.array([each[min(level, len(each) - 1)].hop_us // each[0].hop_us for each in shape.lists], dtype=np.int64)
        sizes = sizes[rows.groups % len(sizes)]
        indices = np.where(passed, indices // sizes * sizes, indices)
    return evolve(rows, indices=indices)


def event_rows(shape: Shape, owners: Ints, events: Ints, hops_us: Sequence[int]) -> HopRows:
    """The hops of events, one for each event and size of hops; groups are owner * sizes + size."""
    lists = len(hops_us)
    words = _event_words(shape, events)
    groups = (owners[:, None] * lists + np.arange(lists)).ravel()
    indices = hop_of(events[:, _TIME, None], np.array(hops_us, dtype=np.int64)).ravel()
    states = {number: _repeated(_event_states(shape, number, events), lists) for number in shape.varying}
    return HopRows(groups, indices, np.repeat(words, lists, axis=0), states)


def _event_words(shape: Shape, events: Ints) -> Ints:
    """The measures of each event as words of a hop."""
    columns = []
    for number, measure in enumerate(shape.layout.measures):
        value = events[:, 2 + shape.columns + number]
        if measure.varies:
            columns.append(np.zeros_like(value))
        elif not measure.by_time:
            columns.append(value)
        else:
            columns += _by_time(measure.kind, events, value)
    return np.stack(columns, axis=1)


def _by_time(kind: str, events: Ints, value: Ints) -> list[Ints]:
    held = value != NEVER
    when, created = events[:, _TIME], events[:, _CREATED]
    if kind == "first":
        when, created = ~when, ~created
    return [np.where(held, when, NEVER), np.where(held, created, NEVER), value]


def _event_states(shape: Shape, number: int, events: Ints) -> tuple[Ints, Ints]:
    """The states of one measure, of the events that hold a value of it."""
    value = events[:, 2 + shape.columns + number]
    held = np.flatnonzero(value != NEVER)
    if shape.layout.measures[number].binned:
        return held, value[held]
    return held, np.stack([events[held, _TIME], events[held, _CREATED], value[held]], axis=1)


def _repeated(state: tuple[Ints, Ints], lists: int) -> tuple[Ints, Ints]:
    """The states of hops, where each event has as many hops as there are lists."""
    rows, words = state
    return (rows[:, None] * lists + np.arange(lists)).ravel(), np.repeat(words, lists, axis=0)


def joined(one: HopRows, other: HopRows) -> HopRows:
    """The rows of both."""
    count = len(one.groups)
    states = {
        number: (np.concatenate([rows, other.states[number][0] + count]), np.concatenate([words, other.states[number][1]]))
        for number, (rows, words) in one.states.items()
    }
    return HopRows(
        np.concatenate([one.groups, other.groups]),
        np.concatenate([one.indices, other.indices]),
        np.concatenate([one.measures, other.measures]),
        states,
    )


def _chosen(rows: HopRows, kept: NDArray[np.bool_]) -> HopRows:
    moved = np.cumsum(kept) - 1
    states = {number: (moved[places[kept[places]]], words[kept[places]]) for number, (places, words) in rows.states.items()}
    return HopRows(rows.groups[kept], rows.indices[kept], rows.measures[kept], states)


def merge_hops(shape: Shape, rows: HopRows) -> HopRows:
    """Each (group, number of a hop) once, in order, with its measures merged."""
    if not len(rows.groups):
        return rows
    order = _order(rows.groups, rows.indices)
    groups, indices = rows.groups[order], rows.indices[order]
    starts = np.concatenate([[0], np.flatnonzero((groups[1:] != groups[:-1]) | (indices[1:] != indices[:-1])) + 1])
    measures, states = merge_runs(shape, rows.measures[order], starts, _moved(rows.states, order))
    return HopRows(groups[starts], indices[starts], measures, states)


def _moved(states: States, order: NDArray[np.intp]) -> States:
    if not states:
        return states
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return {number: (place[rows], words) for number, (rows, words) in states.items()}


def _tails(shape: Shape, horizon: Ints, sizes: int | None = None) -> Ints:
    """For each entity and list where the first hop begins that a read can still reach, of the finest sizes or of all."""
    firsts = []
    for each in shape.lists:
        tails = [tail(horizon, hops.reach_us, hops.hop_us) * (hops.hop_us // each[0].hop_us) for hops in each[:sizes]]
        firsts.append(np.where(horizon == NEVER, NEVER, np.minimum.reduce(tails)))
    return np.stack(firsts, axis=1).ravel()


def _order(groups: Ints, indices: Ints) -> NDArray[np.intp]:
    least, greatest = int(indices.min()), int(indices.max())
    span = greatest - least + 1
    if (int(groups.max()) + 1) * span >= 2**62:
        return np.lexsort([indices, groups])
    return np.argsort(groups * span + (indices - least), kind="stable")


def merge_runs(shape: Shape, measures: Ints, starts: Ints, states: States) -> tuple[Ints, States]:
    """One row of measures for each run of rows: sums added, of others the greatest; and the states of the runs."""
    if len(starts) == len(measures):
        return measures, _merged_states(shape, np.arange(len(starts)), states)
    merged = np.zeros((len(starts), shape.words), dtype=np.int64)
    if shape.only_sums:
        np.add.reduceat(measures, starts, axis=0, out=merged)
    else:
        _merge_others(shape, measures, starts, merged)
    _refuse_overflow(shape, measures, starts)
    return merged, _merged_states(shape, _runs(len(measures), starts), states)


def _runs(rows: int, starts: Ints) -> Ints:
    """The number of the run that each row is in."""
    runs = np.zeros(rows, dtype=np.int64)
    runs[starts[1:]] = 1
    return np.cumsum(runs)


def _merged_states(shape: Shape, runs: Ints, states: States) -> States:
    merged = {}
    for number, (rows, words) in states.items():
        measure = shape.layout.measures[number]
        merged[number] = merge_state(measure, runs[rows], words)
    return merged


def merge_state(measure: Measure, groups: Ints, words: Ints) -> tuple[Ints, Ints]:
    """The states of groups, merged."""
    return (merge_bins if measure.binned else merge_listed)(measure, groups, words)


def _merge_others(shape: Shape, measures: Ints, starts: Ints, merged: Ints) -> None:
    merged[:, shape.adding] = np.add.reduceat(measures[:, shape.adding], starts, axis=0)
    runs = _runs(len(measures), starts)
    ends = np.append(starts[1:], len(measures)) - 1
    for place, measure in zip(shape.places, shape.layout.measures, strict=True):
        if measure.by_time:
            when, created, value = measures[:, place], measures[:, place + 1], measures[:, place + 2]
            merged[:, place : place + 3] = measures[np.lexsort([value, created, when, runs])[ends], place : place + 3]
        elif not measure.adds and not measure.varies:
            merged[:, place] = np.maximum.reduceat(measures[:, place], starts)


def _refuse_overflow(shape: Shape, measures: Ints, starts: Ints) -> None:
    """Running sums may wrap around, for their differences stay exact as long as no window's sum passes 63 bits."""
    added = measures if shape.only_sums else measures[:, shape.adding]
    if not added.size or max(int(added.max()), -int(added.min())) * len(added) < _OVERFLOW:
        return
    rough = np.add.reduceat(np.abs(added.astype(np.float64)), starts, axis=0).max(axis=0)
    if float(rough.max()) >= _OVERFLOW:
        column = [measure.column for measure in shape.layout.measures if measure.adds][int(rough.argmax())]
        raise InvalidError(f"sums of {column!r} pass 63 bits", hint="declare a coarser resolution", field=column)
