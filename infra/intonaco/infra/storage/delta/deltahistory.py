"""What a process knows of a Delta table's log: read once, then only what is new."""

import hashlib
import threading
import time
from collections.abc import Sequence

import msgspec
from attrs import define, evolve, field

from intonaco.core.errors import CorruptError, MissingError
from intonaco.core.schema import Schema
from intonaco.infra.storage.blobs import BlobStore, read_many
from intonaco.infra.storage.delta.deltalog import Entry, entry_name, read_entry, write_entry
from intonaco.infra.storage.tables import Part, Snapshot

__all__ = ["History", "Log"]

_HINT = "intonaco fsck lists what is damaged"
_KEPT = 16  # snapshots per table; each lists all its parts


@define(eq=False)
class History:
    """All entries of a table that were read, and the snapshots made of them."""

    table: str
    entries: list[Entry] = field(factory=list)
    tokens: dict[str, int] = field(factory=dict)
    expired: set[int] = field(factory=set)
    _snapshots: dict[int, Snapshot] = field(factory=dict)
    _lock: threading.Lock = field(factory=threading.Lock, repr=False)

    @property
    def next_version(self) -> int:
        """The version that the next commit makes."""
        return len(self.entries)

    @property
    def digest(self) -> str:
        """SHA-256 of the newest entry; empty if there is none."""
        return self.entries[-1].digest if self.entries else ""

    def add(self, data: bytes) -> None:
        """Read the next entry."""
        entry = read_entry(self.table, self.next_version, data, self.digest)
        self.entries.append(entry)
        self.expired.update(entry.expired)
        if entry.token:
            self.tokens.setdefault(entry.token, entry.version)

    def committed(self, token: str) -> Snapshot | None:
        """What the write with this token made, if there was one."""
        return self.recorded(self.tokens[token]) if token in self.tokens else None

    def snapshot(self, version: int) -> Snapshot:
        """The table as of a version; MissingError if there is no such version, or no longer."""
        newest = self.next_version - 1
        if not 0 <= version <= newest:
            raise MissingError(f"table {self.table} has no version {version}", hint=f"its newest is {newest}")
        if version in self.expired:
            raise MissingError(f"table {self.table}@{version} was removed by intonaco gc", hint=f"its newest is {newest}")
        return self.recorded(version)

    def recorded(self, version: int) -> Snapshot:
        """What a version was, readable or not."""
        with self._lock:
            if version not in self._snapshots:
                made = self._made(version)
                if len(self._snapshots) >= _KEPT:
                    self._snapshots.pop(next(iter(self._snapshots)))
                self._snapshots[version] = made
            return self._snapshots[version]

    def _made(self, version: int) -> Snapshot:
        before = self._snapshots.get(version - 1)
        entry = self.entries[version]
        schema = entry.schema or (before.schema if before else self._schema(version))
        parts = entry.parts if entry.replaces else (before.parts if before else self._parts(version - 1)) + entry.parts
        rows = sum(part.rows for part in parts)
        return Snapshot(table=self.table, version=version, digest=_digest(schema, parts), schema=schema, rows=rows, parts=parts)

    def _schema(self, version: int) -> Schema:
        return next(entry.schema for entry in reversed(self.entries[: version + 1]) if entry.schema is not None)

    def _parts(self, version: int) -> tuple[Part, ...]:
        start = max((entry.version for entry in self.entries[: version + 1] if entry.replaces), default=0)
        return tuple(part for entry in self.entries[start : version + 1] for part in entry.parts)


def _digest(schema: Schema, parts: Sequence[Part]) -> str:
    total = hashlib.sha256(msgspec.json.encode(schema.to_json()))
    for part in parts:
        total.update(f"\n{part.rows} {part.values_sha256}".encode())
    return total.hexdigest()


@define(eq=False)
class Log:
    """The logs of all tables of a blob store; safe to use from any thread."""

    blobs: BlobStore
    _histories: dict[str, History] = field(factory=dict, init=False, repr=False)
    _lock: threading.RLock = field(factory=threading.RLock, init=False, repr=False)

    def known(self, table: str) -> History:
        """The history as this process last saw it."""
        with self._lock:
            return self._histories.get(table) or self.refreshed(table)

    def refreshed(self, table: str) -> History:
        """The history with every entry that is there by now; empty if there is no such table."""
        with self._lock:
            history = self._histories.get(table) or self._first_read(table)
            while True:
                try:
                    data = self.blobs.read(entry_name(table, history.next_version))
                except MissingError:
                    return history
                history.add(data)

    def commit(self, entry: Entry, history: History) -> Snapshot:
        """Make `entry` the next one; AlreadyExistsError if another writer was first.

        `entry` names the version that the writer saw as the next one, so what it read until then is what it replaces.
        """
        data = self._sealed(entry, history)
        self.blobs.create(entry_name(history.table, entry.version), data)
        with self._lock:
            if history.next_version == entry.version:
                history.add(data)
            return history.recorded(entry.version)

    def _sealed(self, entry: Entry, history: History) -> bytes:
        with self._lock:
            before = history.recorded(entry.version - 1) if entry.version else None
            previous = history.entries[entry.version - 1].digest if entry.version else ""
        changed = None if before is not None and before.schema == entry.schema else entry.schema
        removed = before.parts if before is not None and entry.replaces else ()
        return write_entry(history.table, evolve(entry, schema=changed, at_us=time.time_ns() // 1000, previous=previous), removed)

    def _first_read(self, table: str) -> History:
        """Read all entries that a listing shows, so that a gap is found."""
        history = History(table)
        entries = [name for name in self.blobs.names(f"{table}/_delta_log/") if name.endswith(".json")]
        for version, name in enumerate(entries):
            wanted = entry_name(table, version)
            if name != wanted:
                raise CorruptError(f"table {table}: the log entry {wanted!r} is gone, though {name!r} is there", hint=_HINT)
        for data in read_many(self.blobs, entries):
            history.add(data)
        if history.entries:
            self._histories[table] = history
        return history
