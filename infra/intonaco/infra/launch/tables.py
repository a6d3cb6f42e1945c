"""The tables that launch owns in the catalog."""

from pathlib import Path

import sqlalchemy as sql

from intonaco.infra.storage.catalog.catalog import Room

__all__ = ["PROJECTS", "ROOM"]

_TABLES = sql.MetaData()

PROJECTS = sql.Table(
    "launch_project",
    _TABLES,
    sql.Column("name", sql.Text, primary_key=True),
    sql.Column("owner", sql.Text, nullable=False),
    sql.Column("description", sql.Text, nullable=False),
    sql.Column("made_us", sql.BigInteger, nullable=False),
)

ROOM = Room(name="launch", tables=_TABLES, head="launch_0001", migrations=Path(__file__).parent / "migrations")
