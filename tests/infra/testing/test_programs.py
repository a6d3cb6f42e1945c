"""Programs of others, started and stopped."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from intonaco.core.errors import UnavailableError
from intonaco.infra.testing.programs import RunningProgram, free_port


def _program(folder: Path, command: str, **more: object) -> RunningProgram:
    return RunningProgram(name="example", command=["/bin/sh", "-c", command], folder=folder, ready=(folder / "ready").exists, **more)  # type: ignore[arg-type]


def _is_alive(pid: int) -> bool:
    """Whether the process runs; one that nobody has waited for yet does not."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_program_runs_from_start_to_stop_with_what_it_was_given(tmp_path: Path) -> None:
    program = _program(tmp_path / "made", "echo $GIVEN; pwd; touch ready; exec sleep 60", environ={"GIVEN": "a word"})
    program.start()
    first = program.pid
    assert program.log.read_text().splitlines() == ["a word", str(tmp_path / "made")]
    program.restart()
    assert program.pid != first
    assert not _is_alive(first)
    second = program.pid
    program.stop()
    program.stop()
    assert not _is_alive(second)
    with pytest.raises(UnavailableError, match="not running"):
        _ = program.pid


def test_a_program_that_ends_before_it_is_ready_shows_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="the port is taken"):
        _program(tmp_path, "echo the port is taken; exit 1").start()


def test_a_program_that_is_never_ready_is_ended(tmp_path: Path) -> None:
    program = _program(tmp_path, "echo $$ > pid; exec sleep 60", timeout_s=0.3)
    with pytest.raises(UnavailableError, match="not ready after"):
        program.start()
    assert not _is_alive(int((tmp_path / "pid").read_text()))


def test_killing_ends_what_it_started_too(tmp_path: Path) -> None:
    program = _program(tmp_path, "sleep 60 & echo $! > child; touch ready; wait")
    program.start()
    program.kill()
    assert not _is_alive(int((tmp_path / "child").read_text()))


def test_a_program_can_hang_and_is_stopped_all_the_same(tmp_path: Path) -> None:
    program = _program(tmp_path, "touch ready; while true; do echo x; sleep 0.01; done")
    program.start()
    program.pause()
    time.sleep(0.05)
    said = program.log.stat().st_size
    time.sleep(0.1)
    assert program.log.stat().st_size == said
    program.resume()
    program.pause()
    program.stop()


_OWNER = """
import sys, time
from pathlib import Path
from intonaco.infra.testing.programs import RunningProgram
program = RunningProgram(name="x", command=["sleep", "60"], folder=Path(sys.argv[1]), ready=lambda: True)
program.start()
print(program.pid, flush=True)
time.sleep(60)
"""


def test_a_program_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", _OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    assert _is_alive(pid)
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait(10)
    owner.stdout.close()
    until = time.monotonic() + 10
    while _is_alive(pid):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_free_port_is_none_that_clients_are_given() -> None:
    least = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(1024 < free_port() < least for _ in range(20))
