"""Rows A1, A3, A5, A7 and A10 of the promises, for the key-value store, the stream and the catalog on this machine."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

KINDS = ["lmdb", "stream", "catalog"]
_COMMITTER = [sys.executable, str(Path(__file__).with_name("committer.py"))]


def _start(*arguments: object, before: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
    command = [*before, *_COMMITTER, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _finish(process: "subprocess.Popen[str]") -> list[int]:
    """What was acknowledged."""
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    return [int(line) for line in out.split()]


def _rows(kind: str, folder: Path) -> list[tuple[int, int, int]]:
    process = _start("read", kind, folder)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return [tuple(row) for row in json.loads(out)]


def _pairs(rows: list[tuple[int, int, int]], writer: int) -> list[int]:
    """The numbers of a writer, each of whose halves is there exactly once."""
    counts = Counter(rows)
    assert set(counts.values()) <= {1}
    numbers = sorted({number for each, number, _ in rows if each == writer})
    assert all(counts[writer, number, half] == 1 for number in numbers for half in (0, 1))
    return numbers


@pytest.mark.parametrize("kind", KINDS)
def test_a_writer_that_is_killed_loses_nothing_it_acknowledged(kind: str, tmp_path: Path) -> None:
    chosen = random.Random(kind)
    until = time.monotonic() + 8
    for writer in range(8):
        process = _start("write", kind, tmp_path, writer, 10**6)
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(chosen.uniform(0, 0.3))
        process.kill()
        rest = process.stdout.read()  # not communicate(), which forgets what was read ahead with the first line
        assert _finish(process) == []
        acknowledged = [int(line) for line in (first + rest).split()]
        stored = _pairs(_rows(kind, tmp_path), writer)
        assert stored == list(range(len(stored)))
        assert len(acknowledged) <= len(stored) <= len(acknowledged) + 1
        if time.monotonic() > until:
            break


@pytest.mark.parametrize("kind", KINDS)
def test_eight_writers_at_once_lose_no_commit(kind: str, tmp_path: Path) -> None:
    writers = [_start("write", kind, tmp_path, writer, 50) for writer in range(8)]
    acknowledged = [_finish(process) for process in writers]
    assert acknowledged == [list(range(50))] * 8
    rows = _rows(kind, tmp_path)
    assert [_pairs(rows, writer) for writer in range(8)] == acknowledged


@pytest.mark.parametrize("kind", KINDS)
def test_eight_processes_can_start_first(kind: str, tmp_path: Path) -> None:
    for attempt in range(2):
        processes = [_start("open", kind, tmp_path / str(attempt)) for _ in range(8)]
        assert [(process.communicate(timeout=120)[1], process.returncode) for process in processes] == [("", 0)] * 8


@pytest.mark.parametrize("kind", KINDS)
def test_a_process_killed_while_it_makes_the_store_leaves_one_that_opens(kind: str, tmp_path: Path) -> None:
    chosen = random.Random(kind)
    for attempt in range(5):
        process = _start("open", kind, tmp_path / str(attempt))
        time.sleep(chosen.uniform(0.05, 0.6))
        process.kill()
        process.communicate(timeout=60)
        assert _rows(kind, tmp_path / str(attempt)) == []


def _filled(kind: str, folder: Path, *, close: bool) -> None:
    process = _start("write", kind, folder, 0, 50 if close else 10**6)
    assert process.stdout is not None
    if not close:
        while process.stdout.readline().strip() != "49":
            pass
        process.kill()
    process.communicate(timeout=120)


@pytest.mark.parametrize("close", [True, False], ids=["closed", "killed"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_never_changes_an_answer_silently(kind: str, close: bool, tmp_path: Path) -> None:
    chosen = random.Random(f"{kind}{close}")
    whole = tmp_path / "whole"
    _filled(kind, whole, close=close)
    files = [path for path in whole.rglob("*") if path.is_file() and path.stat().st_size > 0 and "lock" not in path.name]
    for number in range(9):
        copy = tmp_path / str(number)
        shutil.copytree(whole, copy)
        _flip(copy / files[number % len(files)].relative_to(whole), chosen)
        process = _start("read", kind, copy)
        out, err = process.communicate(timeout=120)
        if process.returncode == 0:
            assert _pairs([tuple(row) for row in json.loads(out)], 0)[:50] == list(range(50))
        else:
            assert "CorruptError" in err, err
            assert str(copy) in err


def _flip(path: Path, chosen: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[chosen.randrange(len(data))] ^= 1 << chosen.randrange(8)
    path.write_bytes(data)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sync_that_fails_is_never_acknowledged(kind: str, tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None or subprocess.run([strace, "-o", os.devnull, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("strace is missing or may not trace")
    _finish(_start("write", kind, tmp_path, 0, 3))
    for number in range(1, 5):
        fault = ("-f", "-o", os.devnull, "-e", f"inject=fsync,fdatasync,sync_file_range:error=EIO:when={number}+")
        process = _start("write", kind, tmp_path, number, 20, before=(strace, *fault))
        acknowledged = _finish(process)
        assert process.returncode != 0
        assert _pairs(_rows(kind, tmp_path), number)[: len(acknowledged)] == acknowledged
        assert len(acknowledged) < number
    assert _finish(_start("write", kind, tmp_path, 9, 3)) == [0, 1, 2]


_FULL = """
filler=$1/filler; shift
"$@" write $KIND $FOLDER 0 3 > /dev/null || exit 10
head -c 100m /dev/zero > $filler 2> /dev/null
truncate -s -$FREE $filler
"$@" write $KIND $FOLDER 1 1000000 > $ACKNOWLEDGED && exit 11
rm $filler
cat $ACKNOWLEDGED
"$@" write $KIND $FOLDER 2 3 > /dev/null || exit 12
"$@" read $KIND $FOLDER
"""


@pytest.mark.parametrize("free", ["0", "200K"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_is_told_in_one_line_and_keeps_what_was_acknowledged(kind: str, free: str, tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    (tmp_path / "disk").mkdir()
    mount = f"mount -t tmpfs -o size=2m tmpfs {tmp_path}/disk"
    if unshare is None or subprocess.run([unshare, "-m", "sh", "-c", mount], capture_output=True, check=False).returncode != 0:
        pytest.skip("unshare is missing or may not mount here")
    given = {"KIND": kind, "FREE": free, "FOLDER": str(tmp_path / "disk/store"), "ACKNOWLEDGED": str(tmp_path / "acknowledged")}
    command = [unshare, "-m", "sh", "-c", f"{mount}\n{_FULL}", "sh", str(tmp_path / "disk"), *_COMMITTER]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, **given}, check=False)
    assert done.returncode == 0, done.stderr
    *acknowledged, rows = done.stdout.splitlines()
    stored = [tuple(row) for row in json.loads(rows)]
    assert _pairs(stored, 1)[: len(acknowledged)] == [int(line) for line in acknowledged]
    assert (_pairs(stored, 0), _pairs(stored, 2)) == ([0, 1, 2], [0, 1, 2])
    assert re.fullmatch(rf"UnavailableError: .*{tmp_path}.*no space.*\n", done.stderr, re.IGNORECASE)
