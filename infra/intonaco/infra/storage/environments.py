"""LMDB environments: each opened once in a process, however many stores stand on it."""

import errno
import fcntl
import os
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32

import lmdb
from attrs import define, field

from intonaco.core.errors import CorruptError, DeadlineError, IntonacoError, InvalidError, UnavailableError
from intonaco.infra.storage.durable import make_folder

__all__ = ["AGAIN", "STATE_KEY", "Environment", "acquire", "explained_lmdb", "release"]

WRITER_TIMEOUT_S = 30.0
_READERS = 1024
_NEARLY_FULL_BYTES = 2**20
#: Our own record in each environment: the format, and the transaction that wrote last.
STATE_KEY = b"\x02state"
_STATE = struct.Struct("<4sBQI")
_FORMAT = 1
# Of each of the two meta pages: magic and version behind the page's head, then what the newest transaction left.
_META = struct.Struct("<16xII8xQ96xQQ")
_MAGIC = 0xBEEFC0DE
AGAIN = "remove the folder and materialize again"
_DAMAGED = (
    lmdb.CorruptedError,
    lmdb.PageNotFoundError,
    lmdb.InvalidError,
    lmdb.VersionMismatchError,
    lmdb.PanicError,
    lmdb.BadValsizeError,
)


@define(eq=False)
class Environment:
    """An open LMDB environment, and the lock that its writers of this process take first."""

    path: Path
    handle: lmdb.Environment = field(repr=False)
    users: int = 0
    _turn: threading.Lock = field(factory=threading.Lock, repr=False)
    _lock_file: int = field(default=-1, repr=False)

    @contextmanager
    def write(self) -> Iterator[lmdb.Transaction]:
        """A write transaction, committed and synced at the end; DeadlineError if another writer does not finish."""
        # LMDB's own lock waits for ever, so a writer that was stopped in the middle would stop all others.
        deadline = time.monotonic() + WRITER_TIMEOUT_S
        if not self._turn.acquire(timeout=WRITER_TIMEOUT_S):
            raise _stalled(self.path)
        try:
            self._lock(deadline)
            try:
                with self.handle.begin(write=True) as transaction:
                    yield transaction
            finally:
                fcntl.flock(self._lock_file, fcntl.LOCK_UN)
        finally:
            self._turn.release()

    def _lock(self, deadline: float) -> None:
        if self._lock_file < 0:
            self._lock_file = os.open(self.path / "writer.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        while True:
            try:
                return fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise _stalled(self.path) from None
                time.sleep(0.0005)

    def stamp(self, transaction: lmdb.Transaction) -> None:
        """Note in the environment which transaction wrote last; every one that writes calls it."""
        head = _STATE.pack(b"into", _FORMAT, transaction.id(), 0)[:-4]
        transaction.put(STATE_KEY, head + struct.pack("<I", crc32(head)))

    def check(self) -> None:
        """Refuse what another program or format made, and a file that lost its end or its newest transaction."""
        _check_file(self.path / "data.mdb")
        with self.handle.begin() as transaction:
            stored = transaction.get(STATE_KEY)
            number = transaction.id()
            empty = transaction.stat()["entries"] == 0
        if stored is None and not empty:
            raise InvalidError(f"{self.path} holds an LMDB database that Intonaco did not make", hint="name an empty folder")
        if stored is not None:
            _check_state(bytes(stored), number, self.path)

    def close(self) -> None:
        """Close the environment and its lock file."""
        self.handle.close()
        if self._lock_file >= 0:
            os.close(self._lock_file)
            self._lock_file = -1


def _damaged(path: Path, how: str) -> CorruptError:
    return CorruptError(f"the key-value store {path} is damaged: {how}", hint=AGAIN)


def _stalled(path: Path) -> DeadlineError:
    return DeadlineError(
        f"another writer has held {path} for {WRITER_TIMEOUT_S:.0f} s; nothing was written",
        hint="look for a process that hangs, or try again",
    )


def _check_state(stored: bytes, number: int, path: Path) -> None:
    damaged = CorruptError(
        f"the key-value store {path} is damaged: it lacks its newest transaction", hint="materialize into an empty folder"
    )
    if len(stored) != _STATE.size or crc32(stored[:-4]) != int.from_bytes(stored[-4:], "little"):
        raise damaged
    magic, form, last, _ = _STATE.unpack(stored)
    if magic != b"into" or form != _FORMAT:
        raise InvalidError(
            f"{path} is of format {form}, this installation reads format {_FORMAT}",
            hint="install the newer version, or name an empty folder",
        )
    if last != number:
        raise damaged


def _check_file(path: Path) -> None:
    """LMDB trusts its two meta pages, and a read behind the file's end kills the process: look at both first."""
    if not path.exists() or path.stat().st_size == 0:
        return
    page = os.sysconf("SC_PAGE_SIZE")
    with path.open("rb") as file:
        head = file.read(page + _META.size)
        size = os.fstat(file.fileno()).st_size
    damaged = CorruptError(
        f"the key-value store {path.parent} is damaged: {path.name} has a broken head or lost its end",
        hint="materialize into an empty folder",
    )
    if len(head) < page + _META.size:
        raise damaged
    metas = [_META.unpack_from(head, start) for start in (0, page)]
    transactions = [meta[4] for meta in metas]
    newest = max(metas, key=lambda meta: meta[4])
    if any(meta[0] != _MAGIC for meta in metas) or abs(transactions[0] - transactions[1]) > 1 or size < (newest[3] + 1) * page:
        raise damaged


_open: dict[tuple[int, int], Environment] = {}
_open_lock = threading.Lock()


def acquire(path: Path, map_size_bytes: int) -> Environment:
    """The environment in the folder `path`, made if absent; LMDB refuses a second opening in one process."""
    with _open_lock, explained_lmdb(path):
        make_folder(path.absolute())
        key = _identity(path)
        if key not in _open:
            _open[key] = _opened(path, map_size_bytes)
        _open[key].users += 1
        return _open[key]


def release(environment: Environment) -> None:
    """Let go of what `acquire` gave; the last one closes it."""
    with _open_lock:
        environment.users -= 1
        if environment.users == 0:
            for key in [key for key, each in _open.items() if each is environment]:
                del _open[key]
            environment.close()


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _opened(path: Path, map_size_bytes: int) -> Environment:
    _check_file(path / "data.mdb")
    handle = lmdb.open(str(path), map_size=map_size_bytes, max_readers=_READERS, max_spare_txns=8, readahead=True, subdir=True)
    environment = Environment(path, handle)
    try:
        handle.reader_check()
        if handle.stat()["entries"] == 0:
            with environment.write() as transaction:
                if transaction.stat()["entries"] == 0:
                    environment.stamp(transaction)
        environment.check()
    except BaseException:
        environment.close()
        raise
    return environment


@contextmanager
def explained_lmdb(path: Path) -> Iterator[None]:
    """Turn what LMDB and the operating system raise inside into our own errors, naming the folder."""
    try:
        yield
    except (lmdb.Error, OSError) as error:
        if isinstance(error, IntonacoError):
            raise
        raise told(error, path) from error


def told(error: Exception, path: Path) -> IntonacoError:
    """An LMDB error as one of ours."""
    where = f"the key-value store {path}"
    if isinstance(error, lmdb.MapFullError):
        return UnavailableError(
            f"{where} is full; nothing of this was written", hint="close it everywhere and open it with a greater ?map_size_gb="
        )
    if isinstance(error, lmdb.MapResizedError):
        return UnavailableError(f"{where} has outgrown this process's map", hint="open it with the greater ?map_size_gb= that others use")
    if isinstance(error, _DAMAGED):
        return _damaged(path, str(error))
    if os.strerror(errno.ENOSPC) in str(error) or (os.strerror(errno.EIO) in str(error) and _is_full(path)):
        return UnavailableError(f"{where}: no space left on the disk; nothing of this was written", hint="free some space and repeat")
    return UnavailableError(f"{where} cannot be used: {error}")


def _is_full(path: Path) -> bool:
    """Whether the disk is: LMDB calls a write that was cut short an input/output error."""
    try:
        free = os.statvfs(path)
    except OSError:
        return False
    return free.f_bavail * free.f_frsize < _NEARLY_FULL_BYTES
