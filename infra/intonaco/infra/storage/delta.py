"""Tables in Delta's format over any blob store.

Parts and log entries are both made by `BlobStore.create`: whichever writer creates the next entry has committed.
"""

import hashlib
import os
import random
import secrets
import threading
import time
from collections.abc import Sequence
from typing import Literal, Self

import pyarrow as pa
from attrs import define, field

from intonaco.core.errors import AlreadyExistsError, ConflictError, CorruptError, InvalidError, MissingError
from intonaco.core.references import check_name
from intonaco.core.schema import Schema
from intonaco.core.urls import StoreUrl
from intonaco.infra.storage.arrow import arrow_schema, conform, schema_of
from intonaco.infra.storage.blobs import BlobStore, SupportsPath
from intonaco.infra.storage.checks import Check, require
from intonaco.infra.storage.deltalog import Entry, History, entry_name, write_entry
from intonaco.infra.storage.deltaparts import read_rows, rows_as_parquet
from intonaco.infra.storage.files import FileBlobStore
from intonaco.infra.storage.tables import Part, Snapshot, TableStore
from intonaco.infra.storage.values import value_digest

__all__ = ["DeltaTableStore"]

_ROWS_PER_PART = 1_000_000
_ATTEMPTS = 200
_HINT = "intonaco fsck lists what is damaged"


