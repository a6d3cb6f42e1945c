"""Writing events online: get the entries of a batch's entities, fold, put them back, all or none."""

from collections.abc import Mapping, Sequence
from operator import ne
from types import TracebackType
from typing import Self

import pyarrow as pa
from attrs import define, field, frozen

from intonaco.core.errors import InvalidError
from intonaco.infra.compute.arrays import column_of
from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.features.entries.entitykeys import EntityKeys
from intonaco.infra.features.entries.shape import BATCH, PUSHED
from intonaco.infra.features.recorded.turns import Turn
from intonaco.infra.features.writing.viewwriter import Prepared, ViewWriter
from intonaco.infra.storage.keyvalue import KeyValueStore, change
from intonaco.infra.storage.quality.gates import Gate

__all__ = ["Batch", "Changes", "OnlineWriter", "ViewWriter", "made_events"]

_WHERE = "the events"


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
        return change(self.keyvalue, changes.keys, changes.of_values) - changes.others  # what is beside comes last

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
    """What batches make of the entries of their entities.

    Parameters
    ----------
    others
        How many of the keys that are beside got another value.
    """

    keys: list[bytes]
    _batches: tuple[tuple[Batch, Prepared], ...]
    _place: int
    _beside: list[bytes]
    others: int = field(default=0, init=False)

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
        self.others = sum(map(ne, stored[len(values) :], self._beside))
        return values + self._beside


def made_events(view: FeatureView, rows: pa.Table) -> pa.Table:
    """The events that rows make for a view; SchemaError names a column that they lack."""
    for name in view.source.needs(view.used):
        column_of(rows, name, _WHERE)
    return view.source.events(rows, view.used)
