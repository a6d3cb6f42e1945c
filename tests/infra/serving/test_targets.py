import time
from collections.abc import Iterator

import numpy as np
import pytest

from intonaco.core.errors import CorruptError, DeadlineError, UnavailableError
from intonaco.infra.compute.tasks import Resources
from intonaco.infra.serving.packages.code import PythonFlavor
from intonaco.infra.serving.packages.package import Package
from intonaco.infra.serving.packages.processes import ProcessTarget
from intonaco.infra.testing.doubling import FAIL, HANG, KILL, build_multiplier
from intonaco.infra.testing.targets import TargetContract
from intonaco.infra.workspace import Workspace

pytest_plugins = ("intonaco.infra.testing.servers",)


def rows(*x: float) -> dict[str, np.ndarray]:
    return {"x": np.array(x), "note": np.array(["a"] * len(x), dtype=object)}


@pytest.mark.slow
class TestProcessTarget(TargetContract):
    @pytest.fixture
    def target(self) -> Iterator[ProcessTarget]:
        target = ProcessTarget(deadline_s=0.5)
        yield target
        target.close()

    @pytest.fixture
    def package(self, served: Workspace) -> Package:
        return build_multiplier(served, flavor=PythonFlavor())

    def test_a_process_that_dies_is_told_and_replaced(self, target: ProcessTarget, package: Package) -> None:
        servable = target.load(package, Resources())
        with pytest.raises(UnavailableError, match="SIGKILL"):
            servable.predict(rows(KILL))
        assert np.asarray(servable.predict(rows(4.0))["y"]).tolist() == [8.0]

    def test_a_process_that_hangs_is_killed_at_the_deadline(self, target: ProcessTarget, package: Package) -> None:
        servable = target.load(package, Resources())
        began = time.monotonic()
        with pytest.raises(DeadlineError):
            servable.predict(rows(HANG))
        assert time.monotonic() - began < 2.0
        assert np.asarray(servable.predict(rows(4.0))["y"]).tolist() == [8.0]

    def test_an_error_in_the_process_is_told_by_its_kind(self, target: ProcessTarget, package: Package) -> None:
        with pytest.raises(CorruptError, match="ArithmeticError"):
            target.load(package, Resources()).predict(rows(FAIL))
