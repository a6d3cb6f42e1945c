"""E4: a hostile package is refused by all that reads it, and nothing in it runs."""

import hashlib
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest

from intonaco.core.errors import CorruptError, IntonacoError, RefusedError
from intonaco.core.schema import Schema
from intonaco.infra.serving.packages import packages
from intonaco.infra.serving.packages.loading import load_servable
from intonaco.infra.serving.packages.servable import Signature
from intonaco.infra.storage.blobs import SupportsPath, blob_name, put
from intonaco.infra.workspace import Workspace

_SIGNATURE = Signature(inputs=Schema.of(a="float64"), outputs=Schema.of(y="float64"))


class _Payload:
    """What a hostile pickle holds."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, (f"open({str(self.canary)!r}, 'w')",))


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    (tmp_path / "workspace").mkdir()
    with Workspace.open(tmp_path / "workspace") as workspace:
        yield workspace


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


@pytest.fixture
def honest(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The manifest of an honest package."""
    monkeypatch.setattr(packages, "prove", lambda *_: None)
    rows = np.random.default_rng(0).normal(size=(60, 1))
    model = lightgbm.train({"verbosity": -1, "min_data_in_leaf": 5, "num_threads": 1}, lightgbm.Dataset(rows, rows[:, 0]), 2)
    package = packages.build(workspace, model, _SIGNATURE, samples={"a": rows[:, 0]})
    load_servable(packages.load(workspace, package.digest), workspace.plugins)
    manifest: dict[str, Any] = json.loads(package.manifest.encode())
    return manifest


def _keep(workspace: Workspace, manifest: dict[str, Any]) -> str:
    return put(workspace.blobs, json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode())


def _file(workspace: Workspace, data: bytes) -> dict[str, Any]:
    return {"sha256": put(workspace.blobs, data), "size_bytes": len(data)}


def _load(workspace: Workspace, digest: str, trust_code: bool = False) -> None:
    load_servable(packages.load(workspace, digest), workspace.plugins, trust_code=trust_code)


@pytest.mark.parametrize("flavor", ["lightgbm", "sklearn"])
@pytest.mark.parametrize("trust_code", [False, True])
def test_a_pickle_under_an_honest_name_is_never_unpickled(
    workspace: Workspace, honest: dict[str, Any], canary: Path, flavor: str, trust_code: bool
) -> None:
    name = {"lightgbm": "model.txt", "sklearn": "model.skops"}[flavor]
    files = {name: _file(workspace, pickle.dumps(_Payload(canary)))}
    environment = {"lightgbm": "4.7.0", "scikit-learn": "1.9.1", "skops": "0.16.0", **honest["environment"]}
    digest = _keep(workspace, {**honest, "flavor": flavor, "files": files, "environment": environment})
    with pytest.raises(IntonacoError):
        _load(workspace, digest, trust_code)
    assert not canary.exists()


_NAMES: tuple[str, ...] = ("../model.txt", "/etc/passwd", "a/../../b", "./model.txt", "a//b", "")
_NAMES += ("a\\b", "model.txt\0", "-rf", ".hidden", "a/.b", "C:x", "é", "a" * 300)


@pytest.mark.parametrize("name", _NAMES)
def test_a_file_name_that_could_leave_its_folder_is_corrupt(workspace: Workspace, honest: dict[str, Any], name: str) -> None:
    digest = _keep(workspace, {**honest, "files": {**honest["files"], name: _file(workspace, b"x")}})
    with pytest.raises(CorruptError):
        _load(workspace, digest)


def test_trust_is_the_loaders_setting_and_never_the_packages(workspace: Workspace, honest: dict[str, Any], canary: Path) -> None:
    code = f"open({str(canary)!r}, 'w')".encode()
    index = json.dumps({"class": "hostile:Model", "libraries": {}}).encode()
    files = {"model.json": _file(workspace, index), "code/hostile.py": _file(workspace, code)}
    versions = {"intonaco-core": "0.1.0", "intonaco-infra": "0.1.0", **honest["environment"]}
    hostile = {**honest, "flavor": "python", "files": files, "environment": versions}
    for manifest, error in (({**hostile, "inert": False}, RefusedError), ({**hostile, "inert": True}, CorruptError)):
        with pytest.raises(error):
            _load(workspace, _keep(workspace, manifest))
    for claim in ("trust_code", "trusted", "inert_override"):
        with pytest.raises(CorruptError):
            _load(workspace, _keep(workspace, {**hostile, "inert": False, claim: True}))
    assert not canary.exists()


def test_a_flavor_is_never_an_import_path(workspace: Workspace, honest: dict[str, Any], canary: Path) -> None:
    for flavor in ("os:system", "builtins:exec", "../python", "pickle", ""):
        with pytest.raises(IntonacoError, match="no flavor named"):
            _load(workspace, _keep(workspace, {**honest, "flavor": flavor}))
    assert not canary.exists()


def test_more_files_than_the_flavor_writes_are_refused(workspace: Workspace, honest: dict[str, Any]) -> None:
    for name in ("setup.py", "intonaco/infra/plugin.py", "model.pkl"):
        digest = _keep(workspace, {**honest, "files": {**honest["files"], name: _file(workspace, b"import os")}})
        with pytest.raises(CorruptError, match="flavor 'lightgbm' writes"):
            _load(workspace, digest)


def test_sizes_are_checked_before_anything_is_read(workspace: Workspace, honest: dict[str, Any]) -> None:
    for size in (-1, 2**62, 9 * 1024**3):
        files = {"model.txt": {**honest["files"]["model.txt"], "size_bytes": size}}
        with pytest.raises(CorruptError):
            _load(workspace, _keep(workspace, {**honest, "files": files}))
    many = {f"f{number}": honest["files"]["model.txt"] for number in range(10_001)}
    with pytest.raises(CorruptError, match="the limit is"):
        _load(workspace, _keep(workspace, {**honest, "files": many}))


def test_a_manifest_larger_than_any_honest_one_is_not_read(workspace: Workspace) -> None:
    digest = hashlib.sha256(b"giant").hexdigest()
    assert isinstance(workspace.blobs, SupportsPath)
    path = workspace.blobs.path(blob_name(digest))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as giant:
        giant.truncate(10 * 1024**3)
    with pytest.raises(CorruptError, match="larger than"):
        packages.load(workspace, digest)


@pytest.mark.parametrize("name", ["../../etc/passwd", "sha256/ab", "", "A" * 64, "x"])
def test_a_digest_that_is_a_path_is_refused(workspace: Workspace, name: str) -> None:
    with pytest.raises(IntonacoError):
        packages.load(workspace, name)
