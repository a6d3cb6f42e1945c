"""What holds for all tests.

No example of a property is too slow on a busy machine. On CI, the examples are the same in each run, and a test may be skipped
only for a reason that is listed here.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from intonaco.infra.workspace import Workspace

# Before anything imports them, such as the search for examples in docstrings.
pytest.register_assert_rewrite("intonaco.ext.postgres.testing", "intonaco.ext.redis.testing", "intonaco.ext.s3.testing")

settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=bool(os.environ.get("CI")))
settings.register_profile("quick", settings.get_profile("ours"), max_examples=25)
settings.load_profile("ours")

#: What the conformance kit says of abilities that a store may have and this one has not.
ALLOWED_SKIPS: tuple[str, ...] = (
    "this store keeps no deadlines",
    "this store reads whole blobs alone",
    "this store changes nothing in one turn",
    "this store says that it is not durable",
)
_skipped: list[str] = []


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Makes of a folder one whose workspace has an empty catalog, a copy: making one takes longer than most tests."""
    made = tmp_path_factory.mktemp("fresh")
    with Workspace.open(made) as workspace, workspace.catalog.read():
        pass

    def copy(folder: Path) -> Path:
        shutil.copytree(made / ".intonaco", folder / ".intonaco")
        return folder

    return copy


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _note(report.nodeid, report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    _note(report.nodeid, report)


def _note(name: str, report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = str(report.longrepr[2]) if report.skipped and isinstance(report.longrepr, tuple) else ""
    if reason and not any(allowed in reason for allowed in ALLOWED_SKIPS):
        _skipped.append(f"{name}: {reason}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get("CI") and _skipped and not hasattr(session.config, "workerinput"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if os.environ.get("CI") and _skipped:
        terminalreporter.section("skipped, which CI does not allow", red=True)
        for line in _skipped:
            terminalreporter.line(line)
