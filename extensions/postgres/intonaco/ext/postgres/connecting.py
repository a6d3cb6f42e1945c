"""Connections to PostgreSQL: what they are told at their beginning, and how long they wait."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from zlib import crc32

import psycopg
import sqlalchemy as sql
from psycopg import errors
from sqlalchemy import event

from intonaco.core.urls import StoreUrl
from intonaco.ext.postgres.ddl import BinaryOrderTypes

__all__ = ["NUMBER", "PatientConnection", "open_engine"]

#: How long a writer waits for its turn; one that keeps its turn idle loses it sooner, so that the next does not wait in vain.
LOCK_TIMEOUT_S = 30
IDLE_TIMEOUT_S = 20
STATEMENT_TIMEOUT_S = 300
CONNECT_TIMEOUT_S = 10
PING_TIMEOUT_S = 5.0
#: What this side adds to the server's own time-out, for a server that hangs.
_MARGIN_S = 15
#: The first half of the advisory lock that writers take; the other is of the schema.
_TURN = 0x496E746F
#: The execution option under which a connection keeps the life of its server and the number of its transaction.
NUMBER = "intonaco_transaction"

# A server that crashed may give the number of a lost transaction to another one; a crash resets statistics too.
_LIFE = "SELECT pg_postmaster_start_time()::text || ' ' || coalesce(stats_reset::text, '') FROM pg_stat_bgwriter"

# One statement: each of this isolation level sees what was committed before it, so the next sees what was before this turn.
_BEGIN = (
    f"SELECT set_config('idle_in_transaction_session_timeout', '{IDLE_TIMEOUT_S}s', true),"
    " set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'"
    " ELSE current_setting('synchronous_commit') END, true), pg_current_xact_id()::text, pg_advisory_xact_lock(%s, %s)"
)
_READ = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"

T = TypeVar("T")


class PatientConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that does not wait for ever for a server that hangs; it is of no use after that."""

    limit_s: float = STATEMENT_TIMEOUT_S + _MARGIN_S

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Go on until the server has answered."""
        try:
            return super().wait(gen, interval, self.limit_s if timeout is None else timeout)
        except errors._WaitTimeout as error:
            self.close()
            raise errors.QueryCanceled(f"the server did not answer within {self.limit_s:g} s") from error

    @contextmanager
    def within(self, limit_s: float) -> Iterator[None]:
        """Wait no longer than this inside."""
        self.limit_s = limit_s
        try:
            yield
        finally:
            del self.limit_s


def open_engine(url: StoreUrl, schema: str) -> sql.Engine:
    """An engine whose writers take turns in the schema and whose readers see one state; it asks pooled connections if they live."""
    password = url.password or os.environ.get("INTONACO_POSTGRES_PASSWORD") or None
    target = sql.URL.create("postgresql+psycopg", url.user or None, password, url.host or None, url.port, url.path.strip("/"))
    # A thread that waits for a connection would wait for its own, so the pool grows as it must.
    engine = sql.create_engine(target, connect_args=_arguments(url, schema), pool_size=8, max_overflow=-1, pool_pre_ping=True)
    dialect: Any = engine.dialect
    dialect.type_compiler_instance = BinaryOrderTypes(dialect)
    dialect.do_ping = _ping
    key = crc32(schema.encode()) - 2**31
    event.listen(engine, "do_connect", lambda _, __, given, named: PatientConnection.connect(*given, **named))
    event.listen(engine, "connect", _note_life)
    event.listen(engine, "begin", lambda connection: _begin(connection, key))
    return engine


def _arguments(url: StoreUrl, schema: str) -> dict[str, Any]:
    settings = {
        "search_path": '"' + schema.replace('"', '""') + '"',
        "lock_timeout": f"{LOCK_TIMEOUT_S}s",
        "statement_timeout": f"{STATEMENT_TIMEOUT_S}s",
        "timezone": "UTC",
    }
    escaped = " ".join(f"-c {name}={value.translate(_ESCAPED)}" for name, value in settings.items())
    # What is gone without a word is noticed by its silence.
    alive = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": LOCK_TIMEOUT_S * 1000}
    given: dict[str, Any] = {name: url.options[name] for name in ("sslmode", "sslrootcert") if name in url.options}
    return {"connect_timeout": CONNECT_TIMEOUT_S, "options": escaped, "application_name": "intonaco", **alive, **given}


#: Within libpq's `options`, blanks and backslashes are escaped.
_ESCAPED = str.maketrans({" ": "\\ ", "\\": "\\\\"})


def _note_life(connection: PatientConnection, record: Any) -> None:
    record.info["life"] = (connection.execute(_LIFE).fetchone() or ("",))[0]
    connection.rollback()


def _begin(connection: sql.Connection, schema: int) -> None:
    if connection.get_execution_options().get("reads", False):
        connection.exec_driver_sql(_READ)
    else:
        row = connection.exec_driver_sql(_BEGIN, (_TURN, schema)).one()
        connection.execution_options(**{NUMBER: (connection.info["life"], row[2])})


def _ping(connection: PatientConnection) -> bool:
    connection.autocommit = True
    try:
        with connection.within(PING_TIMEOUT_S):
            connection.execute("")
    finally:
        if not connection.closed:
            connection.autocommit = False
    return True
