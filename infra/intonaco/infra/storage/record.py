"""The catalog's own tables: what changed, who holds which lease, and where the catalog moves to."""

from pathlib import Path

import sqlalchemy as sql

from intonaco.infra.storage.rooms import Room

__all__ = ["CHANGES", "LEASES", "MOVES", "ROOM"]

_TABLES = sql.MetaData()

# SQLite counts only an INTEGER key by itself, PostgreSQL needs more than its 32 bits.
_COUNTED = sql.BigInteger().with_variant(sql.Integer(), "sqlite")

#: Without an index by topic: those who poll read from a number on, and that is little.
CHANGES = sql.Table(
    "storage_change",
    _TABLES,
    sql.Column("number", _COUNTED, primary_key=True),
    sql.Column("topic", sql.Text, nullable=False),
    sql.Column("subject", sql.Text, nullable=False),
    sql.Column("at_us", sql.BigInteger, nullable=False),
    sql.Column("seal", sql.Text, nullable=False),
    sqlite_autoincrement=True,
)

#: A lease that was let go keeps its row, so that its number only grows.
LEASES = sql.Table(
    "storage_lease",
    _TABLES,
    sql.Column("name", sql.Text, primary_key=True),
    sql.Column("number", sql.BigInteger, nullable=False),
    sql.Column("holder", sql.Text, nullable=False),
    sql.Column("until_us", sql.BigInteger, nullable=False),
    sql.Column("seal", sql.Text, nullable=False),
)

#: The steps by which the catalog moves to another database; the newest one holds.
MOVES = sql.Table(
    "storage_move",
    _TABLES,
    sql.Column("number", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("target", sql.Text, nullable=False),
    sql.Column("phase", sql.Text, nullable=False),
    sql.Column("at_us", sql.BigInteger, nullable=False),
    sql.Column("until_us", sql.BigInteger, nullable=False),
    sql.Column("seal", sql.Text, nullable=False),
)

ROOM = Room(name="storage", tables=_TABLES, head="storage_0002", migrations=Path(__file__).parent / "migrations")
