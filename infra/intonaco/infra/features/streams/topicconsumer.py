"""The consumer of one topic: batches of records, their effect on every view of the topic, and what is kept aside."""

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
from attrs import define, field
from numpy.typing import NDArray

from intonaco.core.errors import InvalidError
from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.features.entries.entitykeys import EntityKeys
from intonaco.infra.features.entries.positions import Position, Ranges
from intonaco.infra.features.entries.shape import PUSHED
from intonaco.infra.features.streams.admission import dated, refused
from intonaco.infra.features.streams.deadletters import DeadLetters
from intonaco.infra.features.streams.landing import Landing, received
from intonaco.infra.features.streams.received import Fault, Received
from intonaco.infra.features.streams.streamlane import StreamLane
from intonaco.infra.features.streams.topics import Topic
from intonaco.infra.features.writing.quality import table_gate
from intonaco.infra.features.writing.writer import Batch, Changes, OnlineWriter
from intonaco.infra.storage.quality.gates import Gate

__all__ = ["TopicConsumer"]

#: Events of a batch, about; records are read accordingly.
EVENTS = 20_000
_FIRST_RECORDS = 8


@define(eq=False)
class TopicConsumer:
    """Takes the events of a topic, batch by batch.

    Parameters
    ----------
    views
        That take them, and their versions; others may read the topic too.
    land_every_s
        How long events wait until they land in the topic's table.
    clock
        Microseconds since 1970.
    """

    topic: Topic
    views: tuple[tuple[FeatureView, int], ...]
    land_every_s: float = 10.0
    clock: Callable[[], int] = field(default=lambda: time.time_ns() // 1000, repr=False)
    letters: DeadLetters = field(init=False)
    landing: Landing = field(init=False)
    events: int = field(default=0, init=False)
    dead: int = field(default=0, init=False)
    _lanes: list[StreamLane] = field(init=False)
    _writer: OnlineWriter = field(init=False)
    _gate: Gate = field(init=False)
    _records: int = field(default=_FIRST_RECORDS, init=False)

    def __attrs_post_init__(self) -> None:
        self.letters = DeadLetters(self.topic)
        self.landing = Landing(self.topic, self.letters, every_s=self.land_every_s)
        self._lanes = [StreamLane.of(self.topic, view, version) for view, version in self.views]
        self._writer = OnlineWriter(self.topic.workspace.keyvalue, ())
        views = [view for view, _ in self.topic.views]
        self._gate = table_gate(self.topic.workspace, self.topic.project, self.topic.source.table, views, "stream")

    def open(self) -> None:
        """Take the turns, finish what a process before has begun, and find where each view is."""
        self.landing.check()
        joined = self.landing.join()
        for lane in self._lanes:
            lane.open(self.landing, self.clock())
        if joined:
            self._catch_up()

    def _catch_up(self) -> None:
        """Land what an earlier process took and did not land."""
        self.landing.catch_up(
            {number: min(lane.position.offsets.get(number, 0) for lane in self._lanes) for number in self.topic.partitions}
        )

    def close(self) -> None:
        """Give the turns back."""
        for lane in self._lanes:
            lane.turn.release()
        self.landing.turn.release()

    def lag(self) -> int:
        """Records that the view that is furthest behind has not taken."""
        stream, name = self.topic.workspace.stream, self.topic.name
        ends = {number: stream.end(name, number) for number in self.topic.partitions}
        return max(sum(end - lane.position.offsets.get(number, 0) for number, end in ends.items()) for lane in self._lanes)

    @property
    def ahead(self) -> int:
        """Events that wait for their time."""
        return max(lane.held for lane in self._lanes)

    def step(self) -> int:
        """Take at most one batch for each group of views that stand at one place; how many events they held."""
        taken = sum(self._consume(group) for group in self._groups())
        if self.landing.is_due():
            if self.landing.join():
                self._catch_up()
            self.landing.land()
        return taken

    def _groups(self) -> Iterator[list[StreamLane]]:
        places: dict[object, list[StreamLane]] = {}
        for lane in self._lanes:
            lane.turn.hold()
            places.setdefault(lane.standing, []).append(lane)
        return iter(places.values())

    def _consume(self, group: list[StreamLane]) -> int:
        begun = group[0].begun
        if begun is None:
            clock_us = self.clock()
            ranges, read = self._read(group[0].position)
            if not ranges and not any(lane.is_due(clock_us) for lane in group):
                return 0
            self._begin(group, ranges, clock_us)
        else:
            clock_us, ranges = begun
            read = received(self.topic, self.letters, ranges)
        self._effect(group, self._sound(group, read, clock_us), ranges, clock_us)
        return max(1, int(read.events.num_rows))

    def _read(self, position: Position) -> tuple[Ranges, Received]:
        """Records behind a position, about as many as make a batch."""
        stream, ranges, parts = self.topic.workspace.stream, {}, []
        for partition in self.topic.partitions:
            after = position.offsets.get(partition, 0)
            records = stream.read(self.topic.name, after, self._records, partition)
            if records:
                ranges[partition] = (after, records[-1][0])
                parts.append(self.topic.records.read(records, partition))
                rows = max(1, parts[-1].events.num_rows)
                self._records = min(EVENTS, max(1, EVENTS * len(records) // rows // len(self.topic.partitions)))
        return ranges, Received.joined(parts, self.topic.records.schema).without(self.letters.origins if parts else ())

    def _begin(self, group: Sequence[StreamLane], ranges: Ranges, clock_us: int) -> None:
        """Record the batch for all views together."""
        first = group[0]
        with first.progress.moving(first.turn.hold()) as connection:
            for lane in group:
                lane.begin(connection, ranges, clock_us)
        for lane in group:
            lane.began(ranges, clock_us)

    def _sound(self, group: Sequence[StreamLane], read: Received, clock_us: int) -> Received:
        """The events that can take effect, as far as each shows by itself; the others are kept aside."""
        kept, faults = dated([lane.writer.view for lane in group], self.topic.records, read, clock_us)
        kept, unexpected = self._expected(kept, clock_us)
        self._keep_aside(read.faults + faults + unexpected)
        return kept

    def _expected(self, read: Received, clock_us: int) -> tuple[Received, list[Fault]]:
        """The events that are as the topic's views expect; a view that refuses refuses the event for all, whoever stands where."""
        reasons = self._gate.reasons(read.events, clock_us)
        if not reasons:
            return read, []
        record = self.topic.records.record_of
        faults = [Fault(read.origin(row), reason, record(read.events, row)) for row, reason in reasons.items()]
        kept = np.ones(read.events.num_rows, dtype=np.bool_)
        kept[list(reasons)] = False
        return read.chosen(kept), faults

    def _keep_aside(self, faults: Sequence[Fault]) -> None:
        if faults:
            self.dead += self.letters.add(faults)

    def _effect(self, group: Sequence[StreamLane], events: Received, ranges: Ranges, clock_us: int) -> None:
        """Write the events to the entries of all views, with their positions, in one commit."""
        try:
            self._write(group, events.events, ranges, clock_us)
        except InvalidError:
            events = self._admitted(group, events, ranges, clock_us)
            self._write(group, events.events, ranges, clock_us)
        for lane in group:
            lane.arrived()
        self.landing.take(events, ranges)
        self.events += events.events.num_rows

    def _write(self, group: Sequence[StreamLane], events: pa.Table, ranges: Ranges, clock_us: int) -> None:
        batches = self._batches(group, events, ranges, clock_us)
        self._writer.write(batches, PUSHED, [lane.next_position() for lane in group])

    def _batches(self, group: Sequence[StreamLane], events: pa.Table, ranges: Ranges, clock_us: int) -> list[Batch]:
        keys: dict[object, EntityKeys] = {}
        made = []
        for lane in group:
            now, alike = lane.due(events, ranges, clock_us)
            own = (lane.writer.view.entity.keys, None if alike else lane)
            if own not in keys:
                keys[own] = EntityKeys.of(now, lane.writer.view.entity.keys)
            made.append(Batch(writer=lane.writer, events=now, sequence=lane.sequence, keys=keys[own]))
        return made

    def _admitted(self, group: Sequence[StreamLane], events: Received, ranges: Ranges, clock_us: int) -> Received:
        """The events that all views can fold together; the others are kept aside."""

        def attempt(rows: NDArray[np.bool_]) -> None:
            changes = Changes.of(self._batches(group, events.events.filter(pa.array(rows)), ranges, clock_us), PUSHED, ())
            stored = self.topic.workspace.keyvalue.get(changes.keys)
            changes.of_values([None if entry is None else entry[1] for entry in stored])

        found = refused(attempt, events.events.num_rows)
        record = self.topic.records.record_of
        self._keep_aside([Fault(events.origin(row), why.message, record(events.events, row), why.field) for row, why in found.items()])
        kept = np.ones(events.events.num_rows, dtype=np.bool_)
        kept[list(found)] = False
        return events.chosen(kept)
