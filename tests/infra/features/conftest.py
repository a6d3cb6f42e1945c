from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from intonaco.infra.features.store import FeatureStore
from intonaco.infra.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path, fresh: Callable[[Path], Path]) -> Iterator[Workspace]:
    with Workspace.open(fresh(tmp_path)) as workspace:
        yield workspace


@pytest.fixture
def store(workspace: Workspace) -> FeatureStore:
    return FeatureStore(workspace)
