"""Writing events online: get the entries of a batch's entities, fold, put them back, all or none."""

from collections.abc import Mapping, Sequence
from operator import ne
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
from attrs import define, field, frozen
from numpy.typing import NDArray

from intonaco.core.errors import ConflictError, InvalidError
from intonaco.infra.compute.algebra import NONE, ordered
from intonaco.infra.compute.arrays import column_of, numbers, times
from intonaco.infra.compute.preparation import Preparation
from intonaco.infra.features.entitykeys import EntityKeys
from intonaco.infra.features.entry import decode, encode
from intonaco.infra.features.folding import fold
from intonaco.infra.features.keys import view_prefix
from intonaco.infra.features.layout import Layout
from intonaco.infra.features.shape import BATCH, PUSHED, Entries, Shape
from intonaco.infra.features.turns import Turn
from intonaco.infra.features.views import FeatureView
from intonaco.infra.storage.gates import Gate
from intonaco.infra.storage.keyvalue import KeyValueStore, SupportsChange

__all__ = ["Batch", "Changes", "OnlineWriter", "Prepared", "ViewWriter", "made_events"]

Ints = NDArray[np.int64]
_WHERE = "the events"
#: Entities of one put to a store behind a network, which serves nobody else while it takes one.
_ENTITIES = 20_000
_TEXTS = ("str", "bytes", "json")


@frozen(eq=False)
class Prepared:
    """Events of one view: the keys of their entities, which of them each belongs to, their words, and the texts of these.

    Parameters
    ----------
    owners : shape (events,)
        Ascending; events without an entity or a time are left out.
    firsts : shape (entities,)
        A row of the table of each entity.
    """

    keys: list[bytes]
    owners: Ints
    words: Ints
    texts: list[bytes]
    firsts: Ints


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

    def words(self, events: pa.Table, texts: list[bytes]) -> Ints:
        """The events as words of pending events; shape (events, event). Texts become positions in `texts`."""
        moments, _ = times(events, self.view.source.time, _WHERE)
        created = times(events, self.view.source.created, _WHERE) if self.view.source.created else None
        columns = [moments, np.zeros_like(moments) if created is None else np.where(created[1], created[0], NONE)]
        columns += [_kept_words(events, kept.column, kept.dtype, texts) for kept in self.shape.layout.columns]
        preparation = Preparation(events, _WHERE)
        columns += [preparation.words(measure) for measure in self.shape.layout.measures]
        return np.stack(columns, axis=1)

    def prepared(self, events: pa.Table, keys: EntityKeys | None = None) -> Prepared:
        """The events that belong to an entity and have a time, ready to be folded.

        Parameters
        ----------
        keys
            The entities of the events, where somebody knows them already.
        """
        _, timed = times(events, self.view.source.time, _WHERE)
        entities = (keys or EntityKeys.of(events, self.view.entity.keys)).of_events(timed)
        order = np.argsort(entities.owners, kind="stable")
        rows = order[int(np.count_nonzero(entities.owners < 0)) :]
        texts: list[bytes] = []
        owners, words = entities.owners[rows], self.words(events, texts)[rows]
        firsts = rows[np.searchsorted(owners, np.arange(len(entities.suffixes)))]
        return Prepared([self.prefix + suffix for suffix in entities.suffixes], owners, words, texts, firsts)

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


@frozen(eq=False, kw_only=True)
class Batch:
    """Events for one view.

    Parameters
    ----------
    events
        With the columns that the view uses.
    sequence
        As of `OnlineWriter.push`.
    keys
        Their entities, where somebody knows them already.
    """

    writer: ViewWriter
    events: pa.Table
    sequence: int = 0
    keys: EntityKeys | None = None


