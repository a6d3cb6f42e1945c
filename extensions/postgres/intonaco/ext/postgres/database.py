"""The catalog's database on PostgreSQL."""

import os
import time
from typing import Any, Self
from zlib import crc32

import psycopg
import sqlalchemy as sql
from attrs import define, field
from sqlalchemy import event

from intonaco.core.errors import IntonacoError, SettingsError
from intonaco.core.urls import StoreUrl
from intonaco.ext.postgres.ddl import BinaryOrderTypes
from intonaco.ext.postgres.faults import told
from intonaco.infra.storage.databases import Database
from intonaco.infra.storage.guarantees import Guarantee
from intonaco.infra.storage.store import as_url

__all__ = ["PostgresDatabase"]

LOCK_TIMEOUT_S = 30.0
STATEMENT_TIMEOUT_S = 300.0
CONNECT_TIMEOUT_S = 10
#: The first half of the advisory lock that writers take; the other is of the schema.
_TURN = 0x496E746F
_OPTIONS = ("schema", "sslmode", "sslrootcert")
#: Bytes, in which PostgreSQL cuts off names.
_LONGEST_NAME = 63
_ASK_AGAIN_S = 10.0


@define(eq=False)
class PostgresDatabase(Database):
    """A schema of a PostgreSQL database; writers take turns by an advisory lock, each waiting up to 30 s.

    The URL is `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`, with the options `schema` (made if absent; `public` if not
    given), `sslmode` and `sslrootcert` as libpq knows them. The password may stand in INTONACO_POSTGRES_PASSWORD or
    PGPASSWORD instead.
    """

    where: str
    schema: str
    engine: sql.Engine = field(repr=False)

    @classmethod
    def open(cls, url: StoreUrl | str) -> Self:
        url = as_url(url)
        _check(url)
        schema = url.option("schema", "public")
        return cls(f"the catalog {url}", schema, _engine(url, schema))

    def prepare(self) -> None:
        if self.schema != "public":
            with self.engine.begin() as connection:
                connection.execute(sql.schema.CreateSchema(self.schema, if_not_exists=True))

    def damage(self, connection: sql.Connection, *, quick: bool) -> list[str]:
        if quick:
            return []
        return _unreadable(connection, self.schema)

    def told(self, error: BaseException | None) -> IntonacoError | None:
        return told(error, self.where)

    def committed(self, connection: sql.Connection) -> bool | None:
        number = connection.get_execution_options().get("transaction_number")
        return None if number is None else _outcome(self.engine, number)

    def lacks(self) -> dict[Guarantee, str]:
        """Durability where the server does not sync: whoever set that has to say so."""
        with self.engine.execution_options(reads=True).connect() as connection:
            off = [name for name in ("fsync", "full_page_writes") if connection.exec_driver_sql(f"SHOW {name}").scalar_one() == "off"]
        return {Guarantee.DURABLE: f"set {', '.join(f'{name} = on' for name in off)} in postgresql.conf"} if off else {}

    def close(self) -> None:
        self.engine.dispose()


def _check(url: StoreUrl) -> None:
    hint = "write postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
    unknown = sorted(set(url.options) - set(_OPTIONS))
    if unknown:
        raise SettingsError(f"{url} has the unknown option {unknown[0]!r}", hint=f"it takes {', '.join(_OPTIONS)}")
    if not url.path.strip("/") or "/" in url.path.strip("/"):
        raise SettingsError(f"{url} names no database", hint=hint)
    schema = url.option("schema", "public")
    if not schema or "\0" in schema or len(schema.encode()) > _LONGEST_NAME or schema.startswith("pg_"):
        raise SettingsError(f"{schema!r} cannot name a schema", hint=f"use up to {_LONGEST_NAME} bytes, not starting with 'pg_'")


def _engine(url: StoreUrl, schema: str) -> sql.Engine:
    password = url.password or os.environ.get("INTONACO_POSTGRES_PASSWORD") or None
    target = sql.URL.create("postgresql+psycopg", url.user or None, password, url.host or None, url.port, url.path.strip("/"))
    # A thread that waits for a connection would wait for its own, so the pool grows as it must.
    engine = sql.create_engine(target, connect_args=_connecting(url, schema), pool_size=8, max_overflow=-1, pool_pre_ping=True)
    engine.dialect.type_compiler_instance = BinaryOrderTypes(engine.dialect)
    event.listen(engine, "begin", lambda connection: _begin(connection, crc32(schema.encode()) - 2**31))
    return engine


def _connecting(url: StoreUrl, schema: str) -> dict[str, Any]:
    quoted = '"' + schema.replace('"', '""') + '"'
    settings = {
        "search_path": quoted,
        "lock_timeout": f"{LOCK_TIMEOUT_S:.0f}s",
        "statement_timeout": f"{STATEMENT_TIMEOUT_S:.0f}s",
        "idle_in_transaction_session_timeout": f"{STATEMENT_TIMEOUT_S:.0f}s",
        "tcp_user_timeout": f"{LOCK_TIMEOUT_S * 2:.0f}s",
        "timezone": "UTC",
    }
    given = " ".join(f"-c {name}={value.translate(_ESCAPED)}" for name, value in settings.items())
    more: dict[str, Any] = {name: url.options[name] for name in ("sslmode", "sslrootcert") if name in url.options}
    # A server that is gone without a word is noticed by its silence.
    alive = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": int(LOCK_TIMEOUT_S * 2000)}
    return {"connect_timeout": CONNECT_TIMEOUT_S, "options": given, "application_name": "intonaco", **alive, **more}


#: Within libpq's `options`, blanks and backslashes are escaped.
_ESCAPED = str.maketrans({" ": "\\ ", "\\": "\\\\"})


def _begin(connection: sql.Connection, schema: int) -> None:
    if connection.get_execution_options().get("reads", False):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return
    # Each statement of this isolation level sees what was committed before it, so also before this turn.
    query = "SELECT pg_advisory_xact_lock(%s, %s), pg_current_xact_id()::text, current_setting('synchronous_commit')"
    _, number, synchronous = connection.exec_driver_sql(query, (_TURN, schema)).one()
    if synchronous == "off":
        connection.exec_driver_sql("SET LOCAL synchronous_commit = on")
    connection.execution_options(transaction_number=number)


def _outcome(engine: sql.Engine, number: str) -> bool | None:
    """What became of a transaction, asked on another connection until the server knows."""
    until = time.monotonic() + _ASK_AGAIN_S
    while time.monotonic() < until:
        try:
            with engine.execution_options(reads=True).connect() as connection:
                found = connection.exec_driver_sql("SELECT pg_xact_status(%s::text::xid8)", (number,)).scalar_one()
        except sql.exc.DBAPIError:
            found = None
        if found in ("committed", "aborted"):
            return bool(found == "committed")
        time.sleep(0.1)
    return None


def _unreadable(connection: sql.Connection, schema: str) -> list[str]:
    """What is said when every row of the schema is read, which checks the checksum of every page where the server keeps them."""
    found = []
    for table in sql.inspect(connection).get_table_names(schema):
        try:
            with connection.begin_nested():
                connection.execute(sql.select(sql.func.count(sql.text("t::text"))).select_from(sql.table(table, schema=schema).alias("t")))
        except sql.exc.DBAPIError as error:
            if not isinstance(error.orig, psycopg.errors.InternalError):
                raise
            found.append(f"{table}: {next(iter(str(error.orig).splitlines()), '')}")
    return found
