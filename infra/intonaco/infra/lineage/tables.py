"""The tables that lineage owns in the catalog."""

from pathlib import Path

import sqlalchemy as sql

from intonaco.infra.storage.catalog.catalog import Room

__all__ = ["ARTIFACTS", "INPUTS", "MEMOS", "METRICS", "MOVES", "ROOM", "RUNS", "STEPS", "USES", "VERSIONS"]

_TABLES = sql.MetaData()

# SQLite counts only an INTEGER key by itself, PostgreSQL needs more than its 32 bits.
_COUNTED = sql.BigInteger().with_variant(sql.Integer(), "sqlite")

#: `params`, `seeds`, `code` and `holder` are JSON; `lock` and `manifest` are digests of JSON artifacts.
RUNS = sql.Table(
    "lineage_run",
    _TABLES,
    sql.Column("id", sql.Text, primary_key=True),
    sql.Column("project", sql.Text, nullable=False),
    sql.Column("name", sql.Text, nullable=False),
    sql.Column("status", sql.Text, nullable=False),
    sql.Column("parent", sql.Text, nullable=False),
    sql.Column("params", sql.Text, nullable=False),
    sql.Column("seeds", sql.Text, nullable=False),
    sql.Column("code", sql.Text, nullable=False),
    sql.Column("lock", sql.Text, nullable=False),
    sql.Column("manifest", sql.Text, nullable=False),
    sql.Column("holder", sql.Text, nullable=False),
    sql.Column("started_us", sql.BigInteger, nullable=False),
    sql.Column("ended_us", sql.BigInteger),
    sql.Column("error", sql.Text, nullable=False),
    sql.Column("seal", sql.Text, nullable=False),
    sql.Index("lineage_run_project", "project", "started_us"),
)

