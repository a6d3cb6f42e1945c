"""Alerts."""

import sqlalchemy as sql
from alembic import op

revision = "monitoring_0001"
down_revision = None
branch_labels = ("monitoring",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "monitoring_alert",
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
