"""Drivers and workers that die: nothing outlives them, nothing waits for ever (row C1)."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from intonaco.core.errors import IntonacoError
from intonaco.infra.compute.tasks import Call, Resources
from intonaco.infra.workspace import Workspace

pytestmark = pytest.mark.slow

_SAMPLES = "intonaco.infra.compute.sampletasks"
_DRIVER = """
import sys
from intonaco.infra.compute.tasks import Call
from intonaco.infra.workspace import Workspace
engine = Workspace.open(sys.argv[1]).tasks
pids = [engine.submit(Call(function="intonaco.infra.compute.sampletasks:process")).result()]
arguments = {"seconds": 600} if sys.argv[2] == "hold" else {}
ticket = engine.submit(Call(function="intonaco.infra.compute.sampletasks:" + sys.argv[2], arguments=arguments))
print(*pids, flush=True)
ticket.result()
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(tmp_path) as workspace:
        yield workspace


@pytest.mark.parametrize("task", ["spin", "hold"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_its_driver(tmp_path: Path, task: str, number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _DRIVER, str(tmp_path), task], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as driver:
        assert driver.stdout is not None
        worker = psutil.Process(int(driver.stdout.readline()))
        time.sleep(0.2)
        driver.send_signal(number)
        driver.wait(timeout=20)
    _wait_until_gone(worker)


def test_every_way_to_die_is_told_within_five_seconds_and_leaves_no_zombie(workspace: Workspace) -> None:
    ways = {
        "crash": ("SIGSEGV", Call(function=f"{_SAMPLES}:crash")),
        "leave": ("exited with code 3", Call(function=f"{_SAMPLES}:leave", arguments={"code": 3})),
        "spin": ("longer than 1 s", Call(function=f"{_SAMPLES}:spin", timeout_s=1.0)),
        "hoard": ("memory", Call(function=f"{_SAMPLES}:hoard", resources=Resources(memory_mb=300))),
    }
    sibling = workspace.tasks.submit(Call(function=f"{_SAMPLES}:rest", arguments={"seconds": 8.0}))
    for reason, call in ways.values():
        begun = time.monotonic()
        with pytest.raises(IntonacoError, match=reason):
            workspace.tasks.submit(call).result(timeout_s=30)
        assert time.monotonic() - begun < 5
    assert sibling.result() == 8.0
    assert not [child for child in psutil.Process().children() if child.status() == psutil.STATUS_ZOMBIE]


def test_workers_killed_from_outside_are_replaced(workspace: Workspace) -> None:
    for _ in range(10):
        pid = workspace.tasks.submit(Call(function=f"{_SAMPLES}:process", retries=1)).result()
        os.kill(pid, signal.SIGKILL)
    assert workspace.tasks.submit(Call(function=f"{_SAMPLES}:echo", arguments={"value": 1}, retries=1)).result() == 1


def _wait_until_gone(process: psutil.Process) -> None:
    deadline = time.monotonic() + 5
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the worker goes on"
        time.sleep(0.02)
