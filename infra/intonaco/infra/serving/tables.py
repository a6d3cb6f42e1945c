"""The tables that serving owns in the catalog."""

from pathlib import Path

import sqlalchemy as sql

from intonaco.infra.storage.catalog.catalog import Room

__all__ = ["DEPLOYMENTS", "LAYOUTS", "LEDGERS", "ROOM", "SERVERS", "STATES"]

_TABLES = sql.MetaData()

#: What is wanted under the name of an endpoint; the greatest generation holds. A removed endpoint's last row has no routes.
DEPLOYMENTS = sql.Table(
    "serving_deployment",
    _TABLES,
    sql.Column("project", sql.Text, primary_key=True),
    sql.Column("endpoint", sql.Text, primary_key=True),
    sql.Column("generation", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("wanted", sql.Text, nullable=False),
    sql.Column("by", sql.Text, nullable=False),
    sql.Column("at_us", sql.BigInteger, nullable=False),
)

#: A running server; one whose `beat_us` is long ago is gone.
SERVERS = sql.Table(
    "serving_server",
    _TABLES,
    sql.Column("server", sql.Text, primary_key=True),
    sql.Column("project", sql.Text, nullable=False),
    sql.Column("url", sql.Text, nullable=False),
    sql.Column("pid", sql.Integer, nullable=False),
    sql.Column("beat_us", sql.BigInteger, nullable=False),
)

#: How far a server has come with an endpoint; `conditions` is a JSON list of those that hold, in order.
STATES = sql.Table(
    "serving_state",
    _TABLES,
    sql.Column("server", sql.Text, primary_key=True),
    sql.Column("project", sql.Text, primary_key=True),
    sql.Column("endpoint", sql.Text, primary_key=True),
    sql.Column("generation", sql.Integer, nullable=False),
    sql.Column("state", sql.Text, nullable=False),
    sql.Column("conditions", sql.Text, nullable=False),
    sql.Column("reason", sql.Text, nullable=False),
    sql.Column("at_us", sql.BigInteger, nullable=False),
)

#: Which columns a ledger's records hold, by the digest that each record carries.
LAYOUTS = sql.Table(
    "serving_layout",
    _TABLES,
    sql.Column("digest", sql.Text, primary_key=True),
    sql.Column("project", sql.Text, nullable=False),
    sql.Column("endpoint", sql.Text, nullable=False),
    sql.Column("fields", sql.Text, nullable=False),
)

#: Up to which offset a ledger's stream was collected for certain; where to begin to look, not what has taken effect.
LEDGERS = sql.Table(
    "serving_ledger",
    _TABLES,
    sql.Column("project", sql.Text, primary_key=True),
    sql.Column("endpoint", sql.Text, primary_key=True),
    sql.Column("through", sql.BigInteger, nullable=False),
    sql.Column("dropped", sql.BigInteger, nullable=False),
)

ROOM = Room(name="serving", tables=_TABLES, head="serving_0001", migrations=Path(__file__).parent / "migrations")
