"""The catalog's database on SQLite: one file, with the settings under which a commit is durable."""

from pathlib import Path
from typing import Any, Self

import sqlalchemy as sql
from attrs import define, field
from sqlalchemy import event

from intonaco.core.errors import IntonacoError
from intonaco.core.urls import StoreUrl
from intonaco.infra.storage.databases import Database
from intonaco.infra.storage.faults import told
from intonaco.infra.storage.guarantees import HERE_ALONE, Guarantee
from intonaco.infra.storage.sqlitefiles import BUSY_TIMEOUT_S, prepare, sqlite_path, write_ahead
from intonaco.infra.storage.store import as_url
from intonaco.infra.storage.writeahead import check_write_ahead

__all__ = ["SqliteDatabase"]

_SMALL_BYTES = 4 * 1024 * 1024


@define(eq=False)
class SqliteDatabase(Database):
    """An SQLite file with a write-ahead log, synced at each commit; writers wait for each other up to 30 s."""

    where: str
    engine: sql.Engine = field(repr=False)

    @classmethod
    def open(cls, url: StoreUrl | str) -> Self:
        url = as_url(url)
        path = sqlite_path(url)
        check_write_ahead(path)
        return cls(f"the catalog {url}", _engine(path))

    def prepare(self) -> None:
        connection: Any = self.engine.raw_connection()
        try:
            write_ahead(connection)
        finally:
            connection.close()

    def damage(self, connection: sql.Connection, *, quick: bool) -> list[str]:
        if quick and not _is_small(connection):  # some 10 ms per MB
            return []
        return [line for line in connection.exec_driver_sql("PRAGMA integrity_check(20)").scalars() if line != "ok"]

    def told(self, error: BaseException | None) -> IntonacoError | None:
        return told(error, self.where)

    def lacks(self) -> dict[Guarantee, str]:
        return HERE_ALONE

    def close(self) -> None:
        self.engine.dispose()


def _engine(path: Path) -> sql.Engine:
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


def _is_small(connection: sql.Connection) -> bool:
    pages, page = (connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("page_count", "page_size"))
    return bool(pages * page <= _SMALL_BYTES)
