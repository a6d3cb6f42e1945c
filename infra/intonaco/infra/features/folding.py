"""Folding events into online entries: the same outcome for every order and every batching of the events."""

import numpy as np
from attrs import evolve
from numpy.typing import NDArray

from intonaco.core.errors import InvalidError
from intonaco.infra.compute.timeline import NEVER, cut, hop_of, tail
from intonaco.infra.features.entry import HORIZON, LATEST, NEWEST, Entries, Shape

__all__ = ["event_words", "fold", "merge_hops"]

Ints = NDArray[np.int64]
_TIME, _CREATED = 0, 1
_OVERFLOW = 2**62


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
    delay = shape.layout.delay_us
    header = entries.header.copy()
    np.maximum.at(header[:, LATEST], owners, events[:, _TIME])
    header[:, HORIZON] = np.where(header[:, LATEST] == NEVER, NEVER, cut(header[:, LATEST], delay))
    owners, events = np.concatenate([entries.owners, owners]), np.concatenate([entries.pending, events])
    folds = events[:, _TIME] < header[owners, HORIZON]
    old, old_owners = events[folds], owners[folds]
    np.maximum.at(header[:, NEWEST], old_owners, old[:, _TIME])
    newest = _newest(shape, entries.newest, old_owners, old) if shape.columns else entries.newest
    groups, indices, measures = _hops(shape, entries, header, old_owners, old)
    order = np.argsort(owners[~folds], kind="stable")
    return evolve(
        entries,
        header=header,
        groups=groups,
        indices=indices,
        measures=measures,
        newest=newest,
        owners=owners[~folds][order],
        pending=events[~folds][order],
    )


def _newest(shape: Shape, newest: Ints, owners: Ints, events: Ints) -> Ints:
    """The greatest (event time, creation time, values) of each entity."""
    if not len(owners):
        return newest
    rows = np.concatenate([newest, events[:, : shape.newest]])
    entities = np.concatenate([np.arange(len(newest)), owners])
    order = np.lexsort([*rows.T[::-1], entities])
    last = np.flatnonzero(np.diff(entities[order], append=-1))
    return rows[order[last]]


def _hops(shape: Shape, entries: Entries, header: Ints, owners: Ints, events: Ints) -> tuple[Ints, Ints, Ints]:
    """The hops of entries and of events, each once, without those that no read can reach any more."""
    if not shape.lists or not len(owners):
        return entries.groups, entries.indices, entries.measures
    words = event_words(shape, events)
    sizes = np.array([each.hop_us for each in shape.layout.hops])
    groups = np.concatenate([entries.groups, (owners[:, None] * shape.lists + np.arange(shape.lists)).ravel()])
    indices = np.concatenate([entries.indices, hop_of(events[:, _TIME, None], sizes).ravel()])
    measures = np.concatenate([entries.measures, np.repeat(words, shape.lists, axis=0)])
    kept = indices >= _first_kept(shape, header)[groups]
    return merge_hops(shape, groups[kept], indices[kept], measures[kept])


def merge_hops(shape: Shape, groups: Ints, indices: Ints, measures: Ints) -> tuple[Ints, Ints, Ints]:
    """Each (group, number of a hop) once, in order, with its measures merged."""
    order = _order(groups, indices)
    groups, indices, measures = groups[order], indices[order], measures[order]
    changes = np.flatnonzero((groups[1:] != groups[:-1]) | (indices[1:] != indices[:-1])) + 1
    starts = np.concatenate([[0], changes]) if len(groups) else changes
    return groups[starts], indices[starts], _merged(shape, measures, starts)


def event_words(shape: Shape, events: Ints) -> Ints:
    """The measures of each event as words of a hop."""
    columns = []
    for number, measure in enumerate(shape.layout.measures):
        value = events[:, 2 + shape.columns + number]
        if not measure.by_time:
            columns.append(value)
            continue
        held = value != NEVER
        when, created = events[:, _TIME], events[:, _CREATED]
        if measure.kind == "first":
            when, created = ~when, ~created
        columns += [np.where(held, when, NEVER), np.where(held, created, NEVER), value]
    return np.stack(columns, axis=1)


def _first_kept(shape: Shape, header: Ints) -> Ints:
    """For each entity and list the number of the first hop that a read can still reach."""
    firsts = [
        np.where(header[:, HORIZON] == NEVER, NEVER, tail(header[:, HORIZON], each.reach_us, each.hop_us)) for each in shape.layout.hops
    ]
    return np.stack(firsts, axis=1).ravel()


def _order(groups: Ints, indices: Ints) -> Ints:
    if not len(groups):
        return np.zeros(0, dtype=np.int64)
    least, greatest = int(indices.min()), int(indices.max())
    span = greatest - least + 1
    if (int(groups.max()) + 1) * span >= 2**62:
        return np.lexsort([indices, groups])
    return np.argsort(groups * span + (indices - least), kind="stable")


def _merged(shape: Shape, measures: Ints, starts: Ints) -> Ints:
    """One row of measures for each run of rows: sums added, of others the greatest."""
    merged = np.empty((len(starts), shape.words), dtype=np.int64)
    if not len(starts):
        return merged
    if shape.only_sums:
        merged = np.add.reduceat(measures, starts, axis=0) if len(starts) < len(measures) else measures
    else:
        _merge_others(shape, measures, starts, merged)
    added = merged if shape.only_sums else merged[:, shape.adding]
    if added.size and max(int(added.max()), -int(added.min())) * len(added) >= _OVERFLOW:
        _refuse_overflow(shape, added)
    return merged


def _merge_others(shape: Shape, measures: Ints, starts: Ints, merged: Ints) -> None:
    merged[:, shape.adding] = np.add.reduceat(measures[:, shape.adding], starts, axis=0)
    runs = np.zeros(len(measures), dtype=np.int64)
    runs[starts[1:]] = 1
    runs = np.cumsum(runs)
    ends = np.append(starts[1:], len(measures)) - 1
    for place, measure in zip(shape.places(), shape.layout.measures, strict=True):
        if measure.by_time:
            when, created, value = measures[:, place], measures[:, place + 1], measures[:, place + 2]
            merged[:, place : place + 3] = measures[np.lexsort([value, created, when, runs])[ends], place : place + 3]
        elif not measure.adds:
            merged[:, place] = np.maximum.reduceat(measures[:, place], starts)


def _refuse_overflow(shape: Shape, added: Ints) -> None:
    """Windows are differences of running sums, exact as long as no window's sum passes 63 bits."""
    longest = max(each.reach_us // each.hop_us + 2 for each in shape.layout.hops)
    worst = int(np.abs(added.astype(np.float64)).max(axis=0).argmax())
    if float(np.abs(added[:, worst].astype(np.float64)).max()) * longest >= _OVERFLOW:
        column = [measure.column for measure in shape.layout.measures if measure.adds][worst]
        raise InvalidError(f"sums of {column!r} pass 63 bits", hint="declare a coarser resolution", field=column)
