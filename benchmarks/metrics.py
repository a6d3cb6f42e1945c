"""A thousand metrics, one by one and as a batch, beside SQLite itself at the same durability."""

import sqlite3
import tempfile
import time
from pathlib import Path

from benchmarks.harness import Scale, compare, here
from intonaco.infra.lineage.runs.run import Run
from intonaco.infra.lineage.runs.runs import Runs
from intonaco.infra.workspace import Workspace

__all__ = ["logging"]

_TABLE = """
CREATE TABLE metric (number INTEGER PRIMARY KEY, run TEXT NOT NULL, project TEXT NOT NULL, name TEXT NOT NULL,
                     step INTEGER NOT NULL, value DOUBLE, at_us INTEGER NOT NULL)
"""
_INSERT = "INSERT INTO metric (run, project, name, step, value, at_us) VALUES (?, ?, ?, ?, ?, ?)"


def logging(scale: Scale) -> None:
    """`Run.log` and `Run.log_many`; every call is on the disk when it returns, as every commit of the floor is."""
    n, rounds = scale(1000, 10), scale(7)
    with tempfile.TemporaryDirectory() as folder, Workspace.open(folder) as workspace, Runs(workspace).start("bench") as run:
        raw = _raw(Path(folder))
        one_by_one = {"sqlite3": here(lambda: _raw_each(raw, run.id, n)), "Run.log": here(lambda: _log_each(run, n))}
        batch = {"sqlite3": here(lambda: _raw_batch(raw, run.id, n)), "Run.log_many": here(lambda: _log_batch(run, n))}
        compare("metrics_one_by_one", one_by_one, n=n, rounds=rounds, reach=3)
        compare("metrics_batch", batch, n=n, rounds=2 * rounds, reach=3)
        raw.close()


def _raw(folder: Path) -> sqlite3.Connection:
    raw = sqlite3.connect(folder / "raw.db", isolation_level=None, timeout=30)
    raw.execute("PRAGMA journal_mode=WAL")
    raw.execute("PRAGMA synchronous=FULL")
    raw.execute(_TABLE)
    raw.execute("CREATE INDEX metric_run ON metric (run)")
    return raw


def _row(run: str, step: int) -> tuple[object, ...]:
    return run, "default", "loss", step, step * 0.1, time.time_ns() // 1000


def _raw_each(raw: sqlite3.Connection, run: str, n: int) -> None:
    for step in range(n):
        raw.execute("BEGIN IMMEDIATE")
        raw.execute(_INSERT, _row(run, step))
        raw.execute("COMMIT")


def _raw_batch(raw: sqlite3.Connection, run: str, n: int) -> None:
    raw.execute("BEGIN IMMEDIATE")
    raw.executemany(_INSERT, [_row(run, step) for step in range(n)])
    raw.execute("COMMIT")


def _log_each(run: Run, n: int) -> None:
    for step in range(n):
        run.log("loss", step * 0.1, step)


def _log_batch(run: Run, n: int) -> None:
    run.log_many([("loss", step * 0.1, step) for step in range(n)])
