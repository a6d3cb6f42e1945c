"""Looking for damage in PostgreSQL: page checksums, where the server keeps them, and indexes, where amcheck is installed."""

from collections.abc import Callable, Iterator

import psycopg
import sqlalchemy as sql

__all__ = ["damaged"]

_INDEXES = (
    "SELECT c.oid, c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam"
    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE a.amname = 'btree' AND n.nspname = %s ORDER BY c.relname"
)
_CAN_CHECK = "SELECT count(*) FROM pg_proc WHERE proname = 'bt_index_check'"


def damaged(connection: sql.Connection, schema: str) -> list[str]:
    """What is said while every value of every table is read, and every index compared with its table."""
    found = []
    for name, check in _checks(connection, schema):
        try:
            with connection.begin_nested():
                check()
        except sql.exc.DBAPIError as error:
            if not isinstance(error.orig, psycopg.errors.InternalError | psycopg.errors.DataError):
                raise
            found.append(f"{name}: {next(iter(str(error.orig).splitlines()), '')}")
    return found


def _checks(connection: sql.Connection, schema: str) -> Iterator[tuple[str, Callable[[], object]]]:
    for table in sql.inspect(connection).get_table_names(schema):
        whole = sql.table(table, schema=schema).alias("t")
        # As text, so that values are read too which lie outside their rows.
        read = sql.select(sql.func.sum(sql.func.length(sql.text("t::text")))).select_from(whole)
        yield table, lambda read=read: connection.execute(read).scalar_one()  # type: ignore[misc]
    if connection.exec_driver_sql(_CAN_CHECK).scalar_one():
        for number, index in connection.exec_driver_sql(_INDEXES, (schema,)).all():
            check = f"SELECT bt_index_check({int(number)}::regclass, true)"
            yield index, lambda check=check: connection.exec_driver_sql(check)  # type: ignore[misc]
