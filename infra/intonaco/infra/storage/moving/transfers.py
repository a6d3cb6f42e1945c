"""Copying what is in one store into another of the same primitive, and comparing the two: in steps, with bounded memory."""

import hashlib
import heapq
import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Literal

from attrs import define, field, frozen

from intonaco.core.errors import AlreadyExistsError, InvalidError, MissingError
from intonaco.infra.storage.blobs import BlobStore
from intonaco.infra.storage.keyvalue import Entry, KeyValueStore
from intonaco.infra.storage.moving.moves import MOVE_BLOBS, MOVE_KEY, MOVE_TOPIC
from intonaco.infra.storage.store import Store
from intonaco.infra.storage.streams import Stream, SupportsTopics

__all__ = ["Difference", "Transfer", "transfer_between"]

_BATCH = 1000
_LOG = "/_delta_log/"


@frozen
class Difference:
    """Something in which two stores differ."""

    name: str
    kind: Literal["missing", "different", "too many"]


class Transfer(ABC):
    """A way from one store to another; every step can be repeated."""

    @abstractmethod
    def copy(self) -> Iterator[tuple[int, int]]:
        """Copy what is missing in the target, and tell after each step how many objects of how many bytes were copied in it."""

    @abstractmethod
    def differences(self) -> Iterator[Difference | None]:
        """Read all of both; None for each object that is equal."""

    @abstractmethod
    def extra(self) -> Iterator[str]:
        """What the target has and the source has not."""

    def follow(self) -> Iterator[tuple[int, int]]:
        """Copy what came last, while nobody writes."""
        return self.copy()

    @abstractmethod
    def repair(self, difference: Difference) -> None:
        """Make the target equal to the source there."""


@define
class BlobTransfer(Transfer):
    """Blobs by name; a table's log after its parts, so that no version is there before what it needs."""

    source: BlobStore
    target: BlobStore

    def copy(self) -> Iterator[tuple[int, int]]:
        for last in (False, True):
            missing = (name for name, kind in self._compared() if kind == "missing" and (_LOG in f"/{name}") == last)
            for name in missing:
                yield 1, self._copy(name)

    def differences(self) -> Iterator[Difference | None]:
        for name, kind in self._compared():
            if kind is not None:
                yield Difference(name, kind)
            else:
                yield None if self._equal(name) else Difference(name, "different")

    def extra(self) -> Iterator[str]:
        return (name for name, kind in self._compared() if kind == "too many")

    def repair(self, difference: Difference) -> None:
        there = self._has(difference.name)
        if difference.kind == "different" or not there:
            self.target.delete(difference.name)
        if there:
            self._copy(difference.name)

    def _has(self, name: str) -> bool:
        return any(found == name for found in self.source.names(name))

    def _compared(self) -> Iterator[tuple[str, Literal["missing", "too many"] | None]]:
        """All names of both in order, from two sorted listings."""
        ours = ((name, 0) for name in self.source.names() if not name.startswith(MOVE_BLOBS))
        theirs = ((name, 1) for name in self.target.names() if not name.startswith(MOVE_BLOBS))
        for name, found in itertools.groupby(heapq.merge(ours, theirs), key=lambda each: each[0]):
            sides = {side for _, side in found}
            yield name, None if len(sides) == 2 else "missing" if sides == {0} else "too many"

    def _copy(self, name: str) -> int:
        try:
            data = self.source.read(name)
            self.target.create(name, data)
            return len(data)
        except MissingError:
            return 0  # removed meanwhile
        except AlreadyExistsError:
            return 0  # and comparing will tell whether it is equal

    def _equal(self, name: str) -> bool:
        try:
            return _digest(self.source.read(name)) == _digest(self.target.read(name))
        except MissingError:
            return True  # removed from one of them meanwhile


@define
class KeyValueTransfer(Transfer):
    """Entries, of which the greater order wins in the target too."""

    source: KeyValueStore
    target: KeyValueStore

    def copy(self) -> Iterator[tuple[int, int]]:
        for batch in _batches(self._entries(self.source)):
            held = self.target.get([key for key, _ in batch])
            missing = [(key, *entry) for (key, entry), there in zip(batch, held, strict=True) if there is None or there < entry]
            self.target.put(missing)
            yield len(missing), sum(len(value) for _, _, value in missing)

    def differences(self) -> Iterator[Difference | None]:
        for batch in _batches(self._entries(self.source)):
            yield from self._compared(batch, self.target.get([key for key, _ in batch]))
        yield from (Difference(name, "too many") for name in self.extra())

    def extra(self) -> Iterator[str]:
        for batch in _batches(self._entries(self.target)):
            held = self.source.get([key for key, _ in batch])
            yield from (key.hex() for (key, _), there in zip(batch, held, strict=True) if there is None)

    def follow(self) -> Iterator[tuple[int, int]]:
        return iter(())  # every write went to both

    def repair(self, difference: Difference) -> None:
        key = bytes.fromhex(difference.name)
        (entry,), (there,) = self.source.get([key]), self.target.get([key])
        if there is not None and (entry is None or there > entry):
            self.target.delete([key])
        if entry is not None:
            self.target.put([(key, *entry)])

    def _compared(self, batch: list[tuple[bytes, Entry]], there: list[Entry | None]) -> Iterator[Difference | None]:
        unequal = [key for (key, entry), other in zip(batch, there, strict=True) if entry != other]
        yield from [None] * (len(batch) - len(unequal))
        # A write may have come between the two reads.
        again = zip(unequal, self.source.get(unequal), self.target.get(unequal), strict=True)
        for key, entry, other in again:
            if entry == other:
                yield None
            else:
                yield Difference(key.hex(), "missing" if other is None else "different")

    @staticmethod
    def _entries(store: KeyValueStore) -> Iterator[tuple[bytes, Entry]]:
        return ((key, entry) for key, entry in store.scan() if key != MOVE_KEY)


