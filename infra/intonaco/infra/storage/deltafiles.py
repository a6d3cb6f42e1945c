"""The files of Delta tables: written through a blob store, verified before a process first uses them."""

import hashlib
import os
import secrets
import time
from pathlib import Path

import pyarrow as pa
from attrs import define, field

from intonaco.core.errors import CorruptError
from intonaco.core.schema import Schema
from intonaco.infra.storage.blobs import BlobStore, SupportsPath
from intonaco.infra.storage.deltaparts import read_rows, rows_as_parquet
from intonaco.infra.storage.tables import Part
from intonaco.infra.storage.values import value_digest

__all__ = ["Files", "written_at"]

_HINT = "intonaco fsck lists what is damaged"


@define(eq=False)
class Files:
    """The parts of all tables of a blob store; safe to use from any thread."""

    blobs: BlobStore
    _verified: dict[str, tuple[int, ...]] = field(factory=dict, init=False, repr=False)

    def write(self, table: str, rows: pa.Table, schema: Schema) -> Part:
        """Store rows, which conform to the schema, as a new part."""
        data = rows_as_parquet(rows, schema)
        name = f"{table}/part-{time.time_ns() // 1000:016d}-{secrets.token_hex(8)}.parquet"
        self.blobs.create(name, data)
        sha256 = hashlib.sha256(data).hexdigest()
        return Part(name=name, rows=rows.num_rows, size_bytes=len(data), sha256=sha256, values_sha256=value_digest(rows))

    def read(self, part: Part, schema: Schema) -> pa.Table:
        """The rows of a part, of the schema's columns."""
        if self._is_verified(part):
            return read_rows(str(self._path(part)), schema, part.name)
        return read_rows(pa.BufferReader(self.verify(part)), schema, part.name)

    def path(self, part: Part) -> Path | None:
        """Where the verified file lies; None if the blob store has no files."""
        path = self._path(part)
        if path is not None and not self._is_verified(part):
            self.verify(part)
        return path

    def verify(self, part: Part) -> bytes:
        """The bytes of a part, which have its SHA-256; MissingError if it is gone, CorruptError if they have another."""
        before = _identity(self._path(part))
        data = self.blobs.read(part.name)
        if hashlib.sha256(data).hexdigest() != part.sha256:
            raise CorruptError(f"part {part.name!r} is damaged: its {len(data)} bytes have another SHA-256", hint=_HINT)
        self._verified[part.name] = before
        return data

    def _path(self, part: Part) -> Path | None:
        return self.blobs.path(part.name) if isinstance(self.blobs, SupportsPath) else None

    def _is_verified(self, part: Part) -> bool:
        before = self._verified.get(part.name)
        return bool(before) and before == _identity(self._path(part))


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
