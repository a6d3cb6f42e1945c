"""A store moves while other processes write it, and whoever moves it is killed: no acknowledged write is lost or doubled."""

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from intonaco.core.urls import StoreUrl
from intonaco.ext.postgres.local import LocalPostgres
from intonaco.ext.redis.local import LocalRedis
from intonaco.infra.storage.catalog.catalog import Catalog
from intonaco.infra.workspace import Workspace

pytest_plugins = ("intonaco.ext.postgres.testing", "intonaco.ext.redis.testing", "intonaco.ext.s3.testing")
pytestmark = pytest.mark.slow

_CLI = [sys.executable, "-m", "intonaco.infra.platform.cli"]
_WRITER = [sys.executable, str(Path(__file__).with_name("mover.py"))]
#: Store, and what it moves to.
WAYS = [
    ("blobs", "file"),
    ("keyvalue", "lmdb"),
    ("stream", "sqlite"),
    ("tables", "file"),
    ("catalog", "sqlite"),
    ("keyvalue", "redis"),
    ("stream", "redis"),
    ("blobs", "s3"),
    ("tables", "s3"),
    ("catalog", "postgresql"),
]


@pytest.fixture
def target(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """A URL of a scheme under which nothing is yet; the environment knows its secrets."""

    def made(scheme: str) -> str:
        if scheme == "postgresql":
            server: LocalPostgres = request.getfixturevalue("postgres_server")
            monkeypatch.setenv("INTONACO_POSTGRES_PASSWORD", server.password)
            return f"{server.address}?schema=moved_{tmp_path.name.lower()}"
        if scheme == "redis":
            redis: LocalRedis = request.getfixturevalue("redis_server")
            url = StoreUrl.parse(redis.url)
            monkeypatch.setenv("INTONACO_REDIS_PASSWORD", url.password)
            return f"redis://{url.host}:{url.port}{url.path}?prefix={tmp_path.name[-40:]}"
        if scheme == "s3":
            return str(request.getfixturevalue("s3"))
        return f"{scheme}:{tmp_path}/new/store"

    return made


def _read(kind: str, workspace: Workspace, url: str) -> Counter[str]:
    """How often each write is there."""
    if kind == "catalog":
        with Catalog.open(url) as catalog:
            return Counter(each.subject for each in catalog.changes("t"))
    with workspace.open_store(kind, url) as store:
        return Counter(_names(kind, store))


def _names(kind: str, store: Any) -> list[str]:
    if kind == "blobs":
        return [store.read(name).decode() for name in store.names("b/")]
    if kind == "keyvalue":
        return [key.decode() for key, _ in store.scan() if not key.startswith(b"\0")]
    if kind == "stream":
        return [value.decode() for _, value in store.read("default/t", limit=10**6)]
    found = {name: store.read(store.snapshot(name)).column("number").to_pylist() for name in store.names("default")}
    return [f"{name.removeprefix('default/w')}/{number}" for name, numbers in found.items() for number in numbers]


def _killed(command: list[str], after_s: float) -> None:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(after_s)
    process.kill()
    process.wait(30)


def _done(command: list[str]) -> None:
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("kind", "scheme"), WAYS)
def test_a_move_that_is_killed_again_and_again_loses_nothing(kind: str, scheme: str, target: Callable[[str], str], tmp_path: Path) -> None:
    chosen = random.Random(f"{kind}{scheme}")
    root, url = tmp_path / "work", target(scheme)
    root.mkdir()
    command = [*_CLI, "-C", str(root), "migrate"]
    writers = [
        subprocess.Popen([*_WRITER, str(root), kind, str(writer)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for writer in range(2)
    ]
    try:
        time.sleep(1)
        for _ in range(2):
            _killed([*command, "start", kind, url], chosen.uniform(0.5, 3.5))
        _done([*command, "start", kind, url])
        _killed([*command, "switch", kind], chosen.uniform(0.5, 3.5))
        if _phase(root, kind) != "switched":
            _done([*command, "switch", kind])
        time.sleep(1.5)
        _done([*command, "finish", kind])
        time.sleep(1.5)
        assert [writer.poll() for writer in writers] == [None, None]
    finally:
        for writer in writers:
            writer.kill()
    with Workspace.open(root) as workspace:
        found = _read(kind, workspace, url)
    assert set(found.values()) == {1}
    for number, writer in enumerate(writers):
        out, err = writer.communicate(timeout=30)
        acknowledged = [int(line) for line in out.split()]
        assert "Traceback" not in err, err
        assert len(acknowledged) > 20
        assert {f"{number}/{each}" for each in acknowledged} <= set(found)


def _phase(root: Path, kind: str) -> str:
    done = subprocess.run([*_CLI, "-C", str(root), "migrate", "status", "--json"], capture_output=True, text=True, timeout=120)
    rows: list[dict[str, str]] = json.loads(done.stdout)["stores"]
    return next(row["phase"] for row in rows if row["store"] == kind)
