"""What SQLite raises, told as our own errors."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from intonaco.core.errors import CorruptError, IntonacoError, InvalidError, UnavailableError

__all__ = ["explained_sqlite", "told"]

_RESTORE = "restore the file from a copy; intonaco fsck lists what is damaged"
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_UNREACHABLE = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}


@contextmanager
def explained_sqlite(where: str) -> Iterator[None]:
    """Turn what sqlite3 raises inside into our own errors; `where` names the store, what is not the store's fault passes unchanged."""
    try:
        yield
    except sqlite3.Error as error:
        raise told(error, where) or error from error


def told(error: BaseException | None, where: str) -> IntonacoError | None:
    """What sqlite3 raised as one of ours; None if it is not the store's fault."""
    if not isinstance(error, sqlite3.Error):
        return None
    extended = getattr(error, "sqlite_errorcode", 0)
    code = extended & 0xFF  # the rest tells SQLite's own reasons
    if code in _DAMAGED or "Could not decode to UTF-8" in str(error):
        return CorruptError(f"{where} is damaged: {error}", hint=_RESTORE)
    if str(error).startswith(("no such table", "no such column")):
        return CorruptError(f"{where} lacks what its migrations made: {error}", hint=_RESTORE)
    if code == sqlite3.SQLITE_TOOBIG:
        return InvalidError(f"{where} cannot hold a value that large", hint="keep it as a blob and store its digest")
    if code in _BUSY:
        return UnavailableError(f"{where} is held by another writer: {error}", hint="try again")
    if code == sqlite3.SQLITE_FULL or extended == sqlite3.SQLITE_IOERR_SHMSIZE:
        return UnavailableError(f"{where}: no space left on the disk; nothing of this was written", hint="free some space and repeat")
    if code in _UNREACHABLE:
        return UnavailableError(f"{where} cannot be read or written: {error}", hint="look at the folder's disk and permissions")
    return None
