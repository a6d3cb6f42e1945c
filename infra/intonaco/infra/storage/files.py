"""Blobs as files of this machine, written by the operating system's own calls so that each sync is ours."""

import errno
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from attrs import define, field

from intonaco.core.errors import (
    AlreadyExistsError,
    CorruptError,
    IntonacoError,
    InvalidError,
    MissingError,
    SettingsError,
    UnavailableError,
)
from intonaco.core.urls import StoreUrl
from intonaco.infra.storage.blobs import BlobStore, check_blob_name, check_blob_prefix
from intonaco.infra.storage.store import as_url

__all__ = ["FileBlobStore"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # without O_NONBLOCK a named pipe would hang the reader
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LEFTOVER = ".tmp"
_BLOCK = 16 * 1024 * 1024


@define(eq=False, slots=True)
class FileBlobStore(BlobStore):
    """One file per blob under a folder: `file:PATH`.

    A blob is written under a temporary name in its own folder, synced, linked to its name without replacing, and the folder
    is synced. No symbolic link below the store's folder is ever followed.
    """

    root: Path
    _synced: set[str] = field(factory=set, init=False, repr=False)

    @classmethod
    def open(cls, url: StoreUrl | str) -> Self:
        given = as_url(url)
        if not given.path or given.host or given.options:
            raise SettingsError(f"{given} is not the URL of a folder", hint="write file:PATH, without host and options")
        root = Path(given.path).absolute()
        try:
            _make_folder(root)
            return cls(root.resolve(strict=True))
        except OSError as error:
            raise _unavailable(root, "opened", error) from error

    def create(self, name: str, data: bytes | memoryview) -> None:
        check_blob_name(name)
        try:
            with self._folder(name, make=True) as folder:
                self._create_in(folder, name, data)
        except IntonacoError:  # some are OSErrors too
            raise
        except NotADirectoryError as error:
            raise AlreadyExistsError(f"blob {name!r} cannot be made in {self.root}: a part of its name is a blob or a link") from error
        except OSError as error:
            raise _unavailable(self.root / name, "written", error) from error

    def read(self, name: str) -> bytes:
        check_blob_name(name)
        try:
            with self._folder(name) as folder:
                return _read_whole(folder, self.root / name)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise self._missing(name) from error
        except OSError as error:
            raise _unavailable(self.root / name, "read", error) from error

    def names(self, prefix: str = "") -> Iterator[str]:
        check_blob_prefix(prefix)
        start, _, _ = prefix.rpartition("/")
        found = (name for name, entry in self._walk(start) if not entry.name.startswith("."))
        yield from sorted(name for name in found if name.startswith(prefix))

    def delete(self, name: str) -> None:
        check_blob_name(name)
        try:
            with self._folder(name) as folder:
                os.unlink(_leaf(name), dir_fd=folder)
                os.fsync(folder)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise _unavailable(self.root / name, "removed", error) from error

    def path(self, name: str) -> Path:
        return self.root / check_blob_name(name)

    def leftovers(self, older_than_s: float) -> list[str]:
        before = time.time() - older_than_s
        return sorted(name for name, entry in self._walk("") if _is_leftover(entry.name) and _changed_before(entry, before))

    def remove_leftover(self, leftover: str) -> int:
        above, _, leaf = leftover.rpartition("/")
        check_blob_name(f"{above}/{leaf.removeprefix('.')}" if above else leaf.removeprefix("."))
        if not _is_leftover(leaf):
            raise InvalidError(f"{leftover!r} is not what an interrupted writer leaves")
        try:
            with self._folder(leftover) as folder:
                size = os.stat(leaf, dir_fd=folder, follow_symlinks=False).st_size
                os.unlink(leaf, dir_fd=folder)
        except FileNotFoundError:
            return 0
        return size

    def _missing(self, name: str) -> IntonacoError:
        """Nothing is there; or a link is, which is never followed."""
        at = self.root
        for part in name.split("/"):
            at = at / part
            if at.is_symlink():
                return CorruptError(f"blob {name!r}: {at} is a symbolic link, and the store holds none")
        return MissingError(f"no blob {name!r} in {self.root}")

    @contextmanager
    def _folder(self, name: str, make: bool = False) -> Iterator[int]:
        """The open folder in which the blob lies, reached without following a link."""
        opened = os.open(self.root, _FOLDER)
        try:
            above = ""
            for part in name.split("/")[:-1]:
                above = f"{above}/{part}"
                inner = self._enter(opened, part, above, make)
                os.close(opened)
                opened = inner
            yield opened
        finally:
            os.close(opened)

    def _enter(self, folder: int, part: str, path: str, make: bool) -> int:
        if make and path not in self._synced:
            with suppress(FileExistsError):
                os.mkdir(part, dir_fd=folder)
            os.fsync(folder)  # whoever made it may not have synced it yet
            self._synced.add(path)
        try:
            return os.open(part, _FOLDER, dir_fd=folder)
        except FileNotFoundError:
            self._synced.discard(path)
            if make:
                return self._enter(folder, part, path, make)
            raise

    def _create_in(self, folder: int, name: str, data: bytes | memoryview) -> None:
        temporary = f".{secrets.token_hex(16)}{_LEFTOVER}"
        try:
            _write_synced(folder, temporary, data)
            self._link(folder, temporary, name)
        finally:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=folder)

    def _link(self, folder: int, temporary: str, name: str) -> None:
        leaf = _leaf(name)
        try:
            os.link(temporary, leaf, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        except FileExistsError as error:
            os.fsync(folder)  # the winner may not have synced yet, and the loser may acknowledge what it found
            raise AlreadyExistsError(f"blob {name!r} exists in {self.root}") from error
        try:
            os.fsync(folder)
        except OSError:
            os.unlink(leaf, dir_fd=folder)
            raise

    def _walk(self, start: str) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
        """Every regular file below the folder `start`, with its name in the store."""
        try:
            entries = list(os.scandir(self.root / start))
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise _unavailable(self.root / start, "listed", error) from error
        for entry in entries:
            name = f"{start}/{entry.name}" if start else entry.name
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(name)
            elif entry.is_file(follow_symlinks=False):
                yield name, entry


def _leaf(name: str) -> str:
    return name.rpartition("/")[2]


def _is_leftover(leaf: str) -> bool:
    return leaf.startswith(".") and leaf.endswith(_LEFTOVER)


def _changed_before(entry: "os.DirEntry[str]", moment: float) -> bool:
    try:
        return entry.stat(follow_symlinks=False).st_mtime < moment
    except FileNotFoundError:  # its writer has just finished
        return False


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it, each synced into the one that holds it."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir()
    opened = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _write_synced(folder: int, leaf: str, data: bytes | memoryview) -> None:
    opened = os.open(leaf, _NEW, 0o644, dir_fd=folder)
    try:
        left = memoryview(data).cast("B")
        while left:
            left = left[os.write(opened, left[:_BLOCK]) :]
        os.fsync(opened)
    finally:
        os.close(opened)


def _read_whole(folder: int, path: Path) -> bytes:
    opened = os.open(path.name, _READ, dir_fd=folder)
    with os.fdopen(opened, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise IsADirectoryError(errno.EISDIR, "not a file", str(path))
        return file.readall()


def _unavailable(path: Path, verb: str, error: OSError) -> IntonacoError:
    if error.errno == errno.ELOOP:
        return CorruptError(f"{path} is a symbolic link, and the store holds none")
    reason = error.strerror or str(error)
    hint = "free some space and try again" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    return UnavailableError(f"{path} could not be {verb}: {reason}", hint=hint)
