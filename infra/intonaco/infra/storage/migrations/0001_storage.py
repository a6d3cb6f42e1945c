"""Changes and leases."""

import sqlalchemy as sql
from alembic import op

revision = "storage_0001"
down_revision = None
branch_labels = ("storage",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "storage_change",
        sql.Column("number", sql.BigInteger().with_variant(sql.Integer(), "sqlite"), primary_key=True),
        sql.Column("topic", sql.Text, nullable=False),
        sql.Column("subject", sql.Text, nullable=False),
        sql.Column("at_us", sql.BigInteger, nullable=False),
        sql.Column("seal", sql.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "storage_lease",
        sql.Column("name", sql.Text, primary_key=True),
        sql.Column("number", sql.BigInteger, nullable=False),
        sql.Column("holder", sql.Text, nullable=False),
        sql.Column("until_us", sql.BigInteger, nullable=False),
        sql.Column("seal", sql.Text, nullable=False),
    )
