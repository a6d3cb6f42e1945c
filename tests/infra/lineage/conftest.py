import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from intonaco.infra.lineage.runs.runs import Runs
from intonaco.infra.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path, fresh: Callable[[Path], Path]) -> Iterator[Workspace]:
    (tmp_path / "work").mkdir()
    with Workspace.open(fresh(tmp_path / "work")) as workspace:
        yield workspace


@pytest.fixture
def runs(workspace: Workspace) -> Runs:
    return Runs(workspace)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ModuleType]]:
    """Write modules, given as `name=text`, and import the first, all of them anew."""
    folder = tmp_path / "code"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    known: set[str] = set()

    def write(**modules: str) -> ModuleType:
        for name, text in modules.items():
            (folder / f"{name}.py").write_text(text)
        known.update(modules)
        for name in known:
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return importlib.import_module(next(iter(modules)))

    yield write
    for name in known:
        sys.modules.pop(name, None)
