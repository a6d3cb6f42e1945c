"""Pieces of moves: how far within a move the events are stored."""

import sqlalchemy as sql
from alembic import op

revision = "features_0002"
down_revision = "features_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "features_piece",
        sql.Column("project", sql.Text, primary_key=True),
        sql.Column("view", sql.Text, primary_key=True),
        sql.Column("version", sql.Integer, primary_key=True, autoincrement=False),
        sql.Column("place", sql.Text, primary_key=True),
        *(sql.Column(name, sql.BigInteger, nullable=False) for name in ("done", "end", "sequence", "moved_us")),
        sql.Column("seal", sql.Text, nullable=False),
    )
