"""Tables in Delta's format over any blob store.

Parts and log entries are both made by `BlobStore.create`: whichever writer creates the next entry has committed.
"""

import random
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, Self

import pyarrow as pa
from attrs import define, field

from intonaco.core.errors import AlreadyExistsError, ConflictError, CorruptError, IntonacoError, InvalidError, MissingError
from intonaco.core.references import check_name
from intonaco.core.schema import Schema
from intonaco.core.urls import StoreUrl
from intonaco.infra.storage.arrow import arrow_schema
from intonaco.infra.storage.blobs import BlobStore, SupportsLeftovers
from intonaco.infra.storage.checks import Check
from intonaco.infra.storage.delta.batches import Batches
from intonaco.infra.storage.delta.deltaexpiry import expirable, expire
from intonaco.infra.storage.delta.deltafiles import Files, written_at
from intonaco.infra.storage.delta.deltahistory import History, Log
from intonaco.infra.storage.delta.deltalog import Entry, entry_name
from intonaco.infra.storage.delta.deltaparts import check_delta_names
from intonaco.infra.storage.files import FileBlobStore
from intonaco.infra.storage.guarantees import Guarantee
from intonaco.infra.storage.tables import Part, Snapshot, TableStore

__all__ = ["DeltaTableStore"]

ROWS_PER_PART = 1_000_000
_ATTEMPTS = 200


