"""The mover: carries what workers have spooled into the workspace's stream, each record once."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field

from intonaco.core.errors import UnavailableError
from intonaco.infra.serving.ledger.ledgerrecords import decode_header
from intonaco.infra.serving.ledger.spool import SUFFIX, beside, frames, position, unmoved

if TYPE_CHECKING:
    from intonaco.infra.storage.streams import Stream

__all__ = ["SpoolMover", "topic"]

_LOG = logging.getLogger(__name__)
_RECORDS = 500
_READ_BYTES = 16 * 1024 * 1024


def topic(project: str, endpoint: str) -> str:
    """The topic of the stream that takes an endpoint's records."""
    return f"{project}/ledger.{endpoint}"


@define(eq=False)
class SpoolMover:
    """Moves the segments below a project's folder; one folder's segments by one process at a time.

    How far a segment was moved stands beside it, written after the stream has acknowledged. A crash in between is seen by the
    numbers of the records at the end of the stream, so nothing is moved twice.
    """

    folder: Path
    project: str
    stream: "Stream" = field(repr=False)
    _ends: dict[str, int] = field(factory=dict, init=False)
    _newest: dict[str, dict[bytes, int]] = field(factory=dict, init=False)

    def move(self) -> int:
        """Move all that is there; the number of records."""
        folders = [path for path in sorted(self.folder.glob("*")) if path.is_dir()]
        return sum(self._move_folder(path) for path in folders)

    def waiting_bytes(self) -> int:
        """What is spooled and not moved."""
        return sum(unmoved(segment) for segment in self.folder.glob(f"*/*{SUFFIX}"))

    def _move_folder(self, folder: Path) -> int:
        segments = sorted(folder.glob(f"*{SUFFIX}"))
        if not segments:
            return 0
        with _locked(folder) as held:
            return sum(self._move_segment(folder.name, path) for path in segments if path.exists()) if held else 0

    def _move_segment(self, endpoint: str, path: Path) -> int:
        done = position(path)
        ended = _is_left(path)  # asked before reading: what its writer wrote is all there
        moved = 0
        while found := self._read(path, done):
            records = [record for _, record in found]
            self._append(endpoint, records)
            done = found[-1][0]
            _keep_position(path, done)
            moved += len(records)
        if ended:
            self._finish(path, done)
        return moved

    def _read(self, path: Path, done: int) -> list[tuple[int, bytes]]:
        with path.open("rb") as file:
            file.seek(done)
            data = file.read(_READ_BYTES)
        found = [(done + end, record) for end, record in frames(data)]
        return found[:_RECORDS]

    def _append(self, endpoint: str, records: list[bytes]) -> None:
        name = topic(self.project, endpoint)
        newest = self._known(name)
        fresh = []
        for record in records:
            number, _, writer = decode_header(record)
            if number > newest.get(writer, 0):
                fresh.append(record)
                newest[writer] = number
        if fresh:
            self._ends[name] = self.stream.append(name, fresh)

    def _known(self, name: str) -> dict[bytes, int]:
        """The newest number of each writer at the end of the stream, read again if somebody else has appended."""
        end = self.stream.end(name)
        if self._ends.get(name) != end:
            newest: dict[bytes, int] = {}
            for _, record in self.stream.read(name, after=max(0, end - _RECORDS), limit=_RECORDS):
                number, _, writer = decode_header(record)
                newest[writer] = max(number, newest.get(writer, 0))
            self._newest[name], self._ends[name] = newest, end
        return self._newest.setdefault(name, {})

    def _finish(self, path: Path, done: int) -> None:
        """Remove a segment that nobody writes any more; set aside one that is damaged before its end."""
        left = path.stat().st_size - done
        if left and _damaged(path, done):
            _LOG.error("the ledger's segment %s is damaged at byte %d; it is set aside", path, done)
            path.rename(path.with_suffix(".damaged"))
        else:
            path.unlink()
        beside(path).unlink(missing_ok=True)


def _damaged(path: Path, done: int) -> bool:
    """Whether a whole frame stands behind the first that cannot be read, so that it is not merely torn."""
    with path.open("rb") as file:
        file.seek(done)
        data = file.read(_READ_BYTES)
    length = int.from_bytes(data[:4], "little")
    return 8 + length < len(data)


def _keep_position(path: Path, done: int) -> None:
    temporary = beside(path).with_suffix(".moving")
    temporary.write_text(str(done))
    os.replace(temporary, beside(path))


def _is_left(path: Path) -> bool:
    """Whether its writer has gone on to another segment, or is dead."""
    with path.open("rb") as file:
        return _takes(file.fileno(), fcntl.LOCK_SH)


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Whether this process alone moves the folder's segments while the context lasts."""
    try:
        file = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UnavailableError(f"the ledger's spool {folder} cannot be used: {error.strerror}") from error
    try:
        yield _takes(file, fcntl.LOCK_EX)
    finally:
        os.close(file)


def _takes(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
