from collections.abc import Iterator
from pathlib import Path

import pytest

from intonaco.infra.features.store import FeatureStore
from intonaco.infra.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(tmp_path) as workspace:
        yield workspace


@pytest.fixture
def store(workspace: Workspace) -> FeatureStore:
    return FeatureStore(workspace)
