"""Where the catalog moves to."""

import sqlalchemy as sql
from alembic import op

revision = "storage_0002"
down_revision = "storage_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "storage_move",
        sql.Column("number", sql.Integer, primary_key=True, autoincrement=False),
        sql.Column("target", sql.Text, nullable=False),
        sql.Column("phase", sql.Text, nullable=False),
        sql.Column("at_us", sql.BigInteger, nullable=False),
        sql.Column("until_us", sql.BigInteger, nullable=False),
        sql.Column("seal", sql.Text, nullable=False),
    )