@define(eq=False)
class OnlineWriter:
    """Writes events to all views that read their tables.

    One process at a time may write a view's entries; its turns are held while it pushes. Each push is one commit of the store
    for all views: it is there whole or not at all. Used from one thread at a time.

    Parameters
    ----------
    gates
        What is expected of pushed rows, by the name of their table.
    """

    keyvalue: KeyValueStore = field(repr=False)
    views: tuple[ViewWriter, ...]
    turns: tuple[Turn, ...] = field(default=(), repr=False)
    gates: Mapping[str, Gate] = field(factory=dict, repr=False)

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
            Rows, by the name of the table that they would stand in.
        sequence
            A positive number that grows from push to push; a push that is repeated under its number changes nothing.
            0 for events that are certain to come once.

        Raises
        ------
        QualityError
            What a view expects of the events, and refuses else, does not hold; nothing is written.
        """
        passed = {name: self.gates[name].admit(rows).rows if name in self.gates else rows for name, rows in events.items()}
        return self.write([self._batch(writer, passed[name], sequence) for writer, name in self._read(passed)], PUSHED)

    def materialize(self, events: Mapping[str, pa.Table], sequence: int) -> int:
        """Write a batch of events of tables; the same sequence again changes nothing."""
        return self.write([self._batch(writer, events[name], sequence) for writer, name in self._read(events)], BATCH)

    def write(self, batches: Sequence[Batch], place: int, beside: Sequence[tuple[bytes, bytes]] = ()) -> int:
        """Write batches of different views in one commit; how many of their entries changed.

        More than a store puts whole is put in several; should one fail, the same batches again write the others.

        Parameters
        ----------
        place
            Which sequence of entries the batches' sequences are of: `BATCH` or `PUSHED`.
        beside
            Keys and values that the commit is to hold as well.

        Raises
        ------
        InvalidError
            An event cannot be folded; nothing is written.
        ConflictError
            Somebody else wrote the same entries.
        """
        for turn in self.turns:
            turn.hold()
        changes = Changes.of(batches, place, beside)
        if not changes.keys:
            return 0
        if isinstance(self.keyvalue, SupportsChange):
            self.keyvalue.change(changes.keys, changes.of_values)
        else:
            self._put(changes)
        return changes.changed

    def _put(self, changes: "Changes") -> None:
        old = self.keyvalue.get(changes.keys)
        new = changes.of_values([None if entry is None else entry[1] for entry in old])
        entries = [
            (key, 1, value) if entry is None else (key, entry[0] + 1, value)
            for key, entry, value in zip(changes.keys, old, new, strict=True)
            if value is not None and (entry is None or entry[1] != value)
        ]
        for start in range(0, len(entries), _ENTITIES):  # what is beside comes last
            part = entries[start : start + _ENTITIES]
            taken = self.keyvalue.put(part)
            if taken != len(part):
                raise ConflictError(f"somebody else wrote {len(part) - taken} of the same online entries", hint="one writer at a time")

    def _read(self, events: Mapping[str, pa.Table]) -> list[tuple[ViewWriter, str]]:
        unread = events.keys() - {writer.view.source.table for writer in self.views}
        if unread:
            raise InvalidError(f"no feature view that is written here reads events of {sorted(unread)[0]!r}", field=sorted(unread)[0])
        return [(writer, writer.view.source.table) for writer in self.views if writer.view.source.table in events]

    def _batch(self, writer: ViewWriter, rows: pa.Table, sequence: int) -> Batch:
        view = writer.view
        if view.source.uses:
            hint = "materialize it: its events are read from tables"
            raise InvalidError(
                f"feature view {view.name!r} joins other views, so events cannot be pushed to it", hint=hint, field=view.name
            )
        return Batch(writer=writer, events=made_events(view, rows), sequence=sequence)


@define(eq=False)
class Changes:
    """What batches make of the entries of their entities."""

    keys: list[bytes]
    _batches: tuple[tuple[Batch, Prepared], ...]
    _place: int
    _beside: list[bytes]
    changed: int = field(default=0, init=False)

    @classmethod
    def of(cls, batches: Sequence[Batch], place: int, beside: Sequence[tuple[bytes, bytes]]) -> "Changes":
        """Prepare batches; nothing is read yet."""
        prepared = tuple((batch, batch.writer.prepared(batch.events, batch.keys)) for batch in batches)
        keys = [key for _, each in prepared for key in each.keys] + [key for key, _ in beside]
        return cls(keys, prepared, place, [value for _, value in beside])

    def of_values(self, stored: Sequence[bytes | None]) -> list[bytes | None]:
        """The values that take the place of these."""
        values: list[bytes | None] = []
        for batch, events in self._batches:
            old = stored[len(values) : len(values) + len(events.keys)]
            values += batch.writer.entries(old, events, batch.sequence, self._place)
        self.changed = sum(map(ne, stored, values))
        return values + self._beside


def made_events(view: FeatureView, rows: pa.Table) -> pa.Table:
    """The events that rows make for a view; SchemaError names a column that they lack."""
    for name in view.source.needs(view.used):
        column_of(rows, name, _WHERE)
    return view.source.events(rows, view.used)


def _kept_words(events: pa.Table, column: str, dtype: str, texts: list[bytes]) -> Ints:
    if dtype in _TEXTS:
        return _text_words(column_of(events, column, _WHERE), texts)
    values, held = numbers(events, column, _WHERE)
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
