"""The files of Delta tables: written through a blob store, verified before a process first uses them."""

import hashlib
import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from attrs import define, field

from intonaco.core.errors import CorruptError
from intonaco.core.schema import Schema
from intonaco.infra.storage.blobs import BlobStore, SupportsPath, read_many
from intonaco.infra.storage.delta.deltaparts import read_rows, rows_as_parquet
from intonaco.infra.storage.tables import Part
from intonaco.infra.storage.values import value_digest

__all__ = ["Files", "written_at"]

_HINT = "intonaco fsck lists what is damaged"
_TOGETHER_BYTES = 64 * 1024 * 1024
_RECENT_BYTES = 64 * 1024 * 1024


@define(eq=False)
class Files:
    """The parts of all tables of a blob store; safe to use from any thread."""

    blobs: BlobStore
    _verified: dict[str, tuple[int, ...]] = field(factory=dict, init=False, repr=False)
    _recent: "_Recent" = field(factory=lambda: _Recent(), init=False, repr=False)

    def write(self, table: str, rows: pa.Table, schema: Schema) -> Part:
        """Store rows, which conform to the schema, as a new part."""
        data = rows_as_parquet(rows, schema)
        name = f"{table}/part-{time.time_ns() // 1000:016d}-{secrets.token_hex(8)}.parquet"
        self.blobs.create(name, data)
        sha256 = hashlib.sha256(data).hexdigest()
        return Part(name=name, rows=rows.num_rows, size_bytes=len(data), sha256=sha256, values_sha256=value_digest(rows))

    def read(self, parts: Sequence[Part], schema: Schema) -> Iterator[pa.Table]:
        """The rows of each part, of the schema's columns."""
        if isinstance(self.blobs, SupportsPath):
            return (self._read_file(part, schema) for part in parts)
        return (read_rows(pa.BufferReader(data), schema, part.name) for part, data in self._fetched(parts))

    def path(self, part: Part) -> Path | None:
        """Where the verified file lies; None if the blob store has no files."""
        path = self._path(part)
        if path is not None and not self._is_verified(part):
            self.verify(part)
        return path

    def verify(self, part: Part) -> bytes:
        """The bytes of a part, which have its SHA-256; MissingError if it is gone, CorruptError if they have another."""
        before = _identity(self._path(part))
        data = _checked(part, self.blobs.read(part.name))
        self._verified[part.name] = before
        return data

    def _read_file(self, part: Part, schema: Schema) -> pa.Table:
        if self._is_verified(part):
            return read_rows(str(self._path(part)), schema, part.name)
        return read_rows(pa.BufferReader(self.verify(part)), schema, part.name)

    def _fetched(self, parts: Sequence[Part]) -> Iterator[tuple[Part, bytes]]:
        """Each part with its verified bytes; small parts are fetched together."""
        for some in _together(parts):
            held = {part.name: data for part in some if (data := self._recent.get(part.name)) is not None}
            absent = [part for part in some if part.name not in held]
            fetched = read_many(self.blobs, [part.name for part in absent])
            held.update((part.name, _checked(part, data)) for part, data in zip(absent, fetched, strict=True))
            for part in some:
                self._recent.keep(part.name, held[part.name])
                yield part, held.pop(part.name)

    def _path(self, part: Part) -> Path | None:
        return self.blobs.path(part.name) if isinstance(self.blobs, SupportsPath) else None

    def _is_verified(self, part: Part) -> bool:
        before = self._verified.get(part.name)
        return bool(before) and before == _identity(self._path(part))


@define(eq=False)
class _Recent:
    """The verified bytes that were read last, up to a limit: a part never changes, and fetching it again costs more than memory."""

    _held: OrderedDict[str, bytes] = field(factory=OrderedDict, init=False, repr=False)
    _size_bytes: int = field(default=0, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    def get(self, name: str) -> bytes | None:
        with self._lock:
            if name in self._held:
                self._held.move_to_end(name)
            return self._held.get(name)

    def keep(self, name: str, data: bytes) -> None:
        with self._lock:
            if name in self._held or len(data) > _RECENT_BYTES:
                return
            self._held[name] = data
            self._size_bytes += len(data)
            while self._size_bytes > _RECENT_BYTES:
                self._size_bytes -= len(self._held.popitem(last=False)[1])


def _together(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """The parts in their order, in groups whose bytes memory can hold beside each other."""
    group: list[Part] = []
    size_bytes = 0
    for part in parts:
        if group and size_bytes + part.size_bytes > _TOGETHER_BYTES:
            yield group
            group, size_bytes = [], 0
        group.append(part)
        size_bytes += part.size_bytes
    if group:
        yield group


def _checked(part: Part, data: bytes) -> bytes:
    if hashlib.sha256(data).hexdigest() != part.sha256:
        raise CorruptError(f"part {part.name!r} is damaged: its {len(data)} bytes have another SHA-256", hint=_HINT)
    return data


def _identity(path: Path | None) -> tuple[int, ...]:
    """What changes when a file does; empty if there is none."""
    try:
        found = os.stat(path, follow_symlinks=False) if path is not None else None
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns) if found else ()


def written_at(name: str) -> float | None:
    """When a part's writer named it, in seconds since 1970; None if the blob is not a part."""
    leaf = name.rpartition("/")[2]
    number = leaf.removeprefix("part-")[:16]
    return int(number) / 1e6 if leaf.startswith("part-") and leaf.endswith(".parquet") and number.isdigit() else None
