"""Renamed views, and aliases of versions."""

import sqlalchemy as sql
from alembic import op

revision = "features_0003"
down_revision = "features_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "features_rename",
        sql.Column("project", sql.Text, primary_key=True),
        sql.Column("name", sql.Text, primary_key=True),
        sql.Column("version", sql.Integer, primary_key=True, autoincrement=False),
        sql.Column("stored_name", sql.Text, nullable=False),
        sql.Column("stored_version", sql.Integer, nullable=False),
        sql.Column("seal", sql.Text, nullable=False),
    )
    op.create_table(
        "features_alias",
        *(sql.Column(name, sql.Text, primary_key=True) for name in ("project", "kind", "name", "alias")),
        sql.Column("move", sql.Integer, primary_key=True, autoincrement=False),
        sql.Column("version", sql.Integer, nullable=False),
        sql.Column("by", sql.Text, nullable=False),
        sql.Column("moved_us", sql.BigInteger, nullable=False),
        sql.Column("seal", sql.Text, nullable=False),
    )
