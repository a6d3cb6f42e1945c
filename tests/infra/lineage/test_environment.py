from importlib import metadata
from pathlib import Path

import pytest

from intonaco.core.errors import ConflictError, IntonacoError, MissingError
from intonaco.infra.compute.tasks import Call
from intonaco.infra.lineage.code.environment import environment, lock, python_version, versions
from intonaco.infra.lineage.runs.worksite import workspace_of_task
from intonaco.infra.workspace import Workspace


def test_the_lock_names_every_distribution_with_its_version() -> None:
    assert f"attrs=={metadata.version('attrs')}" in lock()
    assert f"intonaco-infra=={metadata.version('intonaco-infra')}" in lock()
    assert list(lock()) == sorted(lock(), key=str.lower)


def test_a_library_is_found_by_its_distribution_and_by_its_module() -> None:
    found = versions(("attrs", "sklearn", "no_such_library"))
    assert found == {"attrs": metadata.version("attrs"), "scikit-learn": metadata.version("scikit-learn"), "no_such_library": ""}


def test_the_environment_is_plain_and_names_the_interpreter() -> None:
    assert environment()["python"].startswith(python_version())


def _root() -> Call:
    return Call(function="intonaco.infra.lineage.runs.worksite:workspace_of_task")


def test_a_task_has_the_workspace_of_its_driver(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site_m.py").write_text(
        "from intonaco.infra.lineage.runs.worksite import workspace_of_task\ndef root():\n    return str(workspace_of_task().root)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert workspace.tasks.submit(Call(function="site_m:root")).result() == str(workspace.root)


def test_a_task_whose_workspace_is_another_is_refused(tmp_path: Path) -> None:
    with Workspace.open(tmp_path, overrides={"stores.keyvalue": "lmdb:elsewhere"}) as workspace, pytest.raises(IntonacoError) as caught:
        workspace.tasks.submit(_root()).result()
    assert isinstance(caught.value, ConflictError)
    assert "other plugins or stores" in caught.value.message


def test_outside_a_task_there_is_no_such_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INTONACO_MANIFEST", raising=False)
    with pytest.raises(MissingError, match="no task engine"):
        workspace_of_task()
