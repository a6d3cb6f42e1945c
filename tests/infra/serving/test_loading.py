import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from intonaco.core.columns import Columns
from intonaco.core.errors import CorruptError, NotRegisteredError, RefusedError, SchemaError
from intonaco.core.schema import Field, Schema
from intonaco.infra.compute.tasks import Resources
from intonaco.infra.serving.packages import packages
from intonaco.infra.serving.packages.code import PythonFlavor
from intonaco.infra.serving.packages.loading import load_in_own_process, load_servable
from intonaco.infra.serving.packages.package import Manifest, Package
from intonaco.infra.serving.packages.servable import Servable, Signature
from intonaco.infra.serving.packages.target import Target
from intonaco.infra.workspace import Workspace

sys.path.insert(0, str(Path(__file__).parent))
scaling: Any = import_module("scaling")

_SIGNATURE = Signature(inputs=Schema.of(x="float64"), outputs=Schema.of(y="float64"))
_ROWS: Columns = {"x": np.array([1.0, 2.0])}


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(tmp_path) as workspace:
        yield workspace


@pytest.fixture
def package(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Package:
    monkeypatch.setattr(packages, "prove", lambda *_: None)
    return packages.build(workspace, scaling.Scaling(3.0), _SIGNATURE, samples=_ROWS)


def _with(package: Package, **changes: Any) -> Package:
    fields = {name: getattr(package.manifest, name) for name in Manifest.__struct_fields__}
    return Package.of(Manifest(**{**fields, **changes}), package.files)


class _Elsewhere(Target):
    def __init__(self) -> None:
        self.loaded: list[str] = []

    def load(self, package: Package, resources: Resources) -> Servable:
        self.loaded.append(package.digest)
        return load_in_own_process(package, Workspace.open(Path.cwd()).plugins)

    def close(self) -> None:
        pass


def test_a_package_with_code_is_refused_unless_code_is_trusted(workspace: Workspace, package: Package) -> None:
    with pytest.raises(RefusedError, match=r"holds code.*trust_code = true"):
        load_servable(package, workspace.plugins)


def test_trusted_code_is_loaded_by_a_target_alone(workspace: Workspace, package: Package) -> None:
    with pytest.raises(RefusedError, match="only by a process of its own"):
        load_servable(package, workspace.plugins, trust_code=True)
    target = _Elsewhere()
    servable = load_servable(package, workspace.plugins, trust_code=True, target=target)
    np.testing.assert_array_equal(np.asarray(servable.predict(_ROWS)["y"]), [3.0, 6.0])
    assert target.loaded == [package.digest]


def test_a_package_with_code_holds_the_module_and_what_it_imports_of_the_project(package: Package) -> None:
    assert sorted(package.files) == ["code/factors.py", "code/scaling.py", "model.json", "state/factor"]
    assert (package.manifest.flavor, package.manifest.inert) == ("python", False)


def test_packed_code_is_loaded_where_the_project_is_not(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("scaling", "factors"):
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(Path(__file__).parent)])
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    servable: Any = PythonFlavor().load(package.files, _SIGNATURE)
    assert type(servable.model) is not scaling.Scaling
    np.testing.assert_array_equal(servable.predict(_ROWS)["y"], [3.0, 6.0])


def test_equal_states_make_equal_packages(workspace: Workspace, package: Package) -> None:
    assert packages.build(workspace, scaling.Scaling(3.0), _SIGNATURE, samples=_ROWS) == package
    assert packages.build(workspace, scaling.Scaling(4.0), _SIGNATURE, samples=_ROWS) != package


@pytest.mark.slow
def test_a_package_with_code_is_proved_in_a_clean_process(workspace: Workspace) -> None:
    assert packages.build(workspace, scaling.Scaling(3.0), _SIGNATURE, samples=_ROWS).manifest.scores == {"y": [3.0, 6.0]}


def test_a_package_that_lies_about_what_it_holds_is_corrupt(workspace: Workspace, package: Package) -> None:
    with pytest.raises(CorruptError, match="says inert = True"):
        load_servable(_with(package, inert=True), workspace.plugins, trust_code=True)


def test_a_flavor_that_no_plugin_offers_is_named_with_those_that_there_are(workspace: Workspace, package: Package) -> None:
    with pytest.raises(NotRegisteredError, match=r"no flavor named 'pickle'; registered: .*lightgbm, python, sklearn"):
        load_servable(_with(package, flavor="pickle", inert=True), workspace.plugins)


@pytest.mark.parametrize(("change", "refused"), [("patch", False), ("minor", True), ("major", True)])
def test_another_patch_is_quiet_and_another_minor_version_refused(
    workspace: Workspace, package: Package, change: str, refused: bool
) -> None:
    major, minor, patch = (int(part) for part in package.manifest.environment["python"].split("."))
    other = {"patch": (major, minor, patch + 1), "minor": (major, minor + 1, 0), "major": (major + 1, minor, 0)}[change]
    environment: Mapping[str, str] = {**package.manifest.environment, "python": ".".join(map(str, other))}
    changed = _with(package, environment=environment)
    if refused:
        with pytest.raises(RefusedError, match="was made with python"):
            load_in_own_process(changed, workspace.plugins)
    else:
        load_in_own_process(changed, workspace.plugins)
    with pytest.raises(CorruptError, match="locks no version of"):
        load_in_own_process(_with(package, environment={}), workspace.plugins)


_CATEGORIES = Schema((Field("known", "str", categories=("a", "b")), Field("open", "str", nullable=True, categories=("a", "b"))))


def test_an_unknown_category_is_missing_where_it_may_be_and_refused_elsewhere() -> None:
    signature = Signature(inputs=_CATEGORIES, outputs=Schema.of(y="float64"))
    column = np.array(["a", "z"], dtype=object)
    settled: Any = signature.settle({"known": np.array(["a", "b"], dtype=object), "open": column})
    assert settled["open"].missing.tolist() == [False, True]
    assert list(settled) == ["known", "open"]
    with pytest.raises(SchemaError, match=r"'known' holds 'z' in row 1") as caught:
        signature.settle({"known": column, "open": column})
    assert caught.value.field == "known"


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        ({"known": np.array(["a"], dtype=object)}, "open"),
        ({"known": np.array(["a"], dtype=object), "open": np.array(["a"], dtype=object), "more": np.array([1])}, "more"),
        ({"known": np.array([1], dtype=object), "open": np.array(["a"], dtype=object)}, "known"),
        ({"known": np.array([1.0]), "open": np.array(["a"], dtype=object)}, "known"),
        ({"known": np.array([["a"]], dtype=object), "open": np.array(["a"], dtype=object)}, "known"),
    ],
)
def test_columns_that_differ_from_the_signature_are_refused_by_name(columns: Columns, field: str) -> None:
    with pytest.raises(SchemaError) as caught:
        Signature(inputs=_CATEGORIES, outputs=Schema.of(y="float64")).settle(columns)
    assert caught.value.field == field
