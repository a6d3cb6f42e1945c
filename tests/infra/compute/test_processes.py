"""The task engine of this machine, and what is peculiar to it."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from intonaco.core.errors import IntonacoError
from intonaco.infra.compute.frames import Frames, pack
from intonaco.infra.compute.processes import ProcessTaskEngine
from intonaco.infra.compute.tasks import Call, TaskEngine, map_calls
from intonaco.infra.testing.tasks import TaskEngineContract
from intonaco.infra.workspace import Workspace


class TestProcessTaskEngine(TaskEngineContract):
    @pytest.fixture
    def engine(self, workspace: Workspace) -> Iterator[TaskEngine]:
        with ProcessTaskEngine.open(workspace) as engine:
            yield engine


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(tmp_path) as workspace:
        yield workspace


def _echo(value: int) -> Call:
    return Call(function="intonaco.infra.compute.sampletasks:echo", arguments={"value": value})


def test_a_process_serves_many_calls(workspace: Workspace) -> None:
    pids = map_calls(workspace.tasks, [Call(function="intonaco.infra.compute.sampletasks:process") for _ in range(20)])
    assert len(set(pids)) <= 2


def test_no_process_starts_before_the_first_call_nor_stays_after_closing(workspace: Workspace) -> None:
    me = psutil.Process()
    before = {child.pid for child in me.children()}
    engine = workspace.tasks
    assert {child.pid for child in me.children()} == before
    map_calls(engine, [_echo(i) for i in range(4)])
    assert {child.pid for child in me.children()} > before
    workspace.close()
    assert {child.pid for child in me.children()} == before


def test_the_traceback_of_a_foreign_error_is_in_the_log(workspace: Workspace) -> None:
    with pytest.raises(IntonacoError) as caught:
        workspace.tasks.submit(Call(function="intonaco.infra.compute.sampletasks:stumble")).result()
    log = workspace.home / "log" / "workers.log"
    assert str(log) in caught.value.hint
    assert "in stumble" in log.read_text()


def test_workers_find_modules_where_the_driver_does(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_tasks_of_test.py").write_text("def twice(x):\n    return 2 * x\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert workspace.tasks.submit(Call(function="own_tasks_of_test:twice", arguments={"x": 4})).result() == 8


def test_a_worker_that_cannot_start_is_told(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intonaco.infra.compute.workers._MODULE", "intonaco.infra.compute.nothing")
    with pytest.raises(IntonacoError, match="could not start: it exited with code 1"):
        workspace.tasks.submit(_echo(1)).result(timeout_s=20)


def test_frames_are_put_together_from_any_pieces() -> None:
    data = pack({"result": 1}) + pack({"result": b"x" * 1000})
    frames = Frames()
    found = [message for i in range(0, len(data), 7) for message in frames.feed(data[i : i + 7])]
    assert found == [{"result": 1}, {"result": b"x" * 1000}]


def test_the_worker_needs_no_heavy_library() -> None:
    import subprocess

    text = (
        "import sys, intonaco.infra.compute.worker; print(*(m for m in ('numpy', 'pyarrow', 'sqlalchemy', 'psutil') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == []


@pytest.mark.slow
def test_a_call_costs_little(workspace: Workspace) -> None:
    map_calls(workspace.tasks, [_echo(0)] * 2)
    begun = time.monotonic()
    map_calls(workspace.tasks, [_echo(i) for i in range(500)])
    assert time.monotonic() - begun < 5