@define
class StreamTransfer(Transfer):
    """Records under the offsets that they have."""

    source: Stream
    target: Stream
    _topics: SupportsTopics = field(init=False)

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.source, SupportsTopics):
            raise InvalidError(f"a {type(self.source).__name__} cannot be moved: it does not tell its topics")
        self._topics = self.source

    def copy(self) -> Iterator[tuple[int, int]]:
        for topic, partition in self._each():
            while True:
                # Before the read: what it does not find up to there is gone, and not a record that comes this moment.
                end = self.source.end(topic, partition)
                found = self.source.read(topic, self.target.end(topic, partition), _BATCH, partition)
                if not found:
                    break
                self._fill(topic, partition, found[0][0] - 1)
                self.target.append(topic, [value for _, value in found], partition)
                yield len(found), sum(len(value) for _, value in found)
            self._fill(topic, partition, end)

    def differences(self) -> Iterator[Difference | None]:
        for topic, partition in self._each():
            after = 0
            while found := self.source.read(topic, after, _BATCH, partition):
                first, after = found[0][0], found[-1][0]
                there = dict(self.target.read(topic, first - 1, after - first + 1, partition))
                for offset, value in found:
                    name = f"{topic}[{partition}]@{offset}"
                    equal = there.get(offset) == value
                    yield None if equal else Difference(name, "different" if offset in there else "missing")
        yield from (Difference(name, "too many") for name in self.extra())

    def extra(self) -> Iterator[str]:
        there = self.target.topics() if isinstance(self.target, SupportsTopics) else self._each()
        for topic, partition in there:
            if topic != MOVE_TOPIC and self.target.end(topic, partition) > self.source.end(topic, partition):
                yield f"{topic}[{partition}]"

    def repair(self, difference: Difference) -> None:
        for _ in self.copy():
            pass
        if difference.kind != "missing" or not self._has(difference.name):
            raise InvalidError(
                f"the target's {difference.name} is not what the source has, and records are never changed",
                hint="intonaco migrate rollback, then start again into an empty store",
            )

    def _has(self, name: str) -> bool:
        """Whether the target has the record of this name, or the source has let go of it."""
        place, _, offset = name.rpartition("@")
        topic, _, partition = place.removesuffix("]").rpartition("[")
        ours, theirs = (store.read(topic, int(offset) - 1, 1, int(partition)) for store in (self.source, self.target))
        return theirs[:1] == ours[:1] or not any(found == int(offset) for found, _ in ours)

    def _each(self) -> list[tuple[str, int]]:
        return [each for each in self._topics.topics() if each[0] != MOVE_TOPIC]

    def _fill(self, topic: str, partition: int, through: int) -> None:
        """Let the target count up to an offset whose records the source has let go of."""
        while (end := self.target.end(topic, partition)) < through:
            self.target.append(topic, [b""] * min(_BATCH, through - end), partition)
            self.target.trim(topic, self.target.end(topic, partition), partition)


def transfer_between(source: Store, target: Store) -> Transfer:
    """The way from one store to another of the same primitive; of tables, what they lie on is copied."""
    source, target = getattr(source, "blobs", source), getattr(target, "blobs", target)
    ways: tuple[tuple[type[Any], Any], ...] = ((BlobStore, BlobTransfer), (KeyValueStore, KeyValueTransfer), (Stream, StreamTransfer))
    for primitive, way in ways:
        if isinstance(source, primitive) and isinstance(target, primitive):
            made: Transfer = way(source, target)
            return made
    raise InvalidError(f"{type(source).__name__} and {type(target).__name__} do not keep the same kind of thing")


def _batches(entries: Iterator[tuple[bytes, Entry]]) -> Iterator[list[tuple[bytes, Entry]]]:
    while batch := list(itertools.islice(entries, _BATCH)):
        yield batch


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
