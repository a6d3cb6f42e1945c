"""PROMISES A1, A3 and A5 for blobs and tables in files: killed writers, refused syncs, many writers at once."""

import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from intonaco.infra.storage.blobs import get
from intonaco.infra.storage.delta.delta import DeltaTableStore
from intonaco.infra.storage.files import FileBlobStore

pytestmark = pytest.mark.slow

_WRITER = """
import json, sys
import pyarrow as pa
from intonaco.core.errors import UnavailableError
from intonaco.infra.storage.blobs import put
from intonaco.infra.storage.delta.delta import DeltaTableStore
from intonaco.infra.storage.files import FileBlobStore

folder, writer, commits = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
tables, blobs = DeltaTableStore.open(f"file:{folder}/tables"), FileBlobStore.open(f"file:{folder}/blobs")
print(json.dumps("ready"), flush=True)
sys.stdin.readline()
for turn in range(commits):
    try:
        snapshot = tables.write("default/t", pa.table({"writer": [writer] * 20, "turn": [turn] * 20}))
        print(json.dumps({"version": snapshot.version, "digest": snapshot.digest, "turn": turn}), flush=True)
        print(json.dumps({"blob": put(blobs, b"%d %d " % (writer, turn) * 5000)}), flush=True)
    except UnavailableError as error:
        print(json.dumps({"refused": str(error)}), flush=True)
"""


def _start(folder: Path, writer: int, commits: int, *before: str) -> "subprocess.Popen[str]":
    command = [*before, sys.executable, "-c", _WRITER, str(folder), str(writer), str(commits)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline()) == "ready"
    return process


def _go(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def _said(process: "subprocess.Popen[str]") -> list[dict[str, Any]]:
    """All whole lines that the writer printed before it ended."""
    out, _ = process.communicate(timeout=120)
    return [json.loads(line) for line in out.splitlines(keepends=True) if line.endswith("\n")]


def _check_acknowledged(folder: Path, acknowledged: list[dict[str, Any]]) -> int:
    """Everything acknowledged is there with its digest and nothing is torn; the number of versions."""
    with DeltaTableStore.open(f"file:{folder}/tables") as tables, FileBlobStore.open(f"file:{folder}/blobs") as blobs:
        for each in acknowledged:
            if "version" in each:
                assert tables.snapshot("default/t", each["version"]).digest == each["digest"]
            if "blob" in each:
                get(blobs, each["blob"])
        for name in blobs.names():
            get(blobs, name.rpartition("/")[2])
        if not tables.names():
            return 0
        assert tables.damaged("default/t") == []
        newest = tables.snapshot("default/t")
        assert tables.read(newest).num_rows == newest.rows == 20 * (newest.version + 1)
        return newest.version + 1


def test_a_killed_writer_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    chance = random.Random(7)
    acknowledged: list[dict[str, Any]] = []
    versions = 0
    end = time.monotonic() + 15
    for turn in range(20):
        process = _start(tmp_path, turn, 10_000)
        _go(process)
        time.sleep(chance.uniform(0, 0.06))
        process.kill()
        acknowledged += _said(process)
        after = _check_acknowledged(tmp_path, acknowledged)
        assert after >= versions
        versions = after
        if time.monotonic() > end and turn >= 5:
            break
    with DeltaTableStore.open(f"file:{tmp_path}/tables") as tables:
        assert any("version" in each for each in acknowledged)
        assert tables.write("default/t", tables.read(tables.snapshot("default/t", 0))).version == versions
        tables.expire("default/t", [], older_than_s=-1)
        assert tables.damaged("default/t") == []
        assert isinstance(tables.blobs, FileBlobStore)
        for leftover in tables.blobs.leftovers(-1):
            tables.blobs.remove_leftover(leftover)
        assert tables.blobs.leftovers(-1) == []


_BATCHES = """
import itertools, sys
import pyarrow as pa
from intonaco.infra.storage.delta import delta

delta.ROWS_PER_PART = 1000
with delta.DeltaTableStore.open(f"file:{sys.argv[1]}") as tables:
    tables.write("default/t", (pa.table({"n": range(turn, turn + 400)}) for turn in itertools.count(0, 400)))
"""


def test_batches_of_a_killed_writer_are_never_seen_and_are_collected(tmp_path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", _BATCHES, str(tmp_path)], stdin=subprocess.DEVNULL)
    with DeltaTableStore.open(f"file:{tmp_path}") as tables:
        end = time.monotonic() + 60
        while sum(name.startswith("default/t/part-") for name in tables.blobs.names()) < 3 and time.monotonic() < end:
            time.sleep(0.005)
        writer.kill()
        writer.wait(10)
        assert tables.names() == []
        left = tables.leftovers(-60)
        assert len(left) >= 3
        for leftover in left:
            tables.remove_leftover(leftover)
        assert (tables.leftovers(-60), list(tables.blobs.names())) == ([], [])
        assert tables.write("default/t", iter([pa.table({"n": [1]})])).version == 0


def _strace() -> list[str]:
    strace = shutil.which("strace")
    if strace is None or subprocess.run([strace, "-f", "-o", "/dev/null", "true"], capture_output=True, timeout=60, check=False).returncode:
        pytest.skip("strace is missing or may not trace here")
    return [strace, "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync"]


@pytest.mark.parametrize("when", ["1+", "2+3", "3+5", "4+4", "7+7"])
def test_a_refused_sync_is_never_acknowledged(tmp_path: Path, when: str) -> None:
    process = _start(tmp_path, 0, 20, *_strace(), "-e", "inject=fsync:error=EIO:when=1000+")
    _go(process)
    assert not any("refused" in each for each in _said(process))  # so that the folders are there
    process = _start(tmp_path, 1, 30, *_strace(), "-e", f"inject=fsync:error=EIO:when={when}")
    _go(process)
    said = _said(process)
    refused = [each["refused"] for each in said if "refused" in each]
    acknowledged = [each for each in said if "version" in each]
    assert refused
    assert all(str(tmp_path) in each and "Input/output error" in each for each in refused)
    assert _check_acknowledged(tmp_path, said) == 20 + len(acknowledged)
    if when == "1+":
        assert not acknowledged


def test_eight_processes_lose_no_commit(tmp_path: Path) -> None:
    processes = [_start(tmp_path, writer, 50) for writer in range(8)]
    started = time.monotonic()
    for process in processes:
        _go(process)
    said = [_said(process) for process in processes]
    seconds = time.monotonic() - started
    versions = [each["version"] for lines in said for each in lines if "version" in each]
    assert sorted(versions) == list(range(400))
    assert _check_acknowledged(tmp_path, [each for lines in said for each in lines]) == 400
    with DeltaTableStore.open(f"file:{tmp_path}/tables") as tables:
        rows = tables.read(tables.snapshot("default/t"))
        assert rows.group_by(["writer", "turn"]).aggregate([([], "count_all")])["count_all"].to_pylist() == [20] * 400
    assert seconds < 60
