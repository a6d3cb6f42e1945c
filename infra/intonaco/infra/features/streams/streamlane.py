"""One view on its way through a topic: its position, its turn, and the batch that it has begun."""

import numpy as np
import pyarrow as pa
import sqlalchemy as sql
from attrs import define, evolve, field

from intonaco.infra.compute.arrays import times
from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.features.entries.keys import view_prefix
from intonaco.infra.features.entries.positions import KEY, Position, Ranges
from intonaco.infra.features.recorded.progress import Mark, Piece, Progress
from intonaco.infra.features.recorded.turns import Turn
from intonaco.infra.features.streams.landing import Landing
from intonaco.infra.features.streams.topics import Topic
from intonaco.infra.features.writing.clearing import finish_clearing
from intonaco.infra.features.writing.materialization import Places, silent
from intonaco.infra.features.writing.moves import Lane, advance
from intonaco.infra.features.writing.writer import ViewWriter, made_events
from intonaco.infra.storage.tables import Snapshot

__all__ = ["StreamLane"]


@define(eq=False)
class StreamLane:
    """One view that consumes a topic."""

    topic: Topic
    writer: ViewWriter
    progress: Progress
    turn: Turn
    key: bytes
    position: Position = field(init=False)
    begun: tuple[int, Ranges] | None = field(default=None, init=False)
    sequence: int = field(default=0, init=False)
    _next: Position = field(init=False)

    @classmethod
    def of(cls, topic: Topic, view: FeatureView, version: int) -> "StreamLane":
        """The way of a version of a view."""
        progress = Progress(topic.workspace.catalog, topic.project, view.name, version, "stream")
        turn = Progress(topic.workspace.catalog, topic.project, view.name, version, "online").turn
        return cls(topic, ViewWriter.of(view, topic.project, version), progress, turn, view_prefix(topic.project, view.name, version) + KEY)

    def open(self, landing: Landing, clock_us: int) -> None:
        """Take the turn, and stand where the view is; one that never consumed begins with what has landed."""
        finish_clearing(self.topic.workspace, self.topic.project, self.progress.view, self.progress.version)
        self.turn.hold()
        [stored] = self.topic.workspace.keyvalue.get([self.key])
        if stored is None:
            self._fill(landing, clock_us)
            [stored] = self.topic.workspace.keyvalue.get([self.key])
            assert stored is not None
        self.position = Position.decode(stored[1], f"feature view {self.writer.view.name!r}")
        self._recall()

    def _recall(self) -> None:
        """A batch that was begun at this position and is not in it is done again, under its number."""
        wish, self.begun = self.progress.unfinished(), None
        self.sequence = max(self.position.sequence, wish.sequence if wish else 0)
        if wish is None or wish.sequence <= self.position.sequence:
            return
        pieces = {number: self._part(number).piece() for number in self.topic.partitions}
        begun = {number: piece for number, piece in pieces.items() if piece is not None and piece.sequence == wish.sequence}
        if all(self.position.offsets.get(number, 0) == piece.done for number, piece in begun.items()):
            self.begun = (wish.until_us, {number: (piece.done, piece.end) for number, piece in begun.items()})

    @property
    def standing(self) -> object:
        """What views that take their batches together have in common."""
        begun = None if self.begun is None else (self.begun[0], tuple(sorted(self.begun[1].items())))
        return (tuple(sorted(self.position.offsets.items())), begun)

    @property
    def held(self) -> int:
        """Events that wait for their time."""
        return 0 if self.position.held is None else self.position.held.num_rows

    def is_due(self, clock_us: int) -> bool:
        """Whether the time of a waiting event has come."""
        held = self.position.held
        return held is not None and bool((self._moments(held) <= clock_us).any())

    def begin(self, connection: sql.Connection, ranges: Ranges, clock_us: int) -> None:
        """Record a batch, as part of a transaction that checks a lease; `began` follows when it is committed."""
        sequence = self.sequence + 1
        self.progress.check(connection, self.turn.hold())
        self.progress.wish(connection, Mark(until_us=clock_us, sequence=sequence))
        for number, (after, through) in ranges.items():
            self._part(number).note(connection, Piece(done=after, end=through, sequence=sequence))

    def began(self, ranges: Ranges, clock_us: int) -> None:
        """Know that the batch is recorded."""
        self.sequence, self.begun = self.sequence + 1, (clock_us, ranges)

    def due(self, events: pa.Table, ranges: Ranges, clock_us: int) -> tuple[pa.Table, bool]:
        """Of a batch and what waits, the events of the view whose time has come; and whether they are the batch itself."""
        held = self.position.held
        both = events if held is None else pa.concat_tables([events, held], promote_options="default")
        later = self._moments(both) > clock_us
        waits = both.filter(pa.array(later)) if later.any() else None
        offsets = {**self.position.offsets, **{number: through for number, (_, through) in ranges.items()}}
        self._next = Position(sequence=self.sequence, offsets=offsets, held=waits)
        now = both if waits is None else both.filter(pa.array(~later))
        return made_events(self.writer.view, now), held is None and waits is None

    def next_position(self) -> tuple[bytes, bytes]:
        """The position after the batch that `due` was asked for last, under its key."""
        return self.key, self._next.encode()

    def arrived(self) -> None:
        """Stand behind the batch."""
        self.position, self.begun = self._next, None

    def _moments(self, events: pa.Table) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        moments, timed = times(events, self.writer.view.source.time, "the events")
        return np.where(timed, moments, np.iinfo(np.int64).min)

    def _part(self, partition: int) -> Progress:
        return evolve(self.progress, place=f"stream:{partition}")

    def _fill(self, landing: Landing, clock_us: int) -> None:
        """Fill the entries with what has landed, and stand where the landing does; from now on the topic feeds them."""
        mark, workspace = landing.mark(), self.topic.workspace
        offsets, waits = dict.fromkeys(self.topic.partitions, 0), None
        if mark.source_version >= 0:
            snapshot = workspace.tables.snapshot(self.topic.table, mark.source_version)
            online = Progress(workspace.catalog, self.topic.project, self.writer.view.name, self.progress.version, "online")
            advance(
                workspace, snapshot, [Lane(self.writer, online, self.turn)], clock_us, Places(workspace, self.topic.project).write, silent
            )
            offsets, waits = landing.offsets(), self._waiting(snapshot, online.mark().until_us)
        fed = evolve(self.progress, place="push")
        if not fed.mark().sequence:
            fed.finish(self.turn.hold(), Mark(sequence=1))
        position = Position(offsets=offsets, held=waits)
        workspace.keyvalue.put([(self.key, 1, position.encode())])

    def _waiting(self, snapshot: Snapshot, until_us: int) -> pa.Table | None:
        """The landed events whose time has not come."""
        found = []
        for part in snapshot.parts:
            rows = self.topic.workspace.tables.read(evolve(snapshot, parts=(part,), rows=part.rows))
            later = self._moments(rows) >= until_us
            if later.any():
                found.append(rows.filter(pa.array(later)))
        return pa.concat_tables(found) if found else None
