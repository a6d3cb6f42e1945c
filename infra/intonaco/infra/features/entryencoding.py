"""Putting online entries together, many at once; `entry` says how they are laid out."""

from collections.abc import Sequence

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from intonaco.infra.compute.timeline import NEVER
from intonaco.infra.features.entrybytes import with_bytes
from intonaco.infra.features.results import Results, results
from intonaco.infra.features.shape import (
    ENDLESS,
    HEADER,
    LATER_NULLS,
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
from intonaco.infra.features.states import written_states

__all__ = ["encode"]

Ints = NDArray[np.int64]


@frozen(eq=False)
class _Parts:
    """What entries are made of, and how many words of each part they have."""

    shape: Shape
    entries: Entries
    hops: HopRows
    states: Ints
    counts: Ints
    state_sizes: Ints
    waiting: Ints = field(init=False)
    totals: Ints = field(init=False)
    folded: NDArray[np.bool_] = field(init=False)
    sizes: Ints = field(init=False)
    starts: Ints = field(init=False)

    @waiting.default
    def _waiting(self) -> Ints:
        return np.bincount(self.entries.owners, minlength=len(self.entries.header))

    @totals.default
    def _totals(self) -> Ints:
        totals: Ints = self.counts.sum(axis=1)
        return totals

    @folded.default
    def _folded(self) -> NDArray[np.bool_]:
        """Which entities have an event before the horizon that is kept."""
        folded: NDArray[np.bool_] = (self.entries.header[:, NEWEST] != NEVER) & (self.shape.columns > 0)
        return folded

    @sizes.default
    def _sizes(self) -> Ints:
        return self.shape.head + self.totals * (1 + self.shape.words) + self._newest() + self._others() + self.state_sizes

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
        return np.flatnonzero(np.diff(self.entries.owners, prepend=-1))

    def put_hops(self, words: Ints) -> None:
        """Numbers of hops, and measures one behind the other."""
        totals = self.totals
        place = np.repeat(self.starts + self.shape.head, totals) + ragged(totals)
        words[place] = self.hops.indices
        words[place[:, None] + np.repeat(totals, totals)[:, None] * np.arange(1, self.shape.words + 1)] = self.hops.measures

    def put_rest(self, words: Ints, newest: Ints, pending: Ints) -> None:
        """What stands behind the hops."""
        behind = self.starts + self.shape.head + self.totals * (1 + self.shape.words)
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
    words = np.empty(int(parts.sizes.sum()), dtype="<i8")
    alike = len(parts.sizes) > 0 and bool((parts.sizes == parts.sizes[0]).all())
    if alike:
        words.reshape(len(parts.sizes), -1)[:, : shape.head] = _head(parts, made)
    else:
        words[parts.starts[:, None] + np.arange(shape.head)] = _head(parts, made)
    parts.put_hops(words)
    parts.put_rest(words, newest, pending)
    size = 8 * int(parts.sizes[0]) if alike else 0
    whole = words.view(f"V{size}").tolist() if alike else _cut(words.tobytes(), (8 * (parts.starts + parts.sizes)).tolist())
    return whole if blobs is None else [part + blob for part, blob in zip(whole, blobs, strict=True)]


def _head(parts: _Parts, made: Results) -> Ints:
    shape, entries = parts.shape, parts.entries
    head = np.full((len(entries.header), shape.head), NEVER, dtype=np.int64)
    head[:, :HEADER] = entries.header
    head[:, TAG], head[:, PENDING], head[:, WORDS] = shape.tag, parts.waiting, parts.sizes
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
    """The parts of entries: hops with a base before each list, and running sums in place of sums."""
    hops, entities = entries.hops, len(entries.header)
    all_groups = entities * len(shape.lists)
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
    counts = (np.bincount(hops.groups, minlength=all_groups) + 1).reshape(entities, len(shape.lists))
    return _Parts(shape, entries, HopRows(hops.groups, indices, measures, {}), states, counts, sizes)
