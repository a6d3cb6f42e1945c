"""Putting online entries together, many at once; `entry` says how they are laid out."""

from collections.abc import Sequence

import numpy as np
from attrs import evolve, field, frozen
from numpy.typing import NDArray

from intonaco.infra.compute.timeline import NEVER
from intonaco.infra.features.entries.entrybytes import with_bytes
from intonaco.infra.features.entries.hopcolumns import HopColumns, halvings_of
from intonaco.infra.features.entries.results import Results, results
from intonaco.infra.features.entries.shape import (
    ENDLESS,
    HEADER,
    LATER_NULLS,
    LATEST,
    NEWEST,
    NULLS,
    PENDING,
    TAG,
    UNTIL,
    WIDTHS,
    WORDS,
    Entries,
    Shape,
    ragged,
    run_starts,
)
from intonaco.infra.features.entries.states import written_states

__all__ = ["encode"]

Ints = NDArray[np.int64]


@frozen(eq=False)
class _Parts:
    """What entries are made of, and how many words of each part they have."""

    shape: Shape
    entries: Entries
    records: Ints
    states: Ints
    counts: Ints
    state_sizes: Ints
    waiting: Ints = field(init=False)
    widths: Ints = field(init=False)
    columns: HopColumns = field(init=False)
    folded: NDArray[np.bool_] = field(init=False)
    sizes: Ints = field(init=False)
    starts: Ints = field(init=False)

    @waiting.default
    def _waiting(self) -> Ints:
        return np.bincount(self.entries.owners, minlength=len(self.entries.header))

    @widths.default
    def _widths(self) -> Ints:
        totals = self.counts.sum(axis=1)
        return halvings_of(self.records, np.cumsum(totals) - totals)

    @columns.default
    def _columns(self) -> HopColumns:
        """Where hops lie, were there only one entry."""
        begin = np.full(len(self.counts), self.shape.head)
        return HopColumns.of(self.widths, self.counts.sum(axis=1), 1 + self.shape.words, begin)

    @folded.default
    def _folded(self) -> NDArray[np.bool_]:
        """Which entities have an event before the horizon that is kept."""
        folded: NDArray[np.bool_] = (self.entries.header[:, NEWEST] != NEVER) & (self.shape.columns > 0)
        return folded

    @sizes.default
    def _sizes(self) -> Ints:
        sizes: Ints = self.columns.begins[-1] + self._newest() + self._others() + self.state_sizes
        return sizes

    @starts.default
    def _starts(self) -> Ints:
        return np.cumsum(self.sizes) - self.sizes

    def _newest(self) -> Ints:
        return self.folded * (self.shape.newest - 1)

    def _others(self) -> Ints:
        return np.maximum(self.waiting - 1, 0) * self.shape.event

    @property
    def latest(self) -> NDArray[np.intp]:
        """The rows of the latest events among the pending ones."""
        return run_starts(self.entries.owners)

    def put_rest(self, words: Ints, newest: Ints, pending: Ints) -> None:
        """What stands behind the hops."""
        behind = self.starts + self.columns.begins[-1]
        if self.folded.any():
            words[behind[self.folded][:, None] + np.arange(self.shape.newest - 1)] = newest[self.folded, 1:]
            behind = behind + self._newest()
        if len(pending) > np.count_nonzero(self.waiting):
            others = np.maximum(self.waiting - 1, 0)
            first = np.repeat(behind, others) + ragged(others) * self.shape.event
            words[first[:, None] + np.arange(self.shape.event)] = np.delete(pending, self.latest, axis=0)
            behind = behind + self._others()
        if len(self.states):
            words[np.repeat(behind, self.state_sizes) + ragged(self.state_sizes)] = self.states


def encode(shape: Shape, entries: Entries, texts: Sequence[bytes]) -> list[bytes]:
    """Put entries together; words of texts are positions in `texts`."""
    made = results(shape, entries)
    parts = _with_bases(shape, entries)
    newest, pending, blobs = entries.newest, entries.pending, None
    if shape.texts or made.lists:
        newest, pending, blobs = with_bytes(shape, entries, texts, made)
    words = np.zeros(int(parts.sizes.sum()), dtype="<i8")
    alike = len(parts.sizes) > 0 and bool((parts.sizes == parts.sizes[0]).all())
    if alike:
        words.reshape(len(parts.sizes), -1)[:, : shape.head] = _head(parts, made)
    else:
        words[parts.starts[:, None] + np.arange(shape.head)] = _head(parts, made)
    evolve(parts.columns, begins=parts.columns.begins + parts.starts).write(words, parts.records)
    parts.put_rest(words, newest, pending)
    size = 8 * int(parts.sizes[0]) if alike else 0
    whole = words.view(f"V{size}").tolist() if alike else _cut(words.tobytes(), (8 * (parts.starts + parts.sizes)).tolist())
    return whole if blobs is None else [part + blob for part, blob in zip(whole, blobs, strict=True)]


def _head(parts: _Parts, made: Results) -> Ints:
    shape, entries = parts.shape, parts.entries
    head = np.full((len(entries.header), shape.head), NEVER, dtype=np.int64)
    head[:, :HEADER] = entries.header
    head[:, TAG], head[:, PENDING], head[:, WORDS], head[:, WIDTHS] = shape.tag, parts.waiting, parts.sizes, parts.widths
    head[:, NULLS] = made.nulls[:, : shape.later - HEADER].sum(axis=1)
    head[:, LATER_NULLS] = made.nulls[:, shape.later - HEADER :].sum(axis=1)
    head[:, UNTIL] = made.untils[:, : len(shape.windows)].min(axis=1, initial=ENDLESS)
    head[:, HEADER : shape.untils] = made.words
    head[:, shape.untils : shape.counts] = made.untils
    head[:, shape.counts : shape.first] = parts.counts
    owners, latest = entries.owners[parts.latest], entries.pending[parts.latest]
    head[owners, shape.first] = latest[:, 1]
    head[owners, shape.first + 1 :] = latest[:, 2 + shape.columns :]
    return head


def _cut(whole: bytes, ends: list[int]) -> list[bytes]:
    return [whole[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def _with_bases(shape: Shape, entries: Entries) -> _Parts:
    """The parts of entries: hops with a base of zeros before each list, and running sums in place of sums."""
    hops, entities, lists = entries.hops, len(entries.header), len(shape.lists)
    own, states, sizes = written_states(shape, hops, entities)
    counts = np.bincount(hops.groups, minlength=entities * lists) + 1 if lists else np.zeros(0, dtype=np.int64)
    place = np.arange(len(hops.groups)) + hops.groups + 1
    records = np.zeros((len(hops.groups) + entities * lists, 1 + shape.words), dtype=np.int64)
    records[place, 0] = hops.indices - shape.latest_units(entries.header[:, LATEST]).ravel()[hops.groups]
    records[place, 1:] = own
    sums = slice(1, None) if shape.only_sums else 1 + shape.adding
    running = np.cumsum(records[:, sums], axis=0)
    records[:, sums] = running - np.repeat(running[np.cumsum(counts) - counts], counts, axis=0)
    return _Parts(shape, entries, records, states, counts.reshape(entities, lists), sizes)
