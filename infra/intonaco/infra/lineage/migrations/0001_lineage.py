"""Runs, steps, inputs, metrics, artifacts and memos."""

import sqlalchemy as sql
from alembic import op

revision = "lineage_0001"
down_revision = None
branch_labels = ("lineage",)
depends_on = None


def upgrade() -> None:
    _runs()
    _steps()
    _inputs()
    _metrics()
    _artifacts()
    _memos()
    _versions()
    _uses()
    _moves()


def _runs() -> None:
    op.create_table(
        "lineage_run",
        sql.Column("id", sql.Text, primary_key=True),
        *_texts("project", "name", "status", "parent", "params", "seeds", "code", "lock", "manifest", "holder"),
        sql.Column("started_us", sql.BigInteger, nullable=False),
        sql.Column("ended_us", sql.BigInteger),
        *_texts("error", "seal"),
    )
    op.create_index("lineage_run_project", "lineage_run", ["project", "started_us"])


def _steps() -> None:
    op.create_table(
        "lineage_step",
        sql.Column("run", sql.Text, primary_key=True),
        sql.Column("number", sql.Integer, primary_key=True, autoincrement=False),
        *_texts("project"),
        sql.Column("parent", sql.Integer, nullable=False),
        *_texts("function", "key", "status"),
        sql.Column("memoized", sql.Boolean, nullable=False),
        *_texts("digest", "kind"),
        sql.Column("size_bytes", sql.BigInteger, nullable=False),
        *_texts("reference"),
        sql.Column("started_us", sql.BigInteger, nullable=False),
        sql.Column("seconds", sql.Double, nullable=False),
        *_texts("error", "seal"),
    )
    op.create_index("lineage_step_function", "lineage_step", ["project", "function", "started_us"])
    op.create_index("lineage_step_digest", "lineage_step", ["digest"])


def _inputs() -> None:
    op.create_table(
        "lineage_input",
        sql.Column("run", sql.Text, primary_key=True),
        sql.Column("step", sql.Integer, primary_key=True, autoincrement=False),
        sql.Column("name", sql.Text, primary_key=True),
        *_texts("project", "kind", "digest", "reference", "seal"),
    )
    op.create_index("lineage_input_digest", "lineage_input", ["digest"])


def _metrics() -> None:
    op.create_table(
        "lineage_metric",
        sql.Column("number", sql.BigInteger().with_variant(sql.Integer(), "sqlite"), primary_key=True),
        *_texts("run", "project", "name"),
        sql.Column("step", sql.BigInteger, nullable=False),
        sql.Column("value", sql.Double),
        sql.Column("at_us", sql.BigInteger, nullable=False),
        sql.Column("checksum", sql.BigInteger, nullable=False),
    )
    op.create_index("lineage_metric_run", "lineage_metric", ["run"])


def _artifacts() -> None:
    op.create_table(
        "lineage_artifact",
        *_keys("project", "digest", "kind"),
        sql.Column("size_bytes", sql.BigInteger, nullable=False),
        *_texts("reference"),
        sql.Column("at_us", sql.BigInteger, nullable=False),
    )


def _memos() -> None:
    op.create_table(
        "lineage_memo",
        *_keys("project", "key"),
        *_texts("function", "parts", "digest", "kind"),
        sql.Column("size_bytes", sql.BigInteger, nullable=False),
        *_texts("reference", "run"),
        sql.Column("step", sql.Integer, nullable=False),
        *_texts("seal"),
    )


def _versions() -> None:
    op.create_table(
        "lineage_version",
        *_keys("project", "model", "partition"),
        sql.Column("number", sql.Integer, primary_key=True, autoincrement=False),
        *_texts("package", "run", "cells", "reports", "parents"),
        sql.Column("held_out", sql.Boolean, nullable=False),
        *_texts("notes"),
        sql.Column("created_us", sql.BigInteger, nullable=False),
        *_texts("seal"),
    )
    op.create_index("lineage_version_package", "lineage_version", ["package"])


def _uses() -> None:
    op.create_table(
        "lineage_use",
        *_keys("project", "model", "partition"),
        sql.Column("number", sql.Integer, primary_key=True, autoincrement=False),
        *_keys("reference", "at"),
        *_texts("seal"),
    )
    op.create_index("lineage_use_reference", "lineage_use", ["reference"])


def _moves() -> None:
    op.create_table(
        "lineage_move",
        sql.Column("id", sql.BigInteger().with_variant(sql.Integer(), "sqlite"), primary_key=True),
        *_texts("project", "model", "partition", "alias"),
        sql.Column("before", sql.Integer),
        sql.Column("after", sql.Integer),
        *_texts("by", "why"),
        sql.Column("at_us", sql.BigInteger, nullable=False),
        *_texts("seal"),
    )
    op.create_index("lineage_move_model", "lineage_move", ["project", "model"])


def _keys(*names: str) -> list[sql.Column[str]]:
    return [sql.Column(name, sql.Text, primary_key=True) for name in names]


def _texts(*names: str) -> list[sql.Column[str]]:
    return [sql.Column(name, sql.Text, nullable=False) for name in names]