#: A call of a step in a run; `number` counts from 1 in the run, `parent` is the number of the step that called it, or 0.
STEPS = sql.Table(
    "lineage_step",
    _TABLES,
    sql.Column("run", sql.Text, primary_key=True),
    sql.Column("number", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("project", sql.Text, nullable=False),
    sql.Column("parent", sql.Integer, nullable=False),
    sql.Column("function", sql.Text, nullable=False),
    sql.Column("key", sql.Text, nullable=False),
    sql.Column("status", sql.Text, nullable=False),
    sql.Column("memoized", sql.Boolean, nullable=False),
    sql.Column("digest", sql.Text, nullable=False),
    sql.Column("kind", sql.Text, nullable=False),
    sql.Column("size_bytes", sql.BigInteger, nullable=False),
    sql.Column("reference", sql.Text, nullable=False),
    sql.Column("started_us", sql.BigInteger, nullable=False),
    sql.Column("seconds", sql.Double, nullable=False),
    sql.Column("error", sql.Text, nullable=False),
    sql.Column("seal", sql.Text, nullable=False),
    sql.Index("lineage_step_function", "project", "function", "started_us"),
    sql.Index("lineage_step_digest", "digest"),
)

#: What a step was given, by the name of its argument (`models[0]` inside a list); `step` 0 is the run itself.
INPUTS = sql.Table(
    "lineage_input",
    _TABLES,
    sql.Column("run", sql.Text, primary_key=True),
    sql.Column("step", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("name", sql.Text, primary_key=True),
    sql.Column("project", sql.Text, nullable=False),
    sql.Column("kind", sql.Text, nullable=False),
    sql.Column("digest", sql.Text, nullable=False),
    sql.Column("reference", sql.Text, nullable=False),
    sql.Column("seal", sql.Text, nullable=False),
    sql.Index("lineage_input_digest", "digest"),
)

#: `value` is NULL where it is not a number; SQLite has no other way to keep a NaN.
METRICS = sql.Table(
    "lineage_metric",
    _TABLES,
    sql.Column("number", _COUNTED, primary_key=True),
    sql.Column("run", sql.Text, nullable=False),
    sql.Column("project", sql.Text, nullable=False),
    sql.Column("name", sql.Text, nullable=False),
    sql.Column("step", sql.BigInteger, nullable=False),
    sql.Column("value", sql.Double),
    sql.Column("at_us", sql.BigInteger, nullable=False),
    sql.Column("checksum", sql.BigInteger, nullable=False),
    sql.Index("lineage_metric_run", "run"),
)

#: `reference` says where content lies that is not a blob (`table:project/name@version`).
ARTIFACTS = sql.Table(
    "lineage_artifact",
    _TABLES,
    sql.Column("project", sql.Text, primary_key=True),
    sql.Column("digest", sql.Text, primary_key=True),
    sql.Column("kind", sql.Text, primary_key=True),
    sql.Column("size_bytes", sql.BigInteger, nullable=False),
    sql.Column("reference", sql.Text, nullable=False),
    sql.Column("at_us", sql.BigInteger, nullable=False),
)

#: What a key stands for (`parts`, JSON), and the result that is recorded under it.
MEMOS = sql.Table(
    "lineage_memo",
    _TABLES,
    sql.Column("project", sql.Text, primary_key=True),
    sql.Column("key", sql.Text, primary_key=True),
    sql.Column("function", sql.Text, nullable=False),
    sql.Column("parts", sql.Text, nullable=False),
    sql.Column("digest", sql.Text, nullable=False),
    sql.Column("kind", sql.Text, nullable=False),
    sql.Column("size_bytes", sql.BigInteger, nullable=False),
    sql.Column("reference", sql.Text, nullable=False),
    sql.Column("run", sql.Text, nullable=False),
    sql.Column("step", sql.Integer, nullable=False),
    sql.Column("seal", sql.Text, nullable=False),
)

#: `partition` is empty for a model that has no partitions; `cells`, `reports` (names to digests of artifacts) and `parents` are
#: JSON. A row is never changed.
VERSIONS = sql.Table(
    "lineage_version",
    _TABLES,
    *(sql.Column(name, sql.Text, primary_key=True) for name in ("project", "model", "partition")),
    sql.Column("number", sql.Integer, primary_key=True, autoincrement=False),
    *(sql.Column(name, sql.Text, nullable=False) for name in ("package", "run", "cells", "reports", "parents")),
    sql.Column("held_out", sql.Boolean, nullable=False),
    sql.Column("notes", sql.Text, nullable=False),
    sql.Column("created_us", sql.BigInteger, nullable=False),
    sql.Column("seal", sql.Text, nullable=False),
    sql.Index("lineage_version_package", "package"),
)

#: What a version was made from or reads: `reference` without its version, and that version (`at`), empty where it has none.
USES = sql.Table(
    "lineage_use",
    _TABLES,
    *(sql.Column(name, sql.Text, primary_key=True) for name in ("project", "model", "partition")),
    sql.Column("number", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("reference", sql.Text, primary_key=True),
    sql.Column("at", sql.Text, primary_key=True),
    sql.Column("seal", sql.Text, nullable=False),
    sql.Index("lineage_use_reference", "reference"),
)

#: Who moved an alias, from which version (NULL: it was new) to which (NULL: it was removed); rows are only added, and the last
#: one of an alias says what it names.
MOVES = sql.Table(
    "lineage_move",
    _TABLES,
    sql.Column("id", _COUNTED, primary_key=True),
    *(sql.Column(name, sql.Text, nullable=False) for name in ("project", "model", "partition", "alias")),
    sql.Column("before", sql.Integer),
    sql.Column("after", sql.Integer),
    sql.Column("by", sql.Text, nullable=False),
    sql.Column("why", sql.Text, nullable=False),
    sql.Column("at_us", sql.BigInteger, nullable=False),
    sql.Column("seal", sql.Text, nullable=False),
    sql.Index("lineage_move_model", "project", "model"),
)

ROOM = Room(name="lineage", tables=_TABLES, head="lineage_0001", migrations=Path(__file__).parent / "migrations")
