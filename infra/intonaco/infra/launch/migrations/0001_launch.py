"""Projects."""

import sqlalchemy as sql
from alembic import op

revision = "launch_0001"
down_revision = None
branch_labels = ("launch",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "launch_project",
        sql.Column("name", sql.Text, primary_key=True),
        sql.Column("owner", sql.Text, nullable=False),
        sql.Column("description", sql.Text, nullable=False),
        sql.Column("made_us", sql.BigInteger, nullable=False),
    )
