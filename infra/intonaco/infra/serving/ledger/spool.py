"""The spool: a local file to which a worker writes what it predicted before it answers.

The bytes are in the kernel's page cache when `write` returns, so they outlive the process, `kill -9` included. A frame is
length, CRC-32 and record; a torn last frame is one that was never answered for, and is dropped. Format 1.
"""

import fcntl
import logging
import os
import struct
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from zlib import crc32

import numpy as np
from attrs import define, field
from numpy.typing import NDArray

from intonaco.core.columns import Columns
from intonaco.infra.serving.endpoints.scorer import Answer
from intonaco.infra.serving.ledger.ledgerrecords import HEADER, Layout, encode_record

__all__ = ["FRAME", "SUFFIX", "Spool", "beside", "frames", "position", "unmoved"]

_LOG = logging.getLogger(__name__)
FRAME = struct.Struct("<II")
SUFFIX = ".spool"
_SEGMENT_BYTES = 8 * 1024 * 1024
_MEASURE_S = 0.5


@define(eq=False)
class Spool:
    """Writes one worker's segments in a folder; what is full is left to the mover, which removes it.

    When more than the limit waits in the folder because nobody moves it away, or the disk refuses, rows are dropped and counted.
    """

    folder: Path
    layouts: dict[int, Layout]
    limit_bytes: int
    dropped: int = 0
    _writer: bytes = field(factory=lambda: uuid.uuid4().bytes, init=False)
    _number: int = field(default=0, init=False)
    _segment: int = field(default=0, init=False)
    _file: int = field(default=-1, init=False)
    _written: int = field(default=0, init=False)
    _full: bool = field(default=False, init=False)
    _measured_at: float = field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._begin()

    def record(self, ids: Sequence[str], counts: Sequence[int], at_us: NDArray[np.int64], given: Columns, answer: Answer) -> None:
        """Keep one scored batch, or count its rows as dropped."""
        if self._over_limit():
            self.dropped += len(at_us)
            return
        payload = encode_record(self.layouts[answer.version], ids, counts, at_us, given, answer)
        record = HEADER.pack(self._number + 1, self.dropped, self._writer) + payload
        if self._write(FRAME.pack(len(record), crc32(record)) + record):
            self._number += 1
            self.dropped = 0
        else:
            self.dropped += len(at_us)

    def close(self) -> None:
        """Close the segment; the mover takes the rest."""
        os.close(self._file)

    def _write(self, frame: bytes) -> bool:
        if self._written + len(frame) > _SEGMENT_BYTES and self._written:
            os.close(self._file)
            self._begin()
        try:
            done = os.write(self._file, frame)
        except OSError as error:
            _LOG.warning("the ledger's spool %s cannot be written: %s", self.folder, error.strerror)
            done = 0
        if done < len(frame):
            os.ftruncate(self._file, self._written)
            return False
        self._written += done
        return True

    def _begin(self) -> None:
        """Begin a segment, locked for as long as this process lives and writes it."""
        self._segment += 1
        name = f"{self._writer.hex()}-{self._segment:06d}{SUFFIX}"
        beginning = self.folder / f"{name}.new"  # the mover must not see it before it is locked
        self._file = os.open(beginning, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        beginning.rename(self.folder / name)
        self._written = 0

    def _over_limit(self) -> bool:
        now = time.monotonic()
        if now - self._measured_at > _MEASURE_S:
            self._measured_at = now
            self._full = sum(unmoved(path) for path in self.folder.glob(f"*{SUFFIX}")) > self.limit_bytes
        return self._full


def beside(segment: Path) -> Path:
    """Where it stands how far a segment was moved."""
    return segment.with_suffix(".moved")


def position(segment: Path) -> int:
    """How far a segment was moved."""
    try:
        return int(beside(segment).read_text())
    except (FileNotFoundError, ValueError):
        return 0


def unmoved(segment: Path) -> int:
    """How many bytes of a segment were not moved yet."""
    try:
        return segment.stat().st_size - position(segment)
    except FileNotFoundError:
        return 0


def frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The whole records in a segment's bytes, each with the position behind it; ends at the first that is torn or damaged."""
    start = 0
    while len(data) - start >= FRAME.size:
        length, crc = FRAME.unpack_from(data, start)
        record = data[start + FRAME.size : start + FRAME.size + length]
        if len(record) < length or crc32(record) != crc:
            return
        start += FRAME.size + length
        yield start, record
