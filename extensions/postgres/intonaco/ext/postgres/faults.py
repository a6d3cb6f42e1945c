"""What psycopg raises, told as our own errors: by SQLSTATE, the server's own code, whatever its language."""

from collections.abc import Callable

import psycopg

from intonaco.core.errors import (
    ConflictError,
    CorruptError,
    DeadlineError,
    IntonacoError,
    InvalidError,
    RefusedError,
    SettingsError,
    UnavailableError,
)

__all__ = ["told"]

_RESTORE = "restore the database from a backup; intonaco fsck lists what is damaged"
_AGAIN = "try again"

#: SQLSTATE, or its class (two characters): error, what the message says, what to do.
_TOLD: dict[str, tuple[Callable[..., IntonacoError], str, str]] = {
    "28": (SettingsError, "refuses the user or the password", "look at the URL's user, and at INTONACO_POSTGRES_PASSWORD"),
    "3D": (SettingsError, "is not there: the server has no such database", "createdb NAME makes it, or name another"),
    "25006": (UnavailableError, "takes no writes: it is a standby, or read-only", "name the primary server"),
    "40": (ConflictError, "gave way to another writer; nothing of this was written", _AGAIN),
    "42501": (RefusedError, "does not let this user do that", "grant the user CREATE and USAGE on the schema"),
    "42P01": (CorruptError, "lacks what its migrations made", _RESTORE),
    "42883": (SettingsError, "is too old", "use PostgreSQL 13 or newer"),
    "42703": (CorruptError, "lacks what its migrations made", _RESTORE),
    "22": (InvalidError, "cannot hold a value", "text may hold no NUL; keep what is large as a blob"),
    "54": (InvalidError, "cannot hold a value that large", "keep it as a blob and store its digest"),
    "53100": (UnavailableError, "has no space left on the disk; nothing of this was written", "free some space and repeat"),
    "53": (UnavailableError, "has no resources left", "try again, or allow more connections"),
    "55P03": (UnavailableError, "is held by another writer", _AGAIN),
    "57014": (DeadlineError, "did not finish a statement in time; nothing of this was written", "look for what keeps it busy"),
    "57": (UnavailableError, "is shutting down or starting", _AGAIN),
    "58": (UnavailableError, "cannot use its disk", "look at the server's log"),
    "XX": (CorruptError, "is damaged", _RESTORE),
    "08": (UnavailableError, "lost the connection", _AGAIN),
}


def told(error: BaseException | None, where: str) -> IntonacoError | None:
    """What psycopg raised as one of ours; None if it is not the database's fault."""
    if not isinstance(error, psycopg.Error):
        return None
    code = error.sqlstate or ""
    found = _TOLD.get(code) or _TOLD.get(code[:2])
    if found is not None:
        kind, what, hint = found
        return kind(f"{where} {what}: {_line(error)}", hint=hint)
    if isinstance(error, psycopg.DataError):
        kind, what, hint = _TOLD["22"]
        return kind(f"{where} {what}: {_line(error)}", hint=hint)
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return _unreachable(error, where)
    return None


def _unreachable(error: psycopg.Error, where: str) -> IntonacoError:
    # A connection that is refused brings no SQLSTATE, only the server's words.
    text = str(error)
    if "authentication failed" in text or "no password supplied" in text or ("role " in text and "does not exist" in text):
        kind, what, hint = _TOLD["28"]
    elif "database " in text and "does not exist" in text:
        kind, what, hint = _TOLD["3D"]
    elif isinstance(error, psycopg.errors.ConnectionTimeout):
        kind, what, hint = DeadlineError, "did not answer in time", "look whether the server runs and can be reached"
    else:
        kind, what, hint = UnavailableError, "cannot be reached", "look whether the server runs and can be reached"
    return kind(f"{where} {what}: {_line(error)}", hint=hint)


def _line(error: psycopg.Error) -> str:
    primary = error.diag.message_primary if error.diag is not None else None
    return primary or next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
