import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from intonaco.infra.testing.doubling import offer_doubling
from intonaco.infra.workspace import Workspace


@pytest.fixture
def doubling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The flavor `doubling` is installed, here and in every process that is started."""
    folder = tmp_path / "plugins"
    offer_doubling(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(part for part in (str(folder), os.environ.get("PYTHONPATH", "")) if part))


@pytest.fixture
def served(tmp_path: Path, doubling: None) -> Iterator[Workspace]:
    """A workspace in which packages of the flavor `doubling` can be made."""
    root = tmp_path / "workspace"
    root.mkdir()
    with Workspace.open(root) as workspace:
        yield workspace
