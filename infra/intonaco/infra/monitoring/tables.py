"""The tables that monitoring owns in the catalog."""

from pathlib import Path

import sqlalchemy as sql

from intonaco.infra.storage.catalog.catalog import Room

__all__ = ["ALERTS", "ROOM"]

_TABLES = sql.MetaData()

ALERTS = sql.Table(
    "monitoring_alert",
    _TABLES,
    sql.Column("project", sql.Text, primary_key=True),
    sql.Column("endpoint", sql.Text, primary_key=True),
    sql.Column("monitor", sql.Text, primary_key=True),
    sql.Column("segment", sql.Text, primary_key=True),
    sql.Column("from_us", sql.BigInteger, primary_key=True, autoincrement=False),
    sql.Column("to_us", sql.BigInteger, primary_key=True, autoincrement=False),
    sql.Column("value", sql.Double, nullable=False),
    sql.Column("threshold", sql.Double, nullable=False),
    sql.Column("version", sql.Text, nullable=False),
    sql.Column("raised_us", sql.BigInteger, nullable=False),
)

ROOM = Room(name="monitoring", tables=_TABLES, head="monitoring_0001", migrations=Path(__file__).parent / "migrations")
