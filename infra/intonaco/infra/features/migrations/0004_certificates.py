"""Certificates of views."""

import sqlalchemy as sql
from alembic import op

revision = "features_0004"
down_revision = "features_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "features_certificate",
        sql.Column("project", sql.Text, primary_key=True),
        sql.Column("view", sql.Text, primary_key=True),
        sql.Column("version", sql.Integer, primary_key=True, autoincrement=False),
        sql.Column("number", sql.Integer, primary_key=True, autoincrement=False),
        sql.Column("body", sql.Text, nullable=False),
        sql.Column("certified_us", sql.BigInteger, nullable=False),
        sql.Column("seal", sql.Text, nullable=False),
    )
