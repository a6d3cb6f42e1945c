"""The stream in Redis: one Redis stream for each partition of a topic.

The layout is final: format 1. `PREFIX:s:TOPIC:PARTITION` is a stream whose record N has the id `N-0` and one field `r`: the
CRC-32 (4 bytes, little-endian) of topic, partition and value, then the value. `PREFIX:h:TOPIC:PARTITION` is a hash that
tells how far it was appended (`last`) and trimmed (`trimmed`), `PREFIX:topics` the set of all `TOPIC:PARTITION`. Since
offsets have no gaps, a record that is lost is seen when it is read.
"""

from collections.abc import Sequence
from typing import Any, Self
from zlib import crc32

from attrs import define, frozen
from redis.exceptions import ResponseError

from intonaco.core.errors import CorruptError
from intonaco.core.references import check_name
from intonaco.core.urls import StoreUrl
from intonaco.ext.redis.connections import Link, packed
from intonaco.ext.redis.keyspace import Keyspace
from intonaco.ext.redis.replies import Replies
from intonaco.ext.redis.scripts import APPEND, CLAIM, READ, TRIM
from intonaco.infra.storage.guarantees import Guarantee
from intonaco.infra.storage.streams import Claimed, Stream, check_topic

__all__ = ["RedisStream"]

_CHUNK = 10_000


@frozen
class _Partition:
    """Where a partition of a topic is kept."""

    name: str
    records: bytes
    head: bytes

    salt: int
    """The checksum of its name, with which those of its records begin."""

    def sealed(self, value: bytes) -> bytes:
        """A record as it is kept."""
        return crc32(value, self.salt).to_bytes(4, "little") + value

    def checked(self, name: bytes, record: bytes, where: str) -> tuple[int, bytes]:
        """The offset and the value of a record as the server tells it; CorruptError if that is not what was appended."""
        value = record[4:]
        if name[-2:] != b"-0" or crc32(value, self.salt).to_bytes(4, "little") != record[:4]:
            raise self.damaged(f"record {name.decode()}", where)
        return int(name[:-2]), value

    def damaged(self, what: str, where: str) -> CorruptError:
        """An error that says what of it is not what was stored."""
        return CorruptError(f"{where} is damaged: {what}, of topic and partition {self.name!r}", hint="intonaco fsck lists what is damaged")


