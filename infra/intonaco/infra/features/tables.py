"""The tables that features own in the catalog."""

from pathlib import Path

import sqlalchemy as sql

from intonaco.infra.storage.catalog.catalog import Room

__all__ = ["ALIASES", "CERTIFICATES", "DEFINITIONS", "PIECES", "PROGRESS", "RENAMES", "ROOM"]

_TABLES = sql.MetaData()

#: Entities, views and sets (`kind`), each version as JSON; `meaning` is a digest that names and descriptions do not move.
DEFINITIONS = sql.Table(
    "features_definition",
    _TABLES,
    sql.Column("project", sql.Text, primary_key=True),
    sql.Column("kind", sql.Text, primary_key=True),
    sql.Column("name", sql.Text, primary_key=True),
    sql.Column("version", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("meaning", sql.Text, nullable=False),
    sql.Column("body", sql.Text, nullable=False),
    sql.Column("owner", sql.Text, nullable=False),
    sql.Column("description", sql.Text, nullable=False),
    sql.Column("tags", sql.Text, nullable=False),
    sql.Column("applied_us", sql.BigInteger, nullable=False),
    sql.Column("seal", sql.Text, nullable=False),
)

#: How far a view's events are in its hops and online: rows of `source`@`source_version` with event times before `until_us`.
PROGRESS = sql.Table(
    "features_progress",
    _TABLES,
    sql.Column("project", sql.Text, primary_key=True),
    sql.Column("view", sql.Text, primary_key=True),
    sql.Column("version", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("place", sql.Text, primary_key=True),
    sql.Column("source_version", sql.BigInteger, nullable=False),
    sql.Column("source_rows", sql.BigInteger, nullable=False),
    sql.Column("until_us", sql.BigInteger, nullable=False),
    sql.Column("sequence", sql.BigInteger, nullable=False),
    sql.Column("moved_us", sql.BigInteger, nullable=False),
    sql.Column("seal", sql.Text, nullable=False),
)

#: The piece of a move that is being stored: rows (or offsets) up to `end`, under `sequence`; all up to `done` are stored.
PIECES = sql.Table(
    "features_piece",
    _TABLES,
    sql.Column("project", sql.Text, primary_key=True),
    sql.Column("view", sql.Text, primary_key=True),
    sql.Column("version", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("place", sql.Text, primary_key=True),
    sql.Column("done", sql.BigInteger, nullable=False),
    sql.Column("end", sql.BigInteger, nullable=False),
    sql.Column("sequence", sql.BigInteger, nullable=False),
    sql.Column("moved_us", sql.BigInteger, nullable=False),
    sql.Column("seal", sql.Text, nullable=False),
)

#: Views that were renamed: under which name and version what belongs to them is stored.
RENAMES = sql.Table(
    "features_rename",
    _TABLES,
    sql.Column("project", sql.Text, primary_key=True),
    sql.Column("name", sql.Text, primary_key=True),
    sql.Column("version", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("stored_name", sql.Text, nullable=False),
    sql.Column("stored_version", sql.Integer, nullable=False),
    sql.Column("seal", sql.Text, nullable=False),
)

#: Who moved an alias of a definition, and to which version (0: it was removed); rows are only added, the last `move` holds.
ALIASES = sql.Table(
    "features_alias",
    _TABLES,
    sql.Column("project", sql.Text, primary_key=True),
    sql.Column("kind", sql.Text, primary_key=True),
    sql.Column("name", sql.Text, primary_key=True),
    sql.Column("alias", sql.Text, primary_key=True),
    sql.Column("move", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("version", sql.Integer, nullable=False),
    sql.Column("by", sql.Text, nullable=False),
    sql.Column("moved_us", sql.BigInteger, nullable=False),
    sql.Column("seal", sql.Text, nullable=False),
)

#: Outcomes of trying versions of views on generated streams, as JSON; rows are only added.
CERTIFICATES = sql.Table(
    "features_certificate",
    _TABLES,
    sql.Column("project", sql.Text, primary_key=True),
    sql.Column("view", sql.Text, primary_key=True),
    sql.Column("version", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("number", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("body", sql.Text, nullable=False),
    sql.Column("certified_us", sql.BigInteger, nullable=False),
    sql.Column("seal", sql.Text, nullable=False),
)

ROOM = Room(name="features", tables=_TABLES, head="features_0004", migrations=Path(__file__).parent / "migrations")
