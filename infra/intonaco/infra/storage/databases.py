"""Relational databases behind store URLs, with the settings under which a commit is durable."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy import event

from intonaco.core.errors import SettingsError
from intonaco.core.urls import StoreUrl
from intonaco.infra.storage.sqlitefiles import BUSY_TIMEOUT_S, prepare, sqlite_path, write_ahead
from intonaco.infra.storage.writeahead import check_write_ahead

__all__ = ["integrity", "is_small", "open_engine", "serialize", "set_write_ahead"]

_SMALL_BYTES = 4 * 1024 * 1024
_TURN = 0x496E746F6E61636F  # one advisory lock for all writers that must take turns on PostgreSQL


def open_engine(url: StoreUrl) -> sql.Engine:
    """An engine whose transactions are real ones, begun as writers unless the execution option `reads` is set.

    Raises
    ------
    SettingsError
        The scheme is not known, its driver is missing, or the URL has an option that is not known.
    CorruptError
        The database lost what was acknowledged.
    """
    if url.scheme == "sqlite":
        return _open_sqlite(sqlite_path(url))
    if url.scheme == "postgresql":
        return _open_postgresql(url)
    raise SettingsError(f"{url} cannot hold a catalog", hint="write sqlite:PATH or postgresql://USER@HOST/NAME")


def _open_sqlite(path: Path) -> sql.Engine:
    check_write_ahead(path)
    # A thread that waits for a connection would wait for its own, so the pool grows as it must.
    engine = sql.create_engine(
        sql.URL.create("sqlite+pysqlite", database=str(path)),
        connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False, "isolation_level": None},
        pool_size=8,
        max_overflow=-1,
    )
    event.listen(engine, "connect", lambda connection, _: prepare(connection, path))
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: sql.Connection) -> None:
    # A writer that began as a reader cannot wait for another writer: SQLite refuses it at once.
    reads = connection.get_execution_options().get("reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _open_postgresql(url: StoreUrl) -> sql.Engine:
    if find_spec("psycopg") is None:
        raise SettingsError("a catalog on PostgreSQL needs psycopg", hint="pip install intonaco-postgres")
    target = sql.URL.create("postgresql+psycopg", url.user or None, url.password or None, url.host or None, url.port, url.path.lstrip("/"))
    timeout_ms = int(BUSY_TIMEOUT_S * 1000)
    options = f"-c lock_timeout={timeout_ms} -c statement_timeout={timeout_ms * 10}"
    return sql.create_engine(
        target, connect_args={"connect_timeout": 10, "options": options}, pool_size=8, max_overflow=-1, pool_pre_ping=True
    )


def set_write_ahead(engine: sql.Engine) -> None:
    """Let readers go on while one writes, where the database has to be told so."""
    if engine.dialect.name != "sqlite":
        return
    connection: Any = engine.raw_connection()
    try:
        write_ahead(connection)
    finally:
        connection.close()


def integrity(connection: sql.Connection) -> list[str]:
    """What is wrong with the structure of an SQLite database, some 10 ms per MB; other databases look after themselves."""
    if connection.dialect.name != "sqlite":
        return []
    return [line for line in connection.exec_driver_sql("PRAGMA integrity_check(20)").scalars() if line != "ok"]


def is_small(connection: sql.Connection) -> bool:
    """Whether an SQLite database is small enough to look through each time it is opened."""
    if connection.dialect.name != "sqlite":
        return False
    pages, page = (connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("page_count", "page_size"))
    return bool(pages * page <= _SMALL_BYTES)


def serialize(connection: sql.Connection) -> None:
    """Wait until no other transaction that called this is open; SQLite's writers take turns anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(sql.select(sql.func.pg_advisory_xact_lock(_TURN)))