@define(eq=False)
class RedisStream(Stream):
    """Records in one database of a Redis server: `redis://USER:PASSWORD@HOST:PORT/DB?OPTIONS`.

    An append is one step in the server, so write by the thousand, not by the million. An append whose connection is lost
    may have been stored or not, and is not repeated.
    """

    apart_by = "prefix"

    keyspace: Keyspace

    @classmethod
    def open(cls, url: StoreUrl | str) -> Self:
        return cls(Keyspace.open(url, "the stream"))

    def append(self, topic: str, values: Sequence[bytes], partition: int = 0) -> int:
        place = self._place(topic, partition)
        if not values:
            return self.end(topic, partition)
        records = [place.sealed(value) for value in values]
        keys = (place.records, place.head, self.keyspace.key("topics"))
        return int(self.keyspace.write(lambda link: APPEND.run(link, keys, (place.name, *records)))[0])

    def read(self, topic: str, after: int = 0, limit: int = 1000, partition: int = 0) -> list[tuple[int, bytes]]:
        place = self._place(topic, partition)
        found: list[tuple[int, bytes]] = []
        while limit > len(found):
            asked = min(limit - len(found), _CHUNK)
            part = self._read(place, found[-1][0] if found else max(after, 0), asked)
            found += part
            if len(part) < asked:
                break
        return found

    def end(self, topic: str, partition: int = 0) -> int:
        place = self._place(topic, partition)
        (head,) = self.keyspace.ask(_head_of(place))
        return self._checked_head(place, head)[0]

    def trim(self, topic: str, through: int, partition: int = 0) -> None:
        place = self._place(topic, partition)
        if through > 0:
            given = (place.records, place.head), (through,)
            self.keyspace.write(lambda link: TRIM.run(link, *given, *self.keyspace.touch()))

    def topics(self) -> list[tuple[str, int]]:
        """All topics with their partitions, sorted."""
        (found,) = self.keyspace.ask(packed("SMEMBERS", self.keyspace.key("topics")))
        names = [name.decode().rpartition(":") for name in found]
        return sorted((topic, int(partition)) for topic, _, partition in names)

    def claim(self, topic: str, group: str, consumer: str, limit: int = 100, idle_s: float = 60.0, partition: int = 0) -> list[Claimed]:
        """As `SupportsGroups` says; the groups are those of Redis."""
        place = self._place(topic, partition)
        arguments = (check_name(group, "group"), check_name(consumer, "consumer"), max(int(idle_s * 1000), 0), limit)
        if limit <= 0:
            return []
        again, times, new = self.keyspace.write(lambda link: CLAIM.run(link, (place.records,), arguments)[0])
        counts = [*times, *(1 for _ in new)]
        return [
            Claimed(*place.checked(name, fields[1], self._where), count)
            for (name, fields), count in zip([*again, *new], counts, strict=True)
        ]

    def acknowledge(self, topic: str, group: str, offsets: Sequence[int], partition: int = 0) -> None:
        """As `SupportsGroups` says."""
        place, name = self._place(topic, partition), check_name(group, "group")
        if offsets:
            command = packed("XACK", place.records, name, *(f"{offset}-0" for offset in offsets))
            self.keyspace.write(lambda link: link.ask([command, *self.keyspace.touch()]))

    def lacks(self) -> dict[Guarantee, str]:
        return self.keyspace.lacks()

    def waived(self) -> frozenset[Guarantee]:
        return self.keyspace.waived()

    def close(self) -> None:
        self.keyspace.close()

    def _place(self, topic: str, partition: int) -> _Partition:
        check_topic(topic, partition)
        name = f"{topic}:{partition}"
        return _Partition(name, self.keyspace.key("s", name), self.keyspace.key("h", name), crc32(name.encode()))

    @property
    def _where(self) -> str:
        return self.keyspace.where

    def _read(self, place: _Partition, after: int, limit: int) -> list[tuple[int, bytes]]:
        last, trimmed, *rows = self.keyspace.connections.call(lambda link: _told(link, place, after, limit))
        end, gone = self._checked_head(place, (last, trimmed))
        found = [place.checked(name, record, self._where) for name, record in zip(rows[::2], rows[1::2], strict=True)]
        first = max(after, gone) + 1
        expected = range(first, min(end, first + limit - 1) + 1)
        for offset, (there, _) in zip(expected, found, strict=False):
            if there != offset:
                raise place.damaged(f"record {offset} is missing", self._where)
        if len(found) != len(expected):
            raise place.damaged(f"it has {len(found)} records where {len(expected)} were appended", self._where)
        return found

    def _checked_head(self, place: _Partition, head: Sequence[bytes | None]) -> tuple[int, int]:
        last, trimmed = head
        if last is None and trimmed is None:
            return 0, 0
        try:
            found = int(last or b""), int(trimmed or b"")
        except ValueError:
            raise place.damaged("the head of its records", self._where) from None
        if not 0 <= found[1] <= found[0]:
            raise place.damaged("the head of its records", self._where)
        return found


def _head_of(place: _Partition) -> bytes:
    return packed("HMGET", place.head, "last", "trimmed")


def _told(link: Link, place: _Partition, after: int, limit: int) -> list[Any]:
    command = READ.command((place.records, place.head), (f"({after}-0", limit))
    try:
        return Replies.to(link, command)
    except ResponseError as error:
        if not str(error).startswith("NOSCRIPT"):
            raise
        READ.load(link)
        return Replies.to(link, command)
