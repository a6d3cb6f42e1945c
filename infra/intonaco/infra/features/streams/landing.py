"""Landing: the events of a topic in a table of their own, each once, so that what streams is read offline like all else.

A landing is recorded before it is written, with the records that it holds, and its number is the token of the table's commit:
after a crash the same records are written again and the table takes them once.
"""

import time
from collections.abc import Mapping

import pyarrow as pa
from attrs import define, field

from intonaco.core.errors import ConflictError, InvalidError, MissingError
from intonaco.infra.features.entries.positions import Ranges
from intonaco.infra.features.recorded.progress import Mark, Piece, Progress
from intonaco.infra.features.recorded.turns import Turn
from intonaco.infra.features.streams.deadletters import DeadLetters
from intonaco.infra.features.streams.received import Received
from intonaco.infra.features.streams.topics import Topic
from intonaco.infra.storage.catalog.leases import Lease

__all__ = ["Landing", "received"]

_CHUNK = 10_000
#: Records that are caught up with at a time: each may hold many events.
_LEFT = 200


def received(topic: Topic, letters: DeadLetters, ranges: Ranges) -> Received:
    """The events of records, without those that are dead letters."""
    parts = [_partition(topic, number, after, through) for number, (after, through) in sorted(ranges.items())]
    found = Received.joined(parts, topic.records.schema)
    return found.without(letters.origins)


def _partition(topic: Topic, partition: int, after: int, through: int) -> Received:
    records: list[tuple[int, bytes]] = []
    while after < through:
        read = topic.workspace.stream.read(topic.name, after, min(_CHUNK, through - after), partition)
        if not read:
            break
        records += read
        after = read[-1][0]
    return topic.records.read(records, partition)


@define(eq=False)
class Landing:
    """Lands the events of a topic; of the processes that consume it one does.

    Parameters
    ----------
    every_s, every_rows
        How long events wait, and how many do, before they are committed together.
    """

    topic: Topic
    letters: DeadLetters
    every_s: float = 10.0
    every_rows: int = 200_000
    turn: Turn = field(init=False)
    holds: bool = field(default=False, init=False)
    _waiting: list[Received] = field(factory=list, init=False)
    _rows: int = field(default=0, init=False)
    _reached: dict[int, int] = field(factory=dict, init=False)
    _since: float = field(factory=time.monotonic, init=False)

    def __attrs_post_init__(self) -> None:
        self.turn = self._progress("landed").turn

    def _progress(self, place: str) -> Progress:
        """Versions of views count from 1, so that 0 is the topic itself."""
        topic = self.topic
        return Progress(topic.workspace.catalog, topic.project, topic.source.topic, 0, place)

    def mark(self) -> Mark:
        """The version of the table to which the topic has landed."""
        return self._progress("landed").mark()

    def offsets(self) -> dict[int, int]:
        """By partition, the last record that has landed."""
        landed = self.mark().sequence
        pieces = {partition: self._progress(f"landed:{partition}").piece() for partition in self.topic.partitions}
        return {
            partition: 0 if piece is None else piece.end if piece.sequence <= landed else piece.done for partition, piece in pieces.items()
        }

    def join(self) -> bool:
        """Land from now on, unless another process does; whether this one does since just now."""
        if self.holds:
            return False
        try:
            self.turn.hold()
        except ConflictError:
            self._since = time.monotonic()
            return False
        self.holds = True
        self._reached = {}
        self._finish()
        return True

    def _finish(self) -> None:
        """Write again what a landing that was cut short may have written."""
        lease = self.turn.hold()
        mark, wish = self.mark(), self._progress("landed").unfinished()
        if wish is not None and wish.sequence > mark.sequence:
            pieces = {partition: self._progress(f"landed:{partition}").piece() for partition in self.topic.partitions}
            ranges = {number: (piece.done, piece.end) for number, piece in pieces.items() if piece and piece.sequence == wish.sequence}
            self._commit(lease, received(self.topic, self.letters, ranges).events, wish.sequence)

    def check(self) -> None:
        """Refuse a table that cannot hold the topic's events."""
        try:
            held = self.topic.workspace.tables.snapshot(self.topic.table).schema
        except MissingError:
            return
        events = self.topic.records.schema
        strange = sorted({each.name for each in (*held, *events) if each.name not in held or each.name not in events})
        strange += [each.name for each in events if not strange and held[each.name].dtype != each.dtype]
        if strange:
            fault = f"table {self.topic.table!r}, in which the events land, differs from the topic in the column {strange[0]!r}"
            raise InvalidError(fault, hint="declare the columns that it has, or name another topic", field=strange[0])

    def catch_up(self, through: Mapping[int, int]) -> None:
        """Land the records up to these offsets that an earlier process left."""
        for partition, end in through.items():
            while (after := (self._reached or self.offsets()).get(partition, 0)) < end:
                ranges = {partition: (after, min(end, after + _LEFT))}
                self.take(received(self.topic, self.letters, ranges), ranges)
                if self._rows >= self.every_rows:
                    self.land()

    def take(self, events: Received, ranges: Ranges) -> None:
        """Keep events that took effect until they land; those of records that others will land are left to them."""
        reached = self._reached or self.offsets()
        if self.holds and all(reached.get(partition, 0) == after for partition, (after, _) in ranges.items()):
            self._reached = {**reached, **{partition: through for partition, (_, through) in ranges.items()}}
            self._waiting.append(events)
            self._rows += events.events.num_rows

    def is_due(self) -> bool:
        """Whether it is time to land what waits, or to see whether the process that landed is gone."""
        late = time.monotonic() - self._since >= self.every_s
        return late if not self.holds else bool(self._waiting) and (late or self._rows >= self.every_rows)

    def land(self) -> int:
        """Commit the events that wait; how many. If another process took over, it lands them.

        What fails is read again from the topic, when `join` is called next.
        """
        self._since = time.monotonic()
        events, self._waiting, self._rows = self._waiting, [], 0
        if not self.holds:
            return 0
        self.holds = False
        try:
            landed = self._land(events)
        except ConflictError:
            return 0
        self.holds = True
        return landed

    def _land(self, waiting: list[Received]) -> int:
        lease = self.turn.hold()
        landed, sequence = self.offsets(), self.mark().sequence + 1
        ranges = {partition: (landed[partition], end) for partition, end in self._reached.items() if end > landed[partition]}
        if not ranges:
            return 0
        self._begin(lease, ranges, sequence)
        events = pa.concat_tables([part.events for part in waiting])
        self._commit(lease, events, sequence)
        return int(events.num_rows)

    def _begin(self, lease: Lease, ranges: Ranges, sequence: int) -> None:
        landed = self._progress("landed")
        with landed.moving(lease) as connection:
            landed.wish(connection, Mark(sequence=sequence))
            for partition, (after, through) in ranges.items():
                piece = Piece(done=after, end=through, sequence=sequence)
                self._progress(f"landed:{partition}").note(connection, piece)

    def _commit(self, lease: Lease, events: pa.Table, sequence: int) -> None:
        mark = self.mark()
        if events.num_rows:
            table, tables = self.topic.table, self.topic.workspace.tables
            snapshot = tables.write(table, events, token=f"{table}#landed{sequence}")
            mark = Mark(source_version=snapshot.version, source_rows=snapshot.rows)
        self._progress("landed").finish(lease, Mark(source_version=mark.source_version, source_rows=mark.source_rows, sequence=sequence))
