"""The embedded stream: records in an SQLite file, whose layout stands in `sqlitelayout.py`."""

import sqlite3
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from attrs import define, field

from intonaco.core.errors import CorruptError, UnavailableError
from intonaco.core.references import check_name
from intonaco.core.urls import StoreUrl
from intonaco.infra.storage.faults import explained_sqlite
from intonaco.infra.storage.guarantees import HERE_ALONE, Guarantee
from intonaco.infra.storage.sqlitefiles import BUSY_TIMEOUT_S, prepare, sqlite_path
from intonaco.infra.storage.sqlitegroups import acknowledge, claim
from intonaco.infra.storage.sqlitelayout import HEADS, OFFSET_BITS, Head, added, make, record_crc, write
from intonaco.infra.storage.store import as_url
from intonaco.infra.storage.streams import Claimed, Stream, check_topic
from intonaco.infra.storage.writeahead import check_write_ahead

__all__ = ["SqliteStream"]


@define(eq=False)
class SqliteStream(Stream):
    """Records in one SQLite file, `sqlite:PATH`, in WAL mode with full sync; writers take turns, each waiting up to 30 s."""

    path: Path
    _idle: deque[sqlite3.Connection] = field(factory=deque, init=False, repr=False)
    _closed: bool = field(default=False, init=False, repr=False)

    @classmethod
    def open(cls, url: StoreUrl | str) -> Self:
        url = as_url(url)
        stream = cls(sqlite_path(url))
        check_write_ahead(stream.path)
        with stream._connection() as connection:
            make(connection, stream._where)
        return stream

    def append(self, topic: str, values: Sequence[bytes], partition: int = 0) -> int:
        check_topic(topic, partition)
        if not values:
            return self.end(topic, partition)
        with self._transaction() as connection:
            head = self._head(connection, topic, partition) or added(connection, topic, partition)
            rows = [(head.base + offset, record_crc(head, offset, value), value) for offset, value in enumerate(values, head.last + 1)]
            connection.executemany("INSERT INTO stream_record VALUES (?, ?, ?)", rows)
            last = head.last + len(values)
            write(connection, Head(head.id, topic, partition, last, head.trimmed))
        return last

    def read(self, topic: str, after: int = 0, limit: int = 1000, partition: int = 0) -> list[tuple[int, bytes]]:
        with self._snapshot() as connection:
            head = self._head(connection, topic, partition)
            if head is None or limit <= 0:
                return []
            first = max(after, head.trimmed) + 1
            last = min(head.last, first + limit - 1)
            query = "SELECT place, crc, value FROM stream_record WHERE place BETWEEN ? AND ? ORDER BY place"
            rows = connection.execute(query, (head.base + first, head.base + last)).fetchall() if last >= first else []
        return self._checked(head, first, last, rows)

    def end(self, topic: str, partition: int = 0) -> int:
        with self._snapshot() as connection:
            head = self._head(connection, topic, partition)
        return head.last if head else 0

    def trim(self, topic: str, through: int, partition: int = 0) -> None:
        with self._transaction() as connection:
            head = self._head(connection, topic, partition)
            if head is not None and through > head.trimmed:
                through = min(through, head.last)
                connection.execute("DELETE FROM stream_record WHERE place BETWEEN ? AND ?", (head.base + 1, head.base + through))
                write(connection, Head(head.id, topic, partition, head.last, through))

    def topics(self) -> list[tuple[str, int]]:
        with self._snapshot() as connection:
            return [(row[1], row[2]) for row in connection.execute(f"{HEADS} ORDER BY topic, part")]

    def claim(self, topic: str, group: str, consumer: str, limit: int = 100, idle_s: float = 60.0, partition: int = 0) -> list[Claimed]:
        """As `SupportsGroups` says."""
        check_topic(topic, partition)
        check_name(group, "group")
        check_name(consumer, "consumer")
        with self._transaction() as connection:
            head = self._head(connection, topic, partition)
            if head is None or limit <= 0:
                return []
            given = claim(connection, head, group, consumer, limit, max(int(idle_s * 1e6), 0), time.time_ns() // 1000)
        # after the commit, so that a damaged record does not keep the group from all others
        found = [(times, record) for offset, times in given for record in self.read(topic, offset - 1, 1, partition) if record[0] == offset]
        return [Claimed(*record, times) for times, record in found]

    def acknowledge(self, topic: str, group: str, offsets: Sequence[int], partition: int = 0) -> None:
        """As `SupportsGroups` says."""
        check_topic(topic, partition)
        check_name(group, "group")
        with self._transaction() as connection:
            head = self._head(connection, topic, partition)
            if head is not None:
                acknowledge(connection, head, group, offsets)

    def lacks(self) -> dict[Guarantee, str]:
        return HERE_ALONE

    def close(self) -> None:
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    @property
    def _where(self) -> str:
        return f"the stream {self.path}"

    def _head(self, connection: sqlite3.Connection, topic: str, partition: int) -> Head | None:
        row = connection.execute(f"{HEADS} WHERE topic = ? AND part = ?", (topic, partition)).fetchone()
        if row is None:
            self._check_absent(connection, topic, partition)
            return None
        head = Head(*row[:5])
        if head.crc != row[5]:
            raise self._damaged(f"the head of {topic!r}, partition {partition}")
        return head

    def _check_absent(self, connection: sqlite3.Connection, topic: str, partition: int) -> None:
        """Raise CorruptError unless all heads are whole and none is this one: a flipped bit could hide it, and its records."""
        rows = connection.execute(f"{HEADS} NOT INDEXED ORDER BY id").fetchall()
        heads = [Head(*row[:5]) for row in rows]
        greatest = connection.execute("SELECT max(place) FROM stream_record").fetchone()[0] or 0
        whole = all(head.crc == row[5] and head.id == number for number, (head, row) in enumerate(zip(heads, rows, strict=True), 1))
        if not whole or greatest >> OFFSET_BITS > len(heads) or any((head.topic, head.partition) == (topic, partition) for head in heads):
            raise self._damaged("the heads of its topics")

    def _checked(self, head: Head, first: int, last: int, rows: list[tuple[int, int, bytes]]) -> list[tuple[int, bytes]]:
        offsets = range(first, last + 1)
        for offset, (place, crc, value) in zip(offsets, rows, strict=False):
            if place != head.base + offset or not isinstance(value, bytes) or crc != record_crc(head, offset, value):
                raise self._lost(head, offset)
        if len(rows) < len(offsets):
            raise self._lost(head, first + len(rows))
        return [(offset, row[2]) for offset, row in zip(offsets, rows, strict=True)]

    def _lost(self, head: Head, offset: int) -> CorruptError:
        return self._damaged(f"record {offset} of {head.topic!r}, partition {head.partition}")

    def _damaged(self, what: str) -> CorruptError:
        return CorruptError(f"{self._where} is damaged: {what}", hint="intonaco fsck lists what is damaged")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        if self._closed:
            raise UnavailableError(f"{self._where} is closed")
        with explained_sqlite(self._where):
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = _connect(self.path)
            try:
                yield connection
            except BaseException:
                connection.close()  # and roll back
                raise
            self._idle.append(connection)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        with self._connection() as connection:
            connection.execute("BEGIN")
            yield connection
            connection.execute("COMMIT")


def _connect(path: Path) -> sqlite3.Connection:
    # One thread at a time uses a connection, not always the same.
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    prepare(connection, path)
    return connection
