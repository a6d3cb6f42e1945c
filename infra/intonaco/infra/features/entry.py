"""The online entry of an entity: what is kept for it under one key, in bytes.

An entry is 64-bit little-endian words, and texts behind them:

====================  ==========================================================================
header                format and layout, latest event time, horizon, newest folded time, last
                      materialized and last pushed sequence, number of pending events, number of words
counts                for each list of hops, how many records it has, the first of which is a base
indices               numbers of hops, ascending in each list; that of a base is `NEVER`
measures              for each word of a measure its values, list after list. Sums are running sums
                      from the base on, so that a window is a difference; others are as they are
newest                event time, creation time and values of the newest folded event, if columns are kept
pending               event time, creation time, values and prepared measures of events that may lie
                      at or after the cut of a read
texts                 of str and bytes values, whose words hold offset and length; padded to a word
====================  ==========================================================================

Events before the horizon are folded into hops and `newest`; a cut before the horizon cannot be answered.
"""

from collections.abc import Sequence

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from intonaco.core.errors import CorruptError
from intonaco.infra.compute.timeline import NEVER
from intonaco.infra.features.layout import Layout

__all__ = ["BATCH", "FORMAT", "HEADER", "HORIZON", "LATEST", "NEWEST", "PUSHED", "Entries", "Shape", "decode", "encode", "ragged"]

Ints = NDArray[np.int64]

FORMAT = 1
HEADER = 8
TAG, LATEST, HORIZON, NEWEST, BATCH, PUSHED, PENDING, WORDS = range(HEADER)
_TEXTS = ("str", "bytes", "json")


