"""Dead letters: events of a topic that cannot take effect, kept aside with the reason until somebody replays them.

An event that is named here has no effect, online or offline, whatever a later version of a view would say, until it is replayed:
its bytes are then appended to the topic again, as a new record that names the letter.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
from attrs import define, field, frozen

from intonaco.infra.features.streams.eventrecords import named
from intonaco.infra.features.streams.received import Fault, Origin
from intonaco.infra.features.streams.topics import Topic

__all__ = ["DeadLetter", "DeadLetters"]

_CHUNK = 1_000
Mark = tuple[str, Any]


@frozen(kw_only=True)
class DeadLetter:
    """An event that could not take effect.

    Parameters
    ----------
    row
        In a record of many events.
    reason
        Why it was refused; `field` is the column at fault, where one is.
    at_us
        When it was kept aside.
    event
        The bytes that a replay appends.
    """

    topic: str
    partition: int
    offset: int
    row: int
    reason: str
    field: str
    at_us: int
    event: bytes

    @property
    def origin(self) -> Origin:
        """Where the event stands in the topic."""
        return Origin(self.partition, self.offset, self.row)


@define(eq=False)
class DeadLetters:
    """The dead letters of a topic."""

    topic: Topic
    _letters: dict[Origin, DeadLetter] = field(factory=dict, init=False)
    _replayed: set[Origin] = field(factory=set, init=False)
    _begun: dict[Origin, dict[int, int]] = field(factory=dict, init=False)
    _offset: int = field(default=0, init=False)

    def add(self, faults: Iterable[Fault]) -> int:
        """Keep events aside that are not yet; how many."""
        fresh = {fault.origin: fault for fault in faults if fault.origin not in self.origins}
        at_us = time.time_ns() // 1000
        self._note([_record(_letter(self.topic.source.topic, fault, at_us)) for fault in fresh.values()])
        return len(fresh)

    @property
    def origins(self) -> dict[Origin, DeadLetter]:
        """All events that were ever kept aside."""
        for kind, value in self._news():
            if kind == "dead":
                letter = DeadLetter(**{**value, "event": msgspec.convert(value["event"], bytes)})
                self._letters.setdefault(letter.origin, letter)
            elif kind == "replaying":
                self._begun[Origin(*value["origin"])] = {int(partition): end for partition, end in value["ends"].items()}
            else:
                self._replayed.add(Origin(*value["origin"]))
        return self._letters

    def waiting(self) -> list[DeadLetter]:
        """Those that were not replayed, in the order in which they were kept aside."""
        return [letter for origin, letter in self.origins.items() if origin not in self._replayed]

    def replay(self, letters: Sequence[DeadLetter] | None = None) -> int:
        """Append the events of letters to the topic again, once each; how many. Begun replays are finished."""
        wanted = {letter.origin for letter in (self.waiting() if letters is None else letters)}
        done = 0
        for letter in self.waiting():
            if letter.origin in wanted:
                self._replay(letter)
                done += 1
        return done

    def _replay(self, letter: DeadLetter) -> None:
        stream, topic = self.topic.workspace.stream, self.topic
        record = named(letter.event, letter.origin)
        if (begun := self._begun.get(letter.origin)) is None:
            ends = {str(partition): stream.end(topic.name, partition) for partition in topic.partitions}
            self._note([msgspec.json.encode(("replaying", {"origin": _plain(letter.origin), "ends": ends}))])
        if begun is None or not self._is_there(record, letter.partition, begun.get(letter.partition, 0)):
            stream.append(topic.name, [record], letter.partition)
        self._note([msgspec.json.encode(("replayed", {"origin": _plain(letter.origin)}))])

    def _is_there(self, record: bytes, partition: int, after: int) -> bool:
        """Whether a replay that was cut short had appended the record."""
        return any(value == record for _, value in _all(lambda last: self._read(self.topic.name, last, partition), after))

    def _note(self, records: list[bytes]) -> None:
        if records:
            self.topic.workspace.stream.append(self.topic.dead, records)

    def _news(self) -> Iterator[Mark]:
        for offset, value in _all(lambda last: self._read(self.topic.dead, last, 0), self._offset):
            self._offset = offset
            kind, fields = msgspec.json.decode(value)
            yield kind, fields

    def _read(self, name: str, after: int, partition: int) -> list[tuple[int, bytes]]:
        return self.topic.workspace.stream.read(name, after, _CHUNK, partition)


def _all(read: Callable[[int], list[tuple[int, bytes]]], after: int) -> Iterator[tuple[int, bytes]]:
    while records := read(after):
        yield from records
        after = records[-1][0]


def _letter(topic: str, fault: Fault, at_us: int) -> DeadLetter:
    place = {"partition": fault.origin.partition, "offset": fault.origin.offset, "row": fault.origin.row}
    return DeadLetter(topic=topic, **place, reason=fault.reason, field=fault.field, at_us=at_us, event=fault.event)


def _record(letter: DeadLetter) -> bytes:
    return msgspec.json.encode(("dead", msgspec.to_builtins(letter)))


def _plain(origin: Origin) -> list[int]:
    return [origin.partition, origin.offset, origin.row]
