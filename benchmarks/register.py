"""Registering a model with its package, beside writing and syncing the same files and one transaction of SQLite.

The proof of a package in a clean process belongs to making it (`packages.build`), not to registering it, and is left out.
"""

import hashlib
import json
import os
import secrets
import sqlite3
import tempfile
import time
from pathlib import Path

from benchmarks.harness import Scale, compare, here_on
from intonaco.core.schema import Field, Schema
from intonaco.infra.lineage.cells import Cell
from intonaco.infra.lineage.registry.registry import Registry
from intonaco.infra.serving.packages.keeping import keep_package
from intonaco.infra.serving.packages.package import FORMAT, Manifest, Package, PayloadFile
from intonaco.infra.serving.packages.servable import Signature
from intonaco.infra.workspace import Workspace

__all__ = ["registering"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_MODEL_BYTES = 300_000
_ROWS = 16
_CELLS = [Cell(f"hour={hour}", "mae", 10.0 + hour, 9.0 + hour, 11.0 + hour, 1000) for hour in range(24)]
_USES = [f"feature:view_{number}@1" for number in range(10)]
_TABLE = """
CREATE TABLE version (number INTEGER PRIMARY KEY, project TEXT, model TEXT, package TEXT, run TEXT, cells TEXT, at_us INTEGER)
"""
_INSERT = "INSERT INTO version (project, model, package, run, cells, at_us) VALUES (?, ?, ?, ?, ?, ?)"


def registering(scale: Scale) -> None:
    """`n` versions of a model: a package of two files and the entry in the registry, each durable when it is acknowledged."""
    n = scale(25, 2)
    with tempfile.TemporaryDirectory() as folder, Workspace.open(folder) as workspace:
        files, registry = _folders(Path(folder)), Registry(workspace)
        raw = _raw(Path(folder))
        _register(registry, _packages(1))
        systems = {
            "files, sqlite3": here_on(lambda: _packages(n), lambda made: _by_hand(files, raw, made)),
            "Registry.register": here_on(lambda: _packages(n), lambda made: _register(registry, made)),
        }
        compare("register", systems, n=n, rounds=scale(5), reach=3)
        raw.close()


def _packages(n: int) -> list[Package]:
    """Different packages, as those of the main job's models are: one file of text, and a manifest with sample rows."""
    return [_package(secrets.token_hex(_MODEL_BYTES // 2).encode()) for _ in range(n)]


def _package(model: bytes) -> Package:
    names = [f"feature_{number}" for number in range(20)]
    signature = Signature(inputs=Schema(tuple(Field(name, "float64", nullable=True) for name in names)), outputs=Schema.of(y="float64"))
    manifest = Manifest(
        format=FORMAT,
        flavor="lightgbm",
        inert=True,
        signature=signature.to_json(),
        environment={"lightgbm": "4.6.0", "python": "3.11"},
        files={"model.txt": PayloadFile(hashlib.sha256(model).hexdigest(), len(model))},
        plan=None,
        samples={name: [number / 7 for number in range(_ROWS)] for name in names},
        scores={"y": [number / 3 for number in range(_ROWS)]},
    )
    return Package.of(manifest, {"model.txt": model})


def _register(registry: Registry, made: list[Package]) -> None:
    for package in made:
        keep_package(registry.workspace.blobs, package)
        version = registry.register("eta", package.digest, run_id="20131019T180000-0badcafe", cells=_CELLS, uses=_USES, held_out=True)
        assert version.new


def _folders(folder: Path) -> Path:
    """Folders by the first two digits of a digest, as every content-addressed store has them."""
    files = folder / "raw"
    for number in range(256):
        (files / f"{number:02x}").mkdir(parents=True)
    return files


def _raw(folder: Path) -> sqlite3.Connection:
    raw = sqlite3.connect(folder / "raw.db", isolation_level=None, timeout=30)
    raw.execute("PRAGMA journal_mode=WAL")
    raw.execute("PRAGMA synchronous=FULL")
    raw.execute(_TABLE)
    return raw


def _by_hand(files: Path, raw: sqlite3.Connection, made: list[Package]) -> None:
    for package in made:
        for data in (*package.files.values(), package.manifest.encode()):
            _write(files, data)
        cells = json.dumps([[cell.segment, cell.metric, cell.value, cell.low, cell.high, cell.n] for cell in _CELLS])
        raw.execute("BEGIN IMMEDIATE")
        raw.execute(_INSERT, ("default", "eta", package.digest, "20131019T180000-0badcafe", cells, time.time_ns() // 1000))
        raw.execute("COMMIT")


def _write(files: Path, data: bytes) -> None:
    """Bytes first, name last: written under another name, synced, linked, and the folder synced."""
    digest = hashlib.sha256(data).hexdigest()
    folder = os.open(files / digest[:2], _FOLDER)
    try:
        opened = os.open(f".{digest}", _NEW, dir_fd=folder)
        try:
            os.write(opened, data)
            os.fsync(opened)
        finally:
            os.close(opened)
        os.link(f".{digest}", digest, src_dir_fd=folder, dst_dir_fd=folder)
        os.unlink(f".{digest}", dir_fd=folder)
        os.fsync(folder)
    finally:
        os.close(folder)
