"""Row A8 of the promises: a holder of a lease that stalls and comes back, on every database of a catalog."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from intonaco.core.errors import ConflictError
from intonaco.infra.storage.catalog.catalog import Catalog
from intonaco.infra.storage.catalog.leases import Lease, Leases

pytest_plugins = ("intonaco.ext.postgres.testing",)
pytestmark = pytest.mark.slow


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new catalog can be made."""
    return f"sqlite:{tmp_path}/catalog.db" if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


_HOLDING = """
import sys
from intonaco.core.errors import IntonacoError
from intonaco.infra.storage.catalog.catalog import Catalog
from intonaco.infra.storage.catalog.leases import Leases
with Catalog.open(sys.argv[1]) as catalog:
    leases = Leases(catalog)
    lease = leases.take("batch", "stalled", 1)
    print("taken", flush=True)
    sys.stdin.readline()
    try:
        with catalog.transaction() as connection:
            leases.check(connection, lease)
            catalog.record_change(connection, "t", "stalled")
    except IntonacoError as error:
        print(type(error).__name__, flush=True)
"""


def _taken(leases: Leases) -> Lease:
    while True:
        try:
            return leases.take("batch", "next", 10)
        except ConflictError:
            time.sleep(0.02)


def test_a_holder_that_stalls_and_comes_back_commits_nothing(url: str) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", _HOLDING, url], text=True, **pipes)  # type: ignore[call-overload]
    assert process.stdout.readline() == "taken\n"
    os.kill(process.pid, signal.SIGSTOP)
    with Catalog.open(url) as catalog:
        leases, begun = Leases(catalog), time.monotonic()
        lease = _taken(leases)
        assert time.monotonic() - begun < 2
        os.kill(process.pid, signal.SIGCONT)
        out, _ = process.communicate("go\n", timeout=30)
        assert out == "ConflictError\n"
        with catalog.transaction() as connection:
            leases.check(connection, lease)
        assert catalog.changes("t") == []
