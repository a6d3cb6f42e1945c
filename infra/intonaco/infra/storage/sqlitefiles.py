"""SQLite files that keep what was acknowledged, for the catalog and the stream alike."""

import sqlite3
import time
from pathlib import Path
from typing import Any

from intonaco.core.errors import CorruptError, SettingsError, UnavailableError
from intonaco.core.urls import StoreUrl
from intonaco.infra.storage.durable import make_folder

__all__ = ["BUSY_TIMEOUT_S", "prepare", "sqlite_path", "write_ahead"]

BUSY_TIMEOUT_S = 30.0


def sqlite_path(url: StoreUrl) -> Path:
    """The file behind `sqlite:PATH`, its folder made."""
    if url.host or not url.path or url.path == ":memory:":
        raise SettingsError(f"{url} names no file", hint="write sqlite:PATH")
    if url.options:
        raise SettingsError(f"{url} has the unknown option {sorted(url.options)[0]!r}", hint="it takes none")
    path = Path(url.path)
    try:
        make_folder(path.parent.absolute())
    except OSError as error:
        raise UnavailableError(f"the folder {path.parent} cannot be made: {error.strerror}") from error
    return path


def prepare(connection: Any, path: Path) -> None:
    """Have every commit of a DB-API connection to this file synced before it returns."""
    try:
        connection.execute("PRAGMA synchronous=FULL")
    except UnicodeDecodeError as error:  # SQLite's message quotes the damaged name of a table
        raise CorruptError(f"{path} is damaged: the names of its tables", hint="restore the file from a copy") from error
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA cell_size_check=ON")  # see a damaged page when it is read, not when it leads astray


def write_ahead(connection: Any) -> None:
    """Let readers go on while one writes (WAL, kept in the file); waits for others who are just doing the same."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        # SQLite does not wait for this lock, whatever the busy timeout.
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