@frozen
class Shape:
    """Where things lie in the entries of a layout."""

    layout: Layout
    lists: int = field(init=False)
    columns: int = field(init=False)
    words: int = field(init=False)
    adding: NDArray[np.intp] = field(init=False, eq=False)
    only_sums: bool = field(init=False)
    texts: tuple[int, ...] = field(init=False)
    tag: int = field(init=False)
    start: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        layout = self.layout
        adding = [place for place, measure in zip(self.places(), layout.measures, strict=True) if measure.adds]
        values = {
            "lists": len(layout.hops),
            "columns": len(layout.columns),
            "words": sum(measure.words for measure in layout.measures),
            "adding": np.array(adding, dtype=np.intp),
            "only_sums": len(adding) == sum(measure.words for measure in layout.measures),
            "texts": tuple(2 + number for number, kept in enumerate(layout.columns) if kept.dtype in _TEXTS),
            "tag": (layout.fingerprint << 32 | FORMAT) - (1 << 64 if layout.fingerprint >> 31 else 0),
            "start": HEADER + len(layout.hops),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def places(self) -> list[int]:
        """The first word of each measure among the words of a hop."""
        sizes = [measure.words for measure in self.layout.measures]
        return [sum(sizes[:number]) for number in range(len(sizes))]

    @property
    def newest(self) -> int:
        """Words of the newest event."""
        return 2 + self.columns if self.columns else 0

    @property
    def event(self) -> int:
        """Words of a pending event."""
        return 2 + self.columns + len(self.layout.measures)


@define(eq=False)
class Entries:
    """The entries of some entities, taken apart.

    Parameters
    ----------
    header : shape (entities, HEADER)
    groups, indices : shape (hops,)
        Entity * lists + list, and the number of the hop; ascending.
    measures : shape (hops, words)
        Of each hop by itself.
    newest : shape (entities, newest)
        Its time is NEVER where nothing is folded.
    owners : shape (pending,)
        The entity of each pending event.
    pending : shape (pending, event)
    """

    header: Ints
    groups: Ints
    indices: Ints
    measures: Ints
    newest: Ints
    owners: Ints
    pending: Ints


def ragged(counts: Ints) -> Ints:
    """0, 1, ... for each count, one behind the other."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)


def decode(shape: Shape, values: Sequence[bytes | None], texts: list[bytes]) -> Entries:
    """Take entries apart; None is an entity of which nothing is known.

    Words of texts become positions in `texts`, to which they are added.
    """
    found = [number for number, value in enumerate(values) if value is not None]
    kept = [value for value in values if value is not None]
    header = np.full((len(values), HEADER), NEVER, dtype=np.int64)
    header[:, PENDING] = 0
    newest = np.full((len(values), shape.newest), NEVER, dtype=np.int64)
    if not kept:
        none = np.zeros(0, dtype=np.int64)
        return Entries(
            header, none, none, np.zeros((0, shape.words), dtype=np.int64), newest, none, np.zeros((0, shape.event), dtype=np.int64)
        )
    words = np.frombuffer(b"".join(kept), dtype="<i8")
    sizes = np.array([len(value) >> 3 for value in kept])
    starts = np.cumsum(sizes) - sizes
    head = words[starts[:, None] + np.arange(shape.start)]
    check(shape, int(head[0, TAG])) if bool((head[:, TAG] == head[0, TAG]).all()) else check(shape, 0)
    header[found] = head[:, :HEADER]
    counts = head[:, HEADER:]
    totals = counts.sum(axis=1)
    entities = np.array(found, dtype=np.int64)
    groups, indices, measures = _hops(shape, words, starts, counts, totals, entities)
    behind = starts + shape.start + totals * (1 + shape.words)
    newest[found] = words[behind[:, None] + np.arange(shape.newest)]
    waiting = head[:, PENDING]
    first = np.repeat(behind + shape.newest, waiting) + ragged(waiting) * shape.event
    pending = words[first[:, None] + np.arange(shape.event)]
    owners = np.repeat(entities, waiting)
    if shape.texts:
        blobs = [value[8 * int(size) :] for value, size in zip(kept, head[:, WORDS], strict=True)]
        by_entity = dict(zip(found, blobs, strict=True))
        _read_texts(shape, newest, range(len(values)), by_entity, texts)
        _read_texts(shape, pending, owners.tolist(), by_entity, texts)
    return Entries(header, groups, indices, measures, newest, owners, pending)


def check(shape: Shape, tag: int) -> None:
    """Raise CorruptError if an entry is of another format or layout."""
    if tag != shape.tag:
        raise CorruptError(
            "an online entry is of another format or layout than the view's",
            hint="materialize the view anew, under a new version",
        )


def _hops(shape: Shape, words: Ints, starts: Ints, counts: Ints, totals: Ints, entities: Ints) -> tuple[Ints, Ints, Ints]:
    """Hops with their own measures: the differences of running sums, without the bases."""
    place = np.repeat(starts + shape.start, totals) + ragged(totals)
    indices = words[place]
    measures = words[place[:, None] + np.repeat(totals, totals)[:, None] * np.arange(1, shape.words + 1)]
    if shape.only_sums:
        measures[1:] -= measures[:-1].copy()
    else:
        measures[1:, shape.adding] -= measures[:-1, shape.adding]
    groups = np.repeat((entities[:, None] * shape.lists + np.arange(shape.lists)).ravel(), counts.ravel())
    real = indices != NEVER
    return groups[real], indices[real], measures[real]


def _read_texts(shape: Shape, rows: Ints, owners: Sequence[int], blobs: dict[int, bytes], texts: list[bytes]) -> None:
    for row, owner in enumerate(owners):
        for column in shape.texts:
            word = int(rows[row, column])
            if word != NEVER:
                texts.append(blobs[owner][word >> 32 : (word >> 32) + (word & 0xFFFF_FFFF)])
                rows[row, column] = len(texts) - 1


def encode(shape: Shape, entries: Entries, texts: Sequence[bytes]) -> list[bytes]:
    """Put entries together; words of texts are positions in `texts`."""
    entities = len(entries.header)
    groups, indices, measures = _with_bases(shape, entries, entities)
    counts = np.bincount(groups, minlength=entities * shape.lists).reshape(entities, shape.lists)
    totals = counts.sum(axis=1)
    waiting = np.bincount(entries.owners, minlength=entities)
    sizes = shape.start + totals * (1 + shape.words) + shape.newest + waiting * shape.event
    starts = np.cumsum(sizes) - sizes
    header = entries.header.copy()
    header[:, TAG], header[:, PENDING], header[:, WORDS] = shape.tag, waiting, sizes
    newest, pending, blobs = entries.newest, entries.pending, None
    if shape.texts:
        newest, pending, blobs = _write_texts(shape, entries, texts)
    words = np.empty(int(sizes.sum()), dtype="<i8")
    words[starts[:, None] + np.arange(HEADER)] = header
    words[starts[:, None] + np.arange(HEADER, shape.start)] = counts
    place = np.repeat(starts + shape.start, totals) + ragged(totals)
    words[place] = indices
    words[place[:, None] + np.repeat(totals, totals)[:, None] * np.arange(1, shape.words + 1)] = measures
    behind = starts + shape.start + totals * (1 + shape.words)
    words[behind[:, None] + np.arange(shape.newest)] = newest
    first = np.repeat(behind + shape.newest, waiting) + ragged(waiting) * shape.event
    words[first[:, None] + np.arange(shape.event)] = pending
    whole, ends = words.tobytes(), (8 * (starts + sizes)).tolist()
    parts = [whole[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    return parts if blobs is None else [part + blob for part, blob in zip(parts, blobs, strict=True)]


def _with_bases(shape: Shape, entries: Entries, entities: int) -> tuple[Ints, Ints, Ints]:
    """Hops with a base before each list, and running sums in place of sums."""
    all_groups = np.arange(entities * shape.lists)
    place = np.arange(len(entries.groups)) + entries.groups + 1
    size = len(entries.groups) + len(all_groups)
    indices = np.full(size, NEVER, dtype=np.int64)
    indices[place] = entries.indices
    measures = np.full((size, shape.words), 0 if shape.only_sums else NEVER, dtype=np.int64)
    if shape.only_sums:
        measures[place] = entries.measures
        np.cumsum(measures, axis=0, out=measures)
    else:
        measures[:, shape.adding] = 0
        measures[place] = entries.measures
        measures[:, shape.adding] = np.cumsum(measures[:, shape.adding], axis=0)
    groups = np.repeat(all_groups, np.bincount(entries.groups, minlength=len(all_groups)) + 1)
    return groups, indices, measures


def _write_texts(shape: Shape, entries: Entries, texts: Sequence[bytes]) -> tuple[Ints, Ints, list[bytes]]:
    newest, pending = entries.newest.copy(), entries.pending.copy()
    blobs = [bytearray() for _ in range(len(newest))]
    for rows, owners in ((newest, range(len(newest))), (pending, entries.owners.tolist())):
        for row, owner in enumerate(owners):
            for column in shape.texts:
                if rows[row, column] != NEVER:
                    text = texts[int(rows[row, column])]
                    rows[row, column] = len(blobs[owner]) << 32 | len(text)
                    blobs[owner] += text
    return newest, pending, [bytes(blob) + bytes(-len(blob) % 8) for blob in blobs]
