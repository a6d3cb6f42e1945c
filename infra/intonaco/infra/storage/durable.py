"""The operating system's calls that make a file durable, each relative to an open folder, so that no link is followed."""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from intonaco.core.errors import CorruptError, IntonacoError, UnavailableError

__all__ = ["FOLDER", "fault", "link_synced", "make_folder", "read_file", "write_synced"]

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # without O_NONBLOCK a named pipe would hang the reader
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_BLOCK = 16 * 1024 * 1024


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, each synced into the one that holds it."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir()
    opened = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def write_synced(folder: int, leaf: str, data: bytes | memoryview) -> None:
    """Write a new file and sync it; what an error leaves is the caller's to remove."""
    opened = os.open(leaf, _NEW, 0o644, dir_fd=folder)
    try:
        left = memoryview(data).cast("B")
        while left:
            left = left[os.write(opened, left[:_BLOCK]) :]
        os.fsync(opened)
    finally:
        os.close(opened)


def link_synced(folder: int, temporary: str, leaf: str) -> None:
    """Move a synced file to its name without replacing, and sync the folder.

    FileExistsError if the name is taken; whatever else fails, nothing stays under it.
    """
    try:
        os.link(temporary, leaf, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        os.utime(leaf, dir_fd=folder, follow_symlinks=False)  # young again: garbage collection leaves it to who needs it now
        os.fsync(folder)  # the winner may not have synced yet, and the loser may acknowledge what it found
        raise
    try:
        os.unlink(temporary, dir_fd=folder)
        os.fsync(folder)
    except OSError:
        os.unlink(leaf, dir_fd=folder)
        raise


def read_file(folder: int, leaf: str, start: int = 0, stop: int | None = None) -> bytes:
    """The bytes of a regular file, or those from `start` to before `stop`.

    IsADirectoryError if it is anything else, ELOOP if it is a link.
    """
    opened = os.open(leaf, _READ, dir_fd=folder)
    with os.fdopen(opened, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise IsADirectoryError(errno.EISDIR, "not a file", leaf)
        file.seek(start)
        return file.readall() if stop is None else file.read(max(0, stop - start)) or b""


def fault(path: Path, verb: str, error: OSError) -> IntonacoError:
    """What a failed call means to the caller; the message names the path and the system's reason."""
    if error.errno == errno.ELOOP:
        return CorruptError(f"{path} is a symbolic link, and the store holds none")
    hint = "free some space and try again" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    return UnavailableError(f"{path} could not be {verb}: {error.strerror or error}", hint=hint)
