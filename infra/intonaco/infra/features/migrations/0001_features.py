"""Definitions and progress."""

import sqlalchemy as sql
from alembic import op

revision = "features_0001"
down_revision = None
branch_labels = ("features",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "features_definition",
        sql.Column("project", sql.Text, primary_key=True),
        sql.Column("kind", sql.Text, primary_key=True),
        sql.Column("name", sql.Text, primary_key=True),
        sql.Column("version", sql.Integer, primary_key=True, autoincrement=False),
        *(sql.Column(name, sql.Text, nullable=False) for name in ("meaning", "body", "owner", "description", "tags")),
        sql.Column("applied_us", sql.BigInteger, nullable=False),
        sql.Column("seal", sql.Text, nullable=False),
    )
    op.create_table(
        "features_progress",
        sql.Column("project", sql.Text, primary_key=True),
        sql.Column("view", sql.Text, primary_key=True),
        sql.Column("version", sql.Integer, primary_key=True, autoincrement=False),
        sql.Column("place", sql.Text, primary_key=True),
        *(
            sql.Column(name, sql.BigInteger, nullable=False)
            for name in ("source_version", "source_rows", "until_us", "sequence", "moved_us")
        ),
        sql.Column("seal", sql.Text, nullable=False),
    )
