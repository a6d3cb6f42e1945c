"""How the embedded stream lies in its SQLite file.

The layout is final: format 1. `stream_head` has one row per topic and partition: how far it was appended and trimmed.
`stream_record` holds a record under `place` = head's id * 2^40 + offset. Every row has a CRC-32 of all that it says, so a
damaged row is seen when it is read; and since offsets have no gaps, so is one that is not found.
"""

import sqlite3
from zlib import crc32

from attrs import frozen

from intonaco.core.errors import InvalidError
from intonaco.infra.storage.sqlitefiles import write_ahead

__all__ = ["HEADS", "OFFSET_BITS", "Head", "added", "make", "record_crc", "write"]

_APPLICATION = 0x696E7473  # "ints"
_FORMAT = 1
OFFSET_BITS = 40
HEADS = "SELECT id, topic, part, last, trimmed, crc FROM stream_head"
_TABLES = (
    """CREATE TABLE stream_head (id INTEGER PRIMARY KEY, topic TEXT NOT NULL, part INTEGER NOT NULL,
       last INTEGER NOT NULL, trimmed INTEGER NOT NULL, crc INTEGER NOT NULL, UNIQUE (topic, part))""",
    "CREATE TABLE stream_record (place INTEGER PRIMARY KEY, crc INTEGER NOT NULL, value BLOB NOT NULL)",
    f"PRAGMA application_id={_APPLICATION}",
    f"PRAGMA user_version={_FORMAT}",
)


@frozen
class Head:
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
        return self.id << OFFSET_BITS


def make(connection: sqlite3.Connection, where: str) -> None:
    """Make the tables of a file in which nothing is yet; InvalidError if it holds something else, or another format."""
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


def added(connection: sqlite3.Connection, topic: str, partition: int) -> Head:
    """The head of a partition that is new."""
    identity = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM stream_head").fetchone()[0]
    head = Head(identity, topic, partition)
    connection.execute("INSERT INTO stream_head VALUES (?, ?, ?, 0, 0, ?)", (head.id, topic, partition, head.crc))
    return head


def write(connection: sqlite3.Connection, head: Head) -> None:
    """Say how far a partition is now."""
    connection.execute("UPDATE stream_head SET last = ?, trimmed = ?, crc = ? WHERE id = ?", (head.last, head.trimmed, head.crc, head.id))


def record_crc(head: Head, offset: int, value: bytes) -> int:
    """The checksum of a record and its place."""
    return crc32(value, crc32((head.base + offset).to_bytes(8, "little")))