@define(eq=False)
class DeltaTableStore(TableStore):
    """Delta tables, one folder of blobs each, that any Delta reader can read.

    Every part is verified by its SHA-256 before a process first uses it. Unsigned integers lie in the next wider type,
    categories as text, tensors as lists; our schema, which the log holds too, brings them back.
    """

    blobs: BlobStore
    _log: Log = field(init=False, repr=False)
    _files: Files = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._log, self._files = Log(self.blobs), Files(self.blobs)

    @classmethod
    def open(cls, url: StoreUrl | str) -> Self:
        return cls(FileBlobStore.open(url))

    def lacks(self) -> dict[Guarantee, str]:
        lacking = dict(self.blobs.lacks())
        if Guarantee.EXCLUSIVE_CREATE in lacking:  # of several writers of the next log entry one has to win
            lacking[Guarantee.NO_LOST_UPDATES] = lacking.pop(Guarantee.EXCLUSIVE_CREATE)
        return lacking

    def close(self) -> None:
        self.blobs.close()

    def write(
        self,
        table: str,
        data: pa.Table | Iterable[pa.Table],
        *,
        mode: Literal["append", "replace"] = "append",
        checks: Sequence[Check] = (),
        token: str = "",
    ) -> Snapshot:
        _check_table(table)
        if mode not in ("append", "replace"):
            raise InvalidError(f"{mode!r} is not a mode of writing", hint="use 'append' or 'replace'", field="mode")
        batches = Batches(table, data, checks)
        entry: Entry | None = None
        for attempt in range(_ATTEMPTS):
            history = self._log.refreshed(table)
            if (done := history.committed(token)) is not None:
                return done
            entry = self._entry(history, batches, mode, token, entry)
            try:
                return self._log.commit(entry, history)
            except AlreadyExistsError:
                time.sleep(random.uniform(0, 0.001 * min(attempt, 20)))
        raise ConflictError(f"table {table}: {_ATTEMPTS} other writers were first", hint="try again with fewer writers")

    def snapshot(self, table: str, version: int | None = None) -> Snapshot:
        _check_table(table)
        history = self._log.known(table)
        if version is None or version >= history.next_version:
            history = self._log.refreshed(table)
        if not history.entries:
            raise MissingError(f"no table {table}", hint=f"tables here: {', '.join(self.names()[:10]) or 'none'}")
        return history.snapshot(history.next_version - 1 if version is None else version)

    def read(self, snapshot: Snapshot, columns: Sequence[str] | None = None) -> pa.Table:
        return pa.concat_tables(self.batches(snapshot, columns))

    def batches(self, snapshot: Snapshot, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        schema = snapshot.schema if columns is None else snapshot.schema.select(columns)
        if not snapshot.parts:
            yield arrow_schema(schema).empty_table()
        try:
            yield from self._files.read(snapshot.parts, schema)
        except MissingError as error:
            raise self._gone(snapshot, error) from error

    def names(self, project: str = "") -> list[str]:
        first = entry_name("", 0)
        prefix = f"{check_name(project, 'project')}/" if project else ""
        return [name.removesuffix(first) for name in self.blobs.names(prefix) if name.endswith(first)]

    def paths(self, snapshot: Snapshot) -> list[Path] | None:
        try:
            found = [self._files.path(part) for part in snapshot.parts]
        except MissingError as error:
            raise self._gone(snapshot, error) from error
        return [path for path in found if path is not None] if None not in found else None

    def expirable(self, table: str, keep: Collection[int], older_than_s: float) -> list[str]:
        return expirable(self._log, table, keep, older_than_s)

    def expire(self, table: str, keep: Collection[int], older_than_s: float) -> list[str]:
        return expire(self._log, table, keep, older_than_s)

    def leftovers(self, older_than_s: float) -> list[str]:
        """What interrupted writers left that belongs to no table: half-written blobs, and parts of a first version that never came."""
        half = self.blobs.leftovers(older_than_s) if isinstance(self.blobs, SupportsLeftovers) else []
        tables, before = set(self.names()), time.time() - older_than_s
        parts = ((name, written_at(name)) for name in self.blobs.names())
        return half + [name for name, moment in parts if moment is not None and moment < before and name.rpartition("/")[0] not in tables]

    def remove_leftover(self, leftover: str) -> int:
        if written_at(leftover) is None:
            return self.blobs.remove_leftover(leftover) if isinstance(self.blobs, SupportsLeftovers) else 0
        size_bytes = len(self.blobs.read(leftover))
        self.blobs.delete(leftover)
        return size_bytes

    def damaged(self, table: str) -> list[str]:
        fresh = Log(self.blobs)
        try:
            history = fresh.refreshed(table)
        except CorruptError as error:
            return [error.message]
        readable = [history.snapshot(version) for version in range(history.next_version) if version not in history.expired]
        return [fault for part in dict.fromkeys(part for each in readable for part in each.parts) if (fault := self._fault(part))]

    def _fault(self, part: Part) -> str:
        try:
            self._files.verify(part)
        except IntonacoError as error:
            return error.message
        return ""

    def _entry(self, history: History, batches: Batches, mode: str, token: str, last: Entry | None) -> Entry:
        """The next commit; the parts of the last attempt serve again if the table still has the schema that they were made for."""
        version = history.next_version
        held = history.recorded(version - 1).schema if version else None
        schema = held if held is not None and mode == "append" else batches.schema()
        parts = last.parts if last is not None and last.schema == schema else self._store(batches, schema)
        return Entry(version=version, schema=schema, replaces=mode == "replace", parts=parts, token=token)

    def _store(self, batches: Batches, schema: Schema) -> tuple[Part, ...]:
        check_delta_names(schema, batches.table)
        return tuple(self._files.write(batches.table, rows, schema) for rows in batches.parts(schema, ROWS_PER_PART))

    def _gone(self, snapshot: Snapshot, error: MissingError) -> IntonacoError:
        """A part is not there: because its version was removed, or because it was lost."""
        if snapshot.version in self._log.refreshed(snapshot.table).expired:
            return MissingError(f"{snapshot.reference} was removed by intonaco gc")
        return CorruptError(f"{snapshot.reference} lacks a part: {error.message}", hint="intonaco fsck lists what is damaged")


def _check_table(table: str) -> None:
    project, slash, name = table.partition("/")
    if not slash:
        raise InvalidError(f"{table!r} cannot name a table", hint="write project/name", field="table")
    check_name(project, "project")
    check_name(name, "table")
