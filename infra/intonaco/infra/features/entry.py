"""The online entry of an entity: what is kept for it under one key, in bytes.

This layout is final: format 2. An entry is 64-bit little-endian words, and bytes behind them:

====================  ==========================================================================
header                format and layout, latest event time, moment until which all results hold, number of null results and
                      of null later results, newest event time before the horizon, last materialized and last pushed sequence,
                      number of pending events, number of words
results               columns and aggregates as they are just after the latest event: floats and whole numbers as they are,
                      of a text or a list (offset << 32 | length) among the bytes
later                 the aggregates as they are once their windows have lost a hop
untils                of each window the cut from which it no longer is as in the results, and of each that from which it no
                      longer is as it is later
counts                for each list of hops, how many records it has, the first of which is a base
latest event          its creation time and its prepared measures; its time and columns stand above
indices               numbers of hops, ascending in each list; that of a base is `NEVER`
measures              for each word of a measure its values, list after list. Sums are running sums from the base on, so that
                      a window is a difference; of a measure that varies in length (offset << 32 | length) among the states;
                      others are as they are
newest                creation time and values of the newest event before the horizon, if there is one and columns are kept
pending               event time, creation time, values and prepared measures of the other events at or after the horizon
states                of hops, words: bins, or rows of event time, creation time and value
bytes                 of texts and lists; padded to a word
====================  ==========================================================================

The horizon is the cut of a read as of the latest event. Events before it are folded into hops and `newest`; a cut before it
cannot be answered. A cut after the latest event is answered from the results, as far as they still hold; all else is for what lies
between, for windows that moved on, and for writing. All up to the latest event's measures has one length in all entries of a view.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from intonaco.core.errors import CorruptError
from intonaco.infra.compute.algebra import ordered
from intonaco.infra.compute.timeline import NEVER
from intonaco.infra.features.results import results
from intonaco.infra.features.shape import (
    ENDLESS,
    HEADER,
    LATER_NULLS,
    LATEST,
    NEWEST,
    NULLS,
    PENDING,
    TAG,
    UNTIL,
    WORDS,
    Entries,
    HopRows,
    Shape,
    ragged,
)
from intonaco.infra.features.states import read_states, written_states

__all__ = ["check", "decode", "encode"]

Ints = NDArray[np.int64]
_LENGTH = 0xFFFF_FFFF


def decode(shape: Shape, values: Sequence[bytes | None], texts: list[bytes]) -> Entries:
    """Take entries apart; None is an entity of which nothing is known.

    Words of texts become positions in `texts`, to which they are added.
    """
    kept = [value for value in values if value is not None]
    found = np.arange(len(values))
    if len(kept) < len(values):
        found = found[[value is not None for value in values]]
    header = np.full((len(values), HEADER), NEVER, dtype=np.int64)
    header[:, PENDING] = 0
    words = np.frombuffer(b"".join(kept), dtype="<i8")
    sizes = np.fromiter(map(len, kept), np.int64, len(kept)) >> 3
    starts = np.cumsum(sizes) - sizes
    alike = len(kept) > 0 and bool((sizes == sizes[0]).all())
    head = words.reshape(len(kept), -1)[:, : shape.head] if alike else words[starts[:, None] + np.arange(shape.head)]
    check(shape, head)
    header[found] = head[:, :HEADER]
    hops, behind = _hops(shape, words, starts, head, found)
    newest, behind = _newest(shape, words, behind, header, found)
    owners, pending, behind = _pending(shape, words, behind, head, found)
    if shape.varying:
        read_states(shape, words, behind, hops, found)
    if shape.texts:
        blobs = {int(number): value[8 * int(size) :] for number, value, size in zip(found, kept, head[:, WORDS], strict=True)}
        _read_texts(shape, newest, range(len(values)), blobs, texts)
        _read_texts(shape, pending, owners.tolist(), blobs, texts)
    return Entries(header, hops, newest, owners, pending)


def check(shape: Shape, head: Ints) -> None:
    """Raise CorruptError if an entry is of another format or layout."""
    if not (head[:, TAG] == shape.tag).all():
        raise CorruptError(
            "an online entry is of another format or layout than the view's",
            hint="materialize the view anew, under a new version",
        )


def _hops(shape: Shape, words: Ints, starts: Ints, head: Ints, found: Ints) -> tuple[HopRows, Ints]:
    """Hops with their own measures: the differences of running sums, without the bases; and where they end."""
    counts = head[:, shape.counts : shape.first]
    totals = counts.sum(axis=1)
    first = np.repeat(starts + shape.head, totals) + ragged(totals)
    indices = words[first]
    measures = words[first[:, None] + np.repeat(totals, totals)[:, None] * np.arange(1, shape.words + 1)]
    if shape.only_sums:
        measures[1:] -= measures[:-1].copy()
    else:
        measures[1:, shape.adding] -= measures[:-1, shape.adding]
    groups = np.repeat((found[:, None] * shape.lists + np.arange(shape.lists)).ravel(), counts.ravel())
    real = indices != NEVER
    return HopRows(groups[real], indices[real], measures[real], {}), starts + shape.head + totals * (1 + shape.words)


def _newest(shape: Shape, words: Ints, behind: Ints, header: Ints, found: Ints) -> tuple[Ints, Ints]:
    newest = np.full((len(header), shape.newest), NEVER, dtype=np.int64)
    if not shape.columns:
        return newest, behind
    there = header[found, NEWEST] != NEVER
    newest[found[there], 0] = header[found[there], NEWEST]
    newest[found[there], 1:] = words[behind[there][:, None] + np.arange(shape.newest - 1)]
    return newest, behind + there * (shape.newest - 1)


def _pending(shape: Shape, words: Ints, behind: Ints, head: Ints, found: Ints) -> tuple[Ints, Ints, Ints]:
    """The events at or after the horizon: of each entity the latest, of which the head tells, and the others."""
    waiting = head[:, PENDING]
    others = np.maximum(waiting - 1, 0)
    owners = np.repeat(found, waiting)
    pending = np.empty((len(owners), shape.event), dtype=np.int64)
    place = np.cumsum(waiting) - waiting
    some = waiting > 0
    latest = np.ones(len(owners), dtype=np.bool_)
    if others.any():
        latest[:] = False
        latest[place[some]] = True
        first = np.repeat(behind, others) + ragged(others) * shape.event
        pending[~latest] = words[first[:, None] + np.arange(shape.event)]
    pending[latest] = _latest(shape, head if some.all() else head[some])
    return owners, pending, behind + others * shape.event


def _latest(shape: Shape, head: Ints) -> Ints:
    """The latest events of entities, whole."""
    columns = head[:, HEADER : HEADER + shape.columns]
    rows = np.concatenate([head[:, [LATEST, shape.first]], columns, head[:, shape.first + 1 : shape.head]], axis=1)
    if len(shape.floating):
        rows[:, shape.floating] = ordered(np.ascontiguousarray(rows[:, shape.floating]).view(np.float64))
    return rows


def _read_texts(shape: Shape, rows: Ints, owners: Sequence[int], blobs: dict[int, bytes], texts: list[bytes]) -> None:
    for row, owner in enumerate(owners):
        for column in shape.texts:
            word = int(rows[row, column])
            if word != NEVER:
                texts.append(blobs[owner][word >> 32 : (word >> 32) + (word & _LENGTH)])
                rows[row, column] = len(texts) - 1


def encode(shape: Shape, entries: Entries, texts: Sequence[bytes]) -> list[bytes]:
    """Put entries together; words of texts are positions in `texts`."""
    entities = len(entries.header)
    made, nulls, untils, lists = results(shape, entries)
    hops, counts, states, state_sizes = _with_bases(shape, entries.hops, entities)
    totals = counts.sum(axis=1)
    waiting = np.bincount(entries.owners, minlength=entities)
    others = np.maximum(waiting - 1, 0)
    there = (entries.header[:, NEWEST] != NEVER) & (shape.columns > 0)
    behind = shape.head + totals * (1 + shape.words)
    sizes = behind + there * (shape.newest - 1) + others * shape.event + state_sizes
    starts = np.cumsum(sizes) - sizes
    newest, pending, blobs = entries.newest, entries.pending, None
    if shape.texts or lists:
        newest, pending, blobs = _with_bytes(shape, entries, texts, made, lists)
    words = np.empty(int(sizes.sum()), dtype="<i8")
    head = np.full((entities, shape.head), NEVER, dtype=np.int64)
    head[:, :HEADER] = entries.header
    head[:, TAG], head[:, PENDING], head[:, WORDS], head[:, NULLS] = shape.tag, waiting, sizes, nulls[:, : shape.later - HEADER].sum(axis=1)
    head[:, LATER_NULLS] = nulls[:, shape.later - HEADER :].sum(axis=1)
    head[:, UNTIL] = untils[:, : len(shape.windows)].min(axis=1, initial=ENDLESS)
    head[:, HEADER : shape.untils], head[:, shape.untils : shape.counts], head[:, shape.counts : shape.first] = made, untils, counts
    latest = np.flatnonzero(np.diff(entries.owners, prepend=-1))
    head[entries.owners[latest], shape.first] = entries.pending[latest, 1]
    head[entries.owners[latest], shape.first + 1 :] = entries.pending[latest, 2 + shape.columns :]
    alike = entities > 0 and bool((sizes == sizes[0]).all())
    if alike:
        words.reshape(entities, -1)[:, : shape.head] = head
    else:
        words[starts[:, None] + np.arange(shape.head)] = head
    place = np.repeat(starts + shape.head, totals) + ragged(totals)
    words[place] = hops.indices
    words[place[:, None] + np.repeat(totals, totals)[:, None] * np.arange(1, shape.words + 1)] = hops.measures
    behind = behind + starts
    if there.any():
        words[behind[there][:, None] + np.arange(shape.newest - 1)] = newest[there, 1:]
        behind = behind + there * (shape.newest - 1)
    if others.any():
        rest = np.ones(len(pending), dtype=np.bool_)
        rest[latest] = False
        first = np.repeat(behind, others) + ragged(others) * shape.event
        words[first[:, None] + np.arange(shape.event)] = pending[rest]
        behind = behind + others * shape.event
    if len(states):
        words[np.repeat(behind, state_sizes) + ragged(state_sizes)] = states
    parts = words.view(f"V{8 * int(sizes[0])}").tolist() if alike else _cut(words.tobytes(), (8 * (starts + sizes)).tolist())
    return parts if blobs is None else [part + blob for part, blob in zip(parts, blobs, strict=True)]


def _cut(whole: bytes, ends: list[int]) -> list[bytes]:
    return [whole[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def _with_bases(shape: Shape, hops: HopRows, entities: int) -> tuple[HopRows, Ints, Ints, Ints]:
    """Hops with a base before each list, and running sums in place of sums; counts of lists; all states, and the words of each entity."""
    all_groups = entities * shape.lists
    place = np.arange(len(hops.groups)) + hops.groups + 1
    size = len(hops.groups) + all_groups
    indices = np.full(size, NEVER, dtype=np.int64)
    indices[place] = hops.indices
    measures = np.full((size, shape.words), 0 if shape.only_sums else NEVER, dtype=np.int64)
    own, states, sizes = written_states(shape, hops, entities)
    if shape.only_sums:
        measures[place] = own
        np.cumsum(measures, axis=0, out=measures)
    else:
        measures[:, shape.adding] = 0
        measures[place] = own
        measures[:, shape.adding] = np.cumsum(measures[:, shape.adding], axis=0)
    counts = (np.bincount(hops.groups, minlength=all_groups) + 1).reshape(entities, shape.lists)
    return HopRows(hops.groups, indices, measures, {}), counts, states, sizes


def _with_bytes(
    shape: Shape, entries: Entries, texts: Sequence[bytes], made: Ints, lists: dict[int, Ints]
) -> tuple[Ints, Ints, list[bytes]]:
    """Newest and pending events with places among the bytes, which are put into the results too; and the bytes."""
    newest, pending = entries.newest.copy(), entries.pending.copy()
    blobs = [bytearray() for _ in range(len(newest))]
    latest = np.diff(entries.owners, prepend=-1) > 0
    for rows, owners, first in (
        (made, range(len(made)), -2),
        (newest, range(len(newest)), 0),
        (pending[~latest], entries.owners[~latest].tolist(), 0),
    ):
        for row, owner in enumerate(owners):
            for column in shape.texts:
                if rows[row, column + first] != NEVER:
                    text = texts[int(rows[row, column + first])]
                    rows[row, column + first] = len(blobs[owner]) << 32 | len(text)
                    blobs[owner] += text
        if rows is not made and rows is not newest:
            pending[~latest] = rows
    for blob in blobs:
        blob += bytes(-len(blob) % 8)
    for place, values in lists.items():
        _write_lists(made[:, place], values, blobs)
    return newest, pending, [bytes(blob) for blob in blobs]


def _write_lists(lengths: Ints, values: Ints, blobs: list[bytearray]) -> None:
    whole, at = values.tobytes(), 0
    for row, length in enumerate(lengths.tolist()):
        size = 0 if length == NEVER else 8 * length
        lengths[row] = len(blobs[row]) << 32 | size
        blobs[row] += whole[at : at + size]
        at += size
