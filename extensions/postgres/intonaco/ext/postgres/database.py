"""The catalog's database on PostgreSQL."""

import time
from typing import Self

import sqlalchemy as sql
from attrs import define, field

from intonaco.core.errors import IntonacoError, SettingsError
from intonaco.core.urls import StoreUrl
from intonaco.ext.postgres.connecting import NUMBER, open_engine
from intonaco.ext.postgres.damage import damaged
from intonaco.ext.postgres.faults import told
from intonaco.infra.storage.databases import Database, explained
from intonaco.infra.storage.guarantees import Guarantee
from intonaco.infra.storage.store import as_url

__all__ = ["PostgresDatabase"]

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

    apart_by = "schema"

    where: str
    schema: str
    engine: sql.Engine = field(repr=False)

    @classmethod
    def open(cls, url: StoreUrl | str) -> Self:
        url = as_url(url)
        _check(url)
        schema = url.option("schema", "public")
        return cls(f"the catalog {url}", schema, open_engine(url, schema))

    def prepare(self) -> None:
        if self.schema != "public":
            with self.engine.begin() as connection:
                connection.execute(sql.schema.CreateSchema(self.schema, if_not_exists=True))

    def damage(self, connection: sql.Connection, *, quick: bool) -> list[str]:
        return [] if quick else damaged(connection, self.schema)

    def told(self, error: BaseException | None) -> IntonacoError | None:
        return told(error, self.where)

    def drop(self) -> None:
        with self.engine.begin() as connection:
            connection.execute(sql.schema.DropSchema(self.schema, cascade=True, if_exists=True))

    def count_on(self, connection: sql.Connection, table: sql.Table) -> None:
        counted = table.autoincrement_column
        if counted is not None:
            sequence = sql.func.pg_get_serial_sequence(sql.cast(table.name, sql.Text), sql.cast(counted.name, sql.Text))
            last = sql.select(sql.func.max(counted)).scalar_subquery()
            connection.execute(sql.select(sql.func.setval(sequence, sql.func.coalesce(last, 1), last.is_not(None))))

    def committed(self, connection: sql.Connection) -> bool | None:
        noted = connection.get_execution_options().get(NUMBER)
        return None if noted is None else _outcome(self.engine, *noted)

    def lacks(self) -> dict[Guarantee, str]:
        """Durability where the server does not sync: whoever set that has to say so."""
        with explained(self, self.where), self.engine.execution_options(reads=True).connect() as connection:
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


def _outcome(engine: sql.Engine, life: str, number: str) -> bool | None:
    """What became of a transaction, asked on another connection until the server knows; None if it crashed meanwhile."""
    until = time.monotonic() + _ASK_AGAIN_S
    while time.monotonic() < until:
        try:
            with engine.execution_options(reads=True).connect() as connection:
                if connection.info["life"] != life:
                    return None
                found = connection.exec_driver_sql("SELECT pg_xact_status(%s::text::xid8)", (number,)).scalar_one()
        except sql.exc.DBAPIError:
            found = None
        if found in ("committed", "aborted"):
            return bool(found == "committed")
        time.sleep(0.1)
    return None
