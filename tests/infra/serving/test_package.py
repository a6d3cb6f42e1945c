import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intonaco.core.columns import Masked
from intonaco.core.errors import CorruptError, DefinitionError, InvalidError, RefusedError
from intonaco.core.schema import Field, Schema
from intonaco.infra.lineage.artifacts import Artifacts
from intonaco.infra.serving.packages import packages
from intonaco.infra.serving.packages.keeping import keep_package, read_manifest, read_package
from intonaco.infra.serving.packages.loading import load_servable
from intonaco.infra.serving.packages.package import Manifest, Package
from intonaco.infra.serving.packages.proof import prove, scoring_fault
from intonaco.infra.serving.packages.rows import columns_from_json, columns_to_json, same_rows
from intonaco.infra.serving.packages.servable import Signature
from intonaco.infra.workspace import Workspace

_SIGNATURE = Signature(inputs=Schema.of(a="float64?", b="int64"), outputs=Schema.of(y="float64"))


def _rows(count: int = 100) -> dict[str, Any]:
    random = np.random.default_rng(1)
    return {"a": random.normal(size=count), "b": random.integers(0, 9, count)}


@pytest.fixture(scope="module")
def model() -> lightgbm.Booster:
    rows = _rows()
    data = lightgbm.Dataset(np.column_stack([rows["a"], rows["b"]]), rows["a"] * 2 + rows["b"])
    return lightgbm.train({"verbosity": -1, "min_data_in_leaf": 5, "num_threads": 1, "deterministic": True}, data, 5)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(tmp_path) as workspace:
        yield workspace


@pytest.fixture
def package(workspace: Workspace, model: lightgbm.Booster, monkeypatch: pytest.MonkeyPatch) -> Package:
    monkeypatch.setattr(packages, "prove", lambda *_: None)
    return packages.build(workspace, model, _SIGNATURE, samples=_rows())


def test_a_package_is_read_as_it_was_built(workspace: Workspace, package: Package) -> None:
    read = packages.load(workspace, package.digest)
    assert (read, read.manifest, dict(read.files)) == (package, package.manifest, dict(package.files))
    assert read.signature == _SIGNATURE
    assert len(read.samples["a"]) == packages.SAMPLE_ROWS
    assert scoring_fault(read, load_servable(read, workspace.plugins)) == ""


def test_the_same_model_makes_the_same_package_and_another_plan_another(
    workspace: Workspace, package: Package, model: lightgbm.Booster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "prove", lambda *_: None)
    assert packages.build(workspace, model, _SIGNATURE, samples=_rows()).digest == package.digest
    assert packages.build(workspace, model, _SIGNATURE, samples=_rows(), plan={"views": []}).digest != package.digest


def test_a_package_is_an_artifact_of_its_own_digest(workspace: Workspace, package: Package) -> None:
    artifact = Artifacts(workspace).save(package)
    assert (artifact.digest, artifact.kind) == (package.digest, "package")
    assert Artifacts(workspace).load(artifact) == package.manifest


def test_samples_that_do_not_fit_the_signature_are_refused(workspace: Workspace, model: lightgbm.Booster) -> None:
    with pytest.raises(InvalidError, match="'b'"):
        packages.build(workspace, model, _SIGNATURE, samples={**_rows(), "b": np.array([1.5] * 100)})
    with pytest.raises(InvalidError, match="at least one sample row"):
        packages.build(workspace, model, _SIGNATURE, samples=_rows(0))


def test_a_model_without_a_flavor_is_refused_with_what_to_do(workspace: Workspace) -> None:
    with pytest.raises(DefinitionError, match=r"no flavor saves a builtins\.dict.*PythonModel"):
        packages.build(workspace, {}, _SIGNATURE, samples=_rows())


@pytest.mark.slow
def test_a_package_whose_scores_do_not_come_out_is_not_accepted(workspace: Workspace, package: Package) -> None:
    scores = {"y": [value + 1e-9 for value in package.manifest.scores["y"]]}
    forged = Package.of(Manifest(**{**_fields(package.manifest), "scores": scores}), package.files)
    keep_package(workspace.blobs, forged)
    with pytest.raises(RefusedError, match="output 'y' differs from the one recorded"):
        prove(workspace, forged)
    prove(workspace, package)


def _fields(manifest: Manifest) -> dict[str, Any]:
    return {name: getattr(manifest, name) for name in Manifest.__struct_fields__}


def _changed(package: Package, **changes: Any) -> bytes:
    return json.dumps({**json.loads(package.manifest.encode()), **changes}, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cannot be read"),
        (b"[]", "cannot be read"),
        (b'{"format":1}', "cannot be read"),
        (b'{"format":2}', "format 2; this version reads format 1"),
        (b"[" * 100_000, "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_what_is_no_manifest_is_corrupt(data: bytes, message: str) -> None:
    with pytest.raises(CorruptError, match=message):
        Manifest.decode(data)


def test_a_manifest_with_an_unknown_a_doubled_or_a_spaced_key_is_corrupt(package: Package) -> None:
    data = package.manifest.encode()
    assert Manifest.decode(data) == package.manifest
    for forged in (_changed(package, extra=1), data.replace(b'"format":1', b'"format":1,"format":1'), data.replace(b":", b": ", 1)):
        with pytest.raises(CorruptError):
            Manifest.decode(forged)


def test_a_file_that_is_not_the_one_named_is_corrupt(workspace: Workspace, package: Package) -> None:
    with pytest.raises(CorruptError, match="is not the one that its manifest names"):
        Package.of(package.manifest, {"model.txt": b"tree\nanother"})
    with pytest.raises(CorruptError, match="names the files"):
        Package.of(package.manifest, {})
    with pytest.raises(CorruptError):
        read_manifest(workspace.blobs, package.manifest.files["model.txt"].sha256)
    assert read_package(workspace.blobs, package.digest) == package


_VALUES = {
    "float64": st.floats(allow_nan=False),
    "float32": st.floats(width=32, allow_nan=False),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "bool": st.booleans(),
    "str": st.text(st.characters(codec="utf-8")),
    "bytes": st.binary(),
    "timestamp": st.integers(-(2**62), 2**62),
}


@given(st.data())
def test_rows_come_back_equal_to_the_bit(data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(sorted(_VALUES)))
    values = data.draw(st.lists(_VALUES[dtype], max_size=6))
    missing = np.array(data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))), dtype=np.bool_)
    array = np.empty(len(values), dtype="object" if dtype in ("str", "bytes") else "int64" if dtype == "timestamp" else dtype)
    array[:] = values
    array = array.astype("datetime64[us]") if dtype == "timestamp" else array
    nullable = bool(missing.any())
    column = Masked(array, missing) if nullable and not dtype.startswith("float") else array
    schema = Schema((Field("x", dtype, nullable=nullable),))
    stored = json.loads(json.dumps(columns_to_json({"x": column}, schema), allow_nan=False))
    read = columns_from_json(stored, schema)
    assert same_rows({"x": column}, read, schema, 0.0) == ""
