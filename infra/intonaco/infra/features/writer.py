"""Writing events online: get the entries of a batch's entities, fold, put them back, all or none."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
from attrs import define, field, frozen
from numpy.typing import NDArray

from intonaco.core.errors import ConflictError, InvalidError
from intonaco.infra.compute.algebra import NONE, ordered, prepare
from intonaco.infra.compute.arrays import column_of, numbers, times
from intonaco.infra.features.entry import BATCH, PUSHED, Entries, Shape, decode, encode
from intonaco.infra.features.folding import fold
from intonaco.infra.features.keys import entity_key, view_prefix
from intonaco.infra.features.layout import Layout
from intonaco.infra.features.turns import Turn
from intonaco.infra.features.views import FeatureView
from intonaco.infra.storage.keyvalue import KeyValueStore

__all__ = ["OnlineWriter", "Prepared", "ViewWriter"]

Ints = NDArray[np.int64]
_TEXTS = ("str", "bytes", "json")
#: Entities of one put; each put is one synced commit.
_ENTITIES = 20_000


@frozen(eq=False)
class Prepared:
    """Events of one view: the keys of their entities, which of them each belongs to, their words, and the texts of these."""

    keys: list[bytes]
    owners: Ints
    words: Ints
    texts: list[bytes]


@frozen(eq=False)
class ViewWriter:
    """Folds events of one view into entries.

    Parameters
    ----------
    prefix
        What the keys of the view's entries start with.
    """

    view: FeatureView
    prefix: bytes
    shape: Shape

    @classmethod
    def of(cls, view: FeatureView, project: str, version: int) -> "ViewWriter":
        """The writer of a version of a view."""
        return cls(view, view_prefix(project, view.name, version), Shape(Layout.of(view)))

    def keys(self, events: pa.Table) -> tuple[list[bytes], Ints]:
        """The keys of the entities that have events, and for each event which of them; -1 where it has no entity or no time."""
        _, timed = times(events, self.view.source.time, "the events")
        columns = [_key_values(events, name, dtype) for name, dtype in self._keys()]
        dtypes = [dtype for _, dtype in self._keys()]
        numbered: dict[tuple[Any, ...], int] = {}
        found: list[bytes] = []
        owners = np.full(events.num_rows, -1, dtype=np.int64)
        for row, (values, known) in enumerate(zip(zip(*columns, strict=True), timed.tolist(), strict=True)):
            if not known:
                continue
            number = numbered.get(values)
            if number is None:
                key = entity_key(self.prefix, values, dtypes)
                number = -1 if key is None else len(found)
                numbered[values] = number
                if key is not None:
                    found.append(key)
            owners[row] = number
        return found, owners

    def _keys(self) -> list[tuple[str, str]]:
        return [(key.name, key.dtype) for key in self.view.entity.keys]

    def words(self, events: pa.Table, texts: list[bytes]) -> Ints:
        """The events as words of pending events; shape (events, event). Texts become positions in `texts`."""
        moments, _ = times(events, self.view.source.time, "the events")
        created = times(events, self.view.source.created, "the events") if self.view.source.created else None
        columns = [moments, np.zeros_like(moments) if created is None else np.where(created[1], created[0], NONE)]
        columns += [_kept_words(events, kept.column, kept.dtype, texts) for kept in self.shape.layout.columns]
        read: dict[str, tuple[NDArray[Any], NDArray[np.bool_]]] = {}
        for measure in self.shape.layout.measures:
            if not measure.column:
                columns.append(np.ones(len(moments), dtype=np.int64))
                continue
            if measure.column not in read:
                read[measure.column] = numbers(events, measure.column, "the events")
            columns.append(prepare(measure, *read[measure.column]))
        return np.stack(columns, axis=1)

    def prepared(self, events: pa.Table) -> Prepared:
        """The events that belong to an entity and have a time, ready to be folded."""
        keys, owners = self.keys(events)
        texts: list[bytes] = []
        words = self.words(events, texts)
        held = owners >= 0
        return Prepared(keys, owners, words, texts) if held.all() else Prepared(keys, owners[held], words[held], texts)

    def entries(self, values: Sequence[bytes | None], events: Prepared, sequence: int, place: int) -> list[bytes]:
        """The entries after these events; those that took effect under this sequence before are left out."""
        texts = list(events.texts)
        taken = decode(self.shape, values, texts)
        owners, words = events.owners, events.words
        if sequence > 0:
            fresh = taken.header[owners, place] < sequence
            owners, words = owners[fresh], words[fresh]
        if self.shape.texts:
            words = _ranked(self.shape, taken, words, texts)
        folded = fold(self.shape, taken, owners, words)
        if sequence > 0:
            folded.header[:, place] = np.maximum(folded.header[:, place], sequence)
        return encode(self.shape, folded, texts)


@define(eq=False)
class OnlineWriter:
    """Writes events to all views that read their tables.

    One process at a time may write a view's entries; its turns are held while it pushes. Each push is one commit of the store
    for all views: it is there whole or not at all. Used from one thread at a time.
    """

    keyvalue: KeyValueStore = field(repr=False)
    views: tuple[ViewWriter, ...]
    turns: tuple[Turn, ...] = field(default=(), repr=False)

    def close(self) -> None:
        """Give the turns back; a second call does nothing."""
        for turn in self.turns:
            turn.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def push(self, events: Mapping[str, pa.Table], *, sequence: int = 0) -> int:
        """Write events, of any times and in any order; how many entries changed.

        Parameters
        ----------
        events
            By the name of the table that they are events of.
        sequence
            A positive number that grows from push to push; a push that is repeated under its number changes nothing.
            0 for events that are certain to come once.
        """
        return self._write(events, sequence, PUSHED)

    def materialize(self, events: Mapping[str, pa.Table], sequence: int) -> int:
        """Write a batch of events of tables; the same sequence again changes nothing."""
        return self._write(events, sequence, BATCH)

    def _write(self, events: Mapping[str, pa.Table], sequence: int, place: int) -> int:
        unread = events.keys() - {writer.view.source.table for writer in self.views}
        if unread:
            raise InvalidError(f"no feature view that is written here reads events of {sorted(unread)[0]!r}", field=sorted(unread)[0])
        for turn in self.turns:
            turn.hold()
        writers = [writer for writer in self.views if writer.view.source.table in events]
        prepared = [writer.prepared(events[writer.view.source.table]) for writer in writers]
        stored = iter(self.keyvalue.get([key for each in prepared for key in each.keys]))
        changed: list[tuple[bytes, int, bytes]] = []
        for writer, each in zip(writers, prepared, strict=True):
            old = [next(stored) for _ in each.keys]
            values = writer.entries([None if entry is None else entry[1] for entry in old], each, sequence, place)
            changed += [
                (key, 1 if entry is None else entry[0] + 1, value)
                for key, entry, value in zip(each.keys, old, values, strict=True)
                if entry is None or value != entry[1]
            ]
        return self._put(changed)

    def _put(self, entries: list[tuple[bytes, int, bytes]]) -> int:
        effective = 0
        for start in range(0, len(entries), _ENTITIES):
            part = entries[start : start + _ENTITIES]
            taken = self.keyvalue.put(part)
            if taken != len(part):
                raise ConflictError(f"somebody else wrote {len(part) - taken} of the same online entries", hint="one writer at a time")
            effective += taken
        return effective


def _key_values(events: pa.Table, name: str, dtype: str) -> list[Any]:
    array = column_of(events, name, "the events")
    if pa.types.is_timestamp(array.type):
        moments, held = times(events, name, "the events")
        return [moment if known else None for moment, known in zip(moments.tolist(), held.tolist(), strict=True)]
    return list(array.to_pylist())


def _kept_words(events: pa.Table, column: str, dtype: str, texts: list[bytes]) -> Ints:
    if dtype in _TEXTS:
        return _text_words(column_of(events, column, "the events"), texts)
    values, held = numbers(events, column, "the events")
    if values.dtype.kind == "f":
        held = held & ~np.isnan(values)
    codes = ordered(values)
    if bool(np.any(held & (codes == NONE))) or (values.dtype == np.uint64 and bool(np.any(held & (codes < 0)))):
        raise InvalidError(f"column {column!r} holds an integer that 63 bits and a sign cannot hold", field=column)
    return np.where(held, codes, NONE)


def _text_words(array: pa.Array, texts: list[bytes]) -> Ints:
    words = np.full(len(array), NONE, dtype=np.int64)
    for row, value in enumerate(array.to_pylist()):
        if value is not None:
            words[row] = len(texts)
            texts.append(value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value)
    return words


def _ranked(shape: Shape, taken: Entries, words: Ints, texts: list[bytes]) -> Ints:
    """Puts `texts` in order, without repeats, and every word that is a position in it anew; the events' words."""
    known = sorted(set(texts))
    rank = {text: number for number, text in enumerate(known)}
    moved = np.array([rank[text] for text in texts], dtype=np.int64)
    words = words.copy()
    for rows in (taken.newest, taken.pending, words):
        for column in shape.texts:
            held = rows[:, column] != NONE
            rows[held, column] = moved[rows[held, column]]
    texts[:] = known
    return words
