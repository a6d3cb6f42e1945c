"""Groups of consumers of the embedded stream, in tables of their own beside the records; made by the first claim.

`stream_group` says of a group in a partition how far records were given out, and how many of them are not acknowledged;
`stream_claim` has a row for each of those. Every row has a CRC-32 of all that it says, and the count shows a lost one.
"""

import sqlite3
from collections.abc import Sequence
from zlib import crc32

from attrs import evolve, frozen

from intonaco.core.errors import CorruptError
from intonaco.infra.storage.sqlitelayout import Head

__all__ = ["acknowledge", "claim"]

_TABLES = (
    """CREATE TABLE IF NOT EXISTS stream_group (head INTEGER NOT NULL, name TEXT NOT NULL, given INTEGER NOT NULL,
       held INTEGER NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (head, name)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS stream_claim (head INTEGER NOT NULL, name TEXT NOT NULL, place INTEGER NOT NULL,
       consumer TEXT NOT NULL, at_us INTEGER NOT NULL, times INTEGER NOT NULL, crc INTEGER NOT NULL,
       PRIMARY KEY (head, name, place)) WITHOUT ROWID""",
)
_CLAIMS = "SELECT head, name, place, consumer, at_us, times, crc FROM stream_claim WHERE head = ? AND name = ?"


@frozen
class _Group:
    """How far a partition was given to a group, and how much of that it still holds."""

    head: int
    name: str
    given: int = 0
    held: int = 0

    def row(self) -> tuple[int | str, ...]:
        """As it is stored."""
        said = (self.head, self.name, self.given, self.held)
        return (*said, _crc(said))


def claim(
    connection: sqlite3.Connection, head: Head, name: str, consumer: str, limit: int, idle_us: int, at_us: int
) -> list[tuple[int, int]]:
    """Offsets to give a consumer, with how often each was given; part of a transaction."""
    for statement in _TABLES:
        connection.execute(statement)
    group = _group(connection, head, name) or _Group(head.id, name)
    gone = connection.execute("DELETE FROM stream_claim WHERE head = ? AND name = ? AND place <= ?", (head.id, name, head.trimmed)).rowcount
    query = f"{_CLAIMS} AND at_us <= ? ORDER BY place LIMIT ?"
    rows = connection.execute(query, (head.id, name, at_us - idle_us, limit)).fetchall()
    if any(_crc(row[:-1]) != row[-1] for row in rows):
        raise _damaged(head, name)
    first = max(group.given, head.trimmed) + 1
    new = range(first, min(head.last, first + limit - len(rows) - 1) + 1)
    given = [*((row[2], row[5] + 1) for row in rows), *((offset, 1) for offset in new)]
    kept = [(head.id, name, offset, consumer, at_us, times) for offset, times in given]
    connection.executemany("INSERT OR REPLACE INTO stream_claim VALUES (?, ?, ?, ?, ?, ?, ?)", [(*row, _crc(row)) for row in kept])
    _write(connection, evolve(group, given=max(first + len(new) - 1, group.given), held=group.held - gone + len(new)))
    return given


def acknowledge(connection: sqlite3.Connection, head: Head, name: str, offsets: Sequence[int]) -> None:
    """Forget that a group holds these; part of a transaction."""
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'stream_group'").fetchone() is None:
        return
    group = _group(connection, head, name)
    if group is None:
        return
    query = "DELETE FROM stream_claim WHERE head = ? AND name = ? AND place = ?"
    done = sum(connection.execute(query, (head.id, name, offset)).rowcount for offset in offsets)
    _write(connection, evolve(group, held=group.held - done))


def _group(connection: sqlite3.Connection, head: Head, name: str) -> _Group | None:
    where, of = "WHERE head = ? AND name = ?", (head.id, name)
    row = connection.execute(f"SELECT head, name, given, held, crc FROM stream_group {where}", of).fetchone()
    held = connection.execute(f"SELECT count(*) FROM stream_claim {where}", of).fetchone()[0]
    if held != (row[3] if row else 0) or (row and _Group(*row[:4]).row() != row):
        raise _damaged(head, name)
    return _Group(*row[:4]) if row else None


def _write(connection: sqlite3.Connection, group: _Group) -> None:
    connection.execute("INSERT OR REPLACE INTO stream_group VALUES (?, ?, ?, ?, ?)", group.row())


def _damaged(head: Head, name: str) -> CorruptError:
    told = f"what the group {name!r} holds of {head.topic!r}, partition {head.partition}, is damaged"
    return CorruptError(told, hint="intonaco fsck; another group is given all records that are there")


def _crc(said: Sequence[int | str]) -> int:
    return crc32(repr(tuple(said)).encode())