@define(eq=False)
class DeltaTableStore(TableStore):
    """Delta tables, one folder of blobs each, that any Delta reader can read.

    Every part is verified by its SHA-256 before a process first uses it. Unsigned integers lie in the next wider type,
    categories as text, tensors as lists; our schema, which the log holds too, brings them back.
    """

    blobs: BlobStore
    _histories: dict[str, History] = field(factory=dict, init=False, repr=False)
    _verified: dict[str, tuple[int, ...]] = field(factory=dict, init=False, repr=False)
    _lock: threading.RLock = field(factory=threading.RLock, init=False, repr=False)

    @classmethod
    def open(cls, url: StoreUrl | str) -> Self:
        return cls(FileBlobStore.open(url))

    def close(self) -> None:
        self.blobs.close()

    def write(
        self, table: str, data: pa.Table, *, mode: Literal["append", "replace"] = "append", checks: Sequence[Check] = (), token: str = ""
    ) -> Snapshot:
        _check_table(table)
        if mode not in ("append", "replace"):
            raise InvalidError(f"{mode!r} is not a mode of writing", hint="use 'append' or 'replace'", field="mode")
        schema, parts = None, ()
        for attempt in range(_ATTEMPTS):
            history = self._refreshed(table)
            if token and token in history.tokens:
                return history.snapshot(history.tokens[token])
            wanted = self._schema_for(history, data, mode)
            if schema != wanted:
                schema, parts = wanted, self._store_parts(table, data, wanted, checks)
            try:
                return self._commit(history, wanted, parts, mode, token)
            except AlreadyExistsError:
                time.sleep(random.uniform(0, 0.001 * min(attempt, 20)))
        raise ConflictError(f"table {table}: {_ATTEMPTS} other writers were first, one after the other", hint="try again with fewer writers")

    def snapshot(self, table: str, version: int | None = None) -> Snapshot:
        _check_table(table)
        with self._lock:
            history = self._histories.get(table)
            if history is None or version is None or version >= history.next_version:
                history = self._refreshed(table)
            if not history.entries:
                raise MissingError(f"no table {table}", hint=f"tables here: {', '.join(self.names()[:10]) or 'none'}")
            return history.snapshot(history.next_version - 1 if version is None else version)

    def read(self, snapshot: Snapshot, columns: Sequence[str] | None = None) -> pa.Table:
        schema = snapshot.schema if columns is None else snapshot.schema.select(columns)
        empty = arrow_schema(schema).empty_table()
        return pa.concat_tables([empty, *(self._read_part(part, schema) for part in snapshot.parts)])

    def names(self, project: str = "") -> list[str]:
        first = entry_name("", 0)
        prefix = f"{check_name(project, 'project')}/" if project else ""
        return [name.removesuffix(first) for name in self.blobs.names(prefix) if name.endswith(first)]

    def _refreshed(self, table: str) -> History:
        """The history with every entry that is there by now."""
        with self._lock:
            history = self._histories.get(table) or self._first_read(table)
            while True:
                try:
                    data = self.blobs.read(entry_name(table, history.next_version))
                except MissingError:
                    return history
                history.add(data)

    def _first_read(self, table: str) -> History:
        """Read all entries that a listing shows, so that a gap is found."""
        history = History(table)
        log = f"{table}/_delta_log/"
        entries = [name for name in self.blobs.names(log) if name.endswith(".json")]
        for version, name in enumerate(entries):
            if name != entry_name(table, version):
                raise CorruptError(f"the log of table {table} lacks {entry_name(table, version)!r}, though {name!r} is there", hint=_HINT)
            history.add(self.blobs.read(name))
        self._histories[table] = history
        return history

    def _schema_for(self, history: History, data: pa.Table, mode: str) -> Schema:
        held = history.schema()
        return held if held is not None and mode == "append" else schema_of(data)

    def _store_parts(self, table: str, data: pa.Table, schema: Schema, checks: Sequence[Check]) -> tuple[Part, ...]:
        rows = conform(data, schema)
        require(table, rows, list(checks))
        return tuple(self._store_part(table, rows.slice(start, _ROWS_PER_PART), schema) for start in range(0, rows.num_rows, _ROWS_PER_PART))

    def _store_part(self, table: str, rows: pa.Table, schema: Schema) -> Part:
        data = rows_as_parquet(rows, schema)
        name = f"{table}/part-{time.time_ns() // 1000:016d}-{secrets.token_hex(8)}.parquet"
        part = Part(name=name, rows=rows.num_rows, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), values_sha256=value_digest(rows))
        self.blobs.create(name, data)
        return part

    def _commit(self, history: History, schema: Schema, parts: tuple[Part, ...], mode: str, token: str) -> Snapshot:
        with self._lock:
            version, removed = history.next_version, ()
            if mode == "replace" and version:
                removed = history.snapshot(version - 1).parts
            changed = None if history.schema() == schema else schema
            entry = Entry(
                version=version, schema=changed, replaces=mode == "replace", parts=parts, token=token, at_us=time.time_ns() // 1000, previous=history.digest
            )
            data = write_entry(history.table, entry, removed)
            self.blobs.create(entry_name(history.table, version), data)
            history.add(data)
            return history.snapshot(version)

    def _read_part(self, part: Part, schema: Schema) -> pa.Table:
        if isinstance(self.blobs, SupportsPath):
            path = str(self.blobs.path(part.name))
            if self._verified.get(part.name) == _identity(path):
                return read_rows(path, schema, part.name)
        return read_rows(pa.BufferReader(self._verify(part)), schema, part.name)

    def _verify(self, part: Part) -> bytes:
        """The bytes of a part, which have its SHA-256."""
        before = _identity(str(self.blobs.path(part.name))) if isinstance(self.blobs, SupportsPath) else ()
        try:
            data = self.blobs.read(part.name)
        except MissingError as error:
            raise CorruptError(f"part {part.name!r} is gone", hint=_HINT) from error
        if hashlib.sha256(data).hexdigest() != part.sha256:
            raise CorruptError(f"part {part.name!r} is damaged: its bytes have another SHA-256", hint=_HINT)
        self._verified[part.name] = before
        return data


def _identity(path: str) -> tuple[int, ...]:
    """What changes when a file does; empty if it is not there."""
    try:
        found = os.stat(path, follow_symlinks=False)
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _check_table(table: str) -> None:
    project, slash, name = table.partition("/")
    if not slash:
        raise InvalidError(f"{table!r} cannot name a table", hint="write project/name", field="table")
    check_name(project, "project")
    check_name(name, "table")
