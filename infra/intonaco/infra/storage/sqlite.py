"""The embedded stream: records in an SQLite file.

The layout is final: format 1. `stream_head` has one row per topic and partition: how far it was appended and trimmed.
`stream_record` holds a record under `place` = head's id * 2^40 + offset. Every row has a CRC-32 of all that it says, so a
damaged row is seen when it is read; and since offsets have no gaps, so is one that is not found.
"""

import sqlite3
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from zlib import crc32

from attrs import define, field, frozen

from intonaco.core.errors import CorruptError, InvalidError, UnavailableError
from intonaco.core.urls import StoreUrl
from intonaco.infra.storage.faults import explained_sqlite
from intonaco.infra.storage.guarantees import HERE_ALONE, Guarantee
from intonaco.infra.storage.sqlitefiles import BUSY_TIMEOUT_S, prepare, sqlite_path, write_ahead
from intonaco.infra.storage.store import as_url
from intonaco.infra.storage.streams import Stream, check_topic
from intonaco.infra.storage.writeahead import check_write_ahead

__all__ = ["SqliteStream"]

_APPLICATION = 0x696E7473  # "ints"
_FORMAT = 1
_OFFSET_BITS = 40
_HEADS = "SELECT id, topic, part, last, trimmed, crc FROM stream_head"
_TABLES = (
    """CREATE TABLE stream_head (id INTEGER PRIMARY KEY, topic TEXT NOT NULL, part INTEGER NOT NULL,
       last INTEGER NOT NULL, trimmed INTEGER NOT NULL, crc INTEGER NOT NULL, UNIQUE (topic, part))""",
    "CREATE TABLE stream_record (place INTEGER PRIMARY KEY, crc INTEGER NOT NULL, value BLOB NOT NULL)",
    f"PRAGMA application_id={_APPLICATION}",
    f"PRAGMA user_version={_FORMAT}",
)


@frozen
class _Head:
    """How far a topic's partition was appended and trimmed."""

    id: int
    topic: str
    partition: int
    last: int = 0
    trimmed: int = 0

    @property
    def crc(self) -> int:
        return crc32(f"{self.id} {self.topic} {self.partition} {self.last} {self.trimmed}".encode())

    @property
    def base(self) -> int:
        return self.id << _OFFSET_BITS


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
            _make(connection, stream._where)
        return stream

    def append(self, topic: str, values: Sequence[bytes], partition: int = 0) -> int:
        check_topic(topic, partition)
        if not values:
            return self.end(topic, partition)
        with self._transaction() as connection:
            head = self._head(connection, topic, partition) or _added(connection, topic, partition)
            rows = [(head.base + offset, _record_crc(head, offset, value), value) for offset, value in enumerate(values, head.last + 1)]
            connection.executemany("INSERT INTO stream_record VALUES (?, ?, ?)", rows)
            last = head.last + len(values)
            _write(connection, _Head(head.id, topic, partition, last, head.trimmed))
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
                _write(connection, _Head(head.id, topic, partition, head.last, through))

    def topics(self) -> list[tuple[str, int]]:
        with self._snapshot() as connection:
            return [(row[1], row[2]) for row in connection.execute(f"{_HEADS} ORDER BY topic, part")]

    def lacks(self) -> dict[Guarantee, str]:
        return HERE_ALONE

    def close(self) -> None:
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    @property
    def _where(self) -> str:
        return f"the stream {self.path}"

    def _head(self, connection: sqlite3.Connection, topic: str, partition: int) -> _Head | None:
        row = connection.execute(f"{_HEADS} WHERE topic = ? AND part = ?", (topic, partition)).fetchone()
        if row is None:
            self._check_absent(connection, topic, partition)
            return None
        head = _Head(*row[:5])
        if head.crc != row[5]:
            raise self._damaged(f"the head of {topic!r}, partition {partition}")
        return head

    def _check_absent(self, connection: sqlite3.Connection, topic: str, partition: int) -> None:
        """Raise CorruptError unless all heads are whole and none is this one: a flipped bit could hide it, and its records."""
        rows = connection.execute(f"{_HEADS} NOT INDEXED ORDER BY id").fetchall()
        heads = [_Head(*row[:5]) for row in rows]
        greatest = connection.execute("SELECT max(place) FROM stream_record").fetchone()[0] or 0
        whole = all(head.crc == row[5] and head.id == number for number, (head, row) in enumerate(zip(heads, rows, strict=True), 1))
        if not whole or greatest >> _OFFSET_BITS > len(heads) or any((head.topic, head.partition) == (topic, partition) for head in heads):
            raise self._damaged("the heads of its topics")

    def _checked(self, head: _Head, first: int, last: int, rows: list[tuple[int, int, bytes]]) -> list[tuple[int, bytes]]:
        offsets = range(first, last + 1)
        for offset, (place, crc, value) in zip(offsets, rows, strict=False):
            if place != head.base + offset or not isinstance(value, bytes) or crc != _record_crc(head, offset, value):
                raise self._lost(head, offset)
        if len(rows) < len(offsets):
            raise self._lost(head, first + len(rows))
        return [(offset, row[2]) for offset, row in zip(offsets, rows, strict=True)]

    def _lost(self, head: _Head, offset: int) -> CorruptError:
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


def _make(connection: sqlite3.Connection, where: str) -> None:
    if _is_made(connection, where):
        return
    write_ahead(connection)
    connection.execute("BEGIN IMMEDIATE")
    if not _is_made(connection, where):  # again: somebody else may have been first
        for statement in _TABLES:
            connection.execute(statement)
    connection.execute("COMMIT")


def _is_made(connection: sqlite3.Connection, where: str) -> bool:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    form = connection.execute("PRAGMA user_version").fetchone()[0]
    if application == 0 and form == 0 and connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0:
        return False
    if application != _APPLICATION:
        raise InvalidError(f"{where} is a database that Intonaco's stream did not make", hint="name another file")
    if form != _FORMAT:
        raise InvalidError(f"{where} is of format {form}, this installation reads {_FORMAT}", hint="install the newer version")
    return True


def _added(connection: sqlite3.Connection, topic: str, partition: int) -> _Head:
    identity = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM stream_head").fetchone()[0]
    head = _Head(identity, topic, partition)
    connection.execute("INSERT INTO stream_head VALUES (?, ?, ?, 0, 0, ?)", (head.id, topic, partition, head.crc))
    return head


def _write(connection: sqlite3.Connection, head: _Head) -> None:
    connection.execute("UPDATE stream_head SET last = ?, trimmed = ?, crc = ? WHERE id = ?", (head.last, head.trimmed, head.crc, head.id))


def _record_crc(head: _Head, offset: int, value: bytes) -> int:
    return crc32(value, crc32((head.base + offset).to_bytes(8, "little")))
