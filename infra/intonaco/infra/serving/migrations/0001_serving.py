"""Deployments, servers, their states, and the layouts and positions of ledgers."""

import sqlalchemy as sql
from alembic import op

revision = "serving_0001"
down_revision = None
branch_labels = ("serving",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "serving_deployment",
        *_keys("project", "endpoint"),
        sql.Column("generation", sql.Integer, primary_key=True, autoincrement=False),
        *_texts("wanted", "by"),
        *_numbers("at_us"),
    )
    op.create_table(
        "serving_server",
        *_keys("server"),
        *_texts("project", "url"),
        sql.Column("pid", sql.Integer, nullable=False),
        *_numbers("beat_us"),
    )
    op.create_table(
        "serving_state",
        *_keys("server", "project", "endpoint"),
        sql.Column("generation", sql.Integer, nullable=False),
        *_texts("state", "conditions", "reason"),
        *_numbers("at_us"),
    )
    op.create_table("serving_layout", *_keys("digest"), *_texts("project", "endpoint", "fields"))
    op.create_table("serving_ledger", *_keys("project", "endpoint"), *_numbers("through", "dropped"))


def _keys(*names: str) -> list[sql.Column[str]]:
    return [sql.Column(name, sql.Text, primary_key=True) for name in names]


def _texts(*names: str) -> list[sql.Column[str]]:
    return [sql.Column(name, sql.Text, nullable=False) for name in names]


def _numbers(*names: str) -> list[sql.Column[int]]:
    return [sql.Column(name, sql.BigInteger, nullable=False) for name in names]
