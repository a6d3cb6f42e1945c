"""What SQLite and SQLAlchemy raise, told as our own errors."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from intonaco.core.errors import ConflictError, CorruptError, IntonacoError, InvalidError, UnavailableError

__all__ = ["explained", "explained_sqlite"]

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
        raise _told(error, where) or error from error


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Turn what SQLAlchemy raises inside into our own errors; what is not the database's fault passes unchanged."""
    from sqlalchemy import exc

    try:
        yield
    except exc.IntegrityError as error:
        raise ConflictError(f"{where} already holds what was to be written, or lacks what it refers to: {error.orig}") from error
    except exc.TimeoutError as error:
        raise UnavailableError(f"{where}: no connection became free in time", hint="try again") from error
    except exc.DBAPIError as error:
        raise _told(error.orig, where) or error from error


def _told(error: BaseException | None, where: str) -> IntonacoError | None:
    if not isinstance(error, sqlite3.Error):
        return UnavailableError(f"{where} cannot be used: {error}") if type(error).__name__ == "OperationalError" else None
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
