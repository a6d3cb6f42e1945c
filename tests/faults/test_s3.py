"""PROMISES A1, A4, A5, A7 and A9 for blobs and tables on S3: killed writers, a server that dies or hangs, damage, many at once."""

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from intonaco.core.errors import CorruptError, IntonacoError, MissingError, UnavailableError
from intonaco.ext.s3.blobs import S3BlobStore
from intonaco.ext.s3.local import LocalS3
from intonaco.ext.s3.proxy import Proxy
from intonaco.ext.s3.tables import S3TableStore
from intonaco.infra.lineage.upkeep.collect import collect
from intonaco.infra.storage.blobs import blob_name, get, put
from intonaco.infra.workspace import Workspace

pytest_plugins = ("intonaco.ext.s3.testing",)
pytestmark = pytest.mark.slow

_UPLOADER = """
import sys
from intonaco.ext.s3.blobs import S3BlobStore

with S3BlobStore.open(sys.argv[1]) as store:
    store.create("large", bytes(24 * 1024 * 1024))
"""
_COMMITTER = """
import sys
import pyarrow as pa
from intonaco.ext.s3.tables import S3TableStore

url, writer, commits = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with S3TableStore.open(url) as store:
    sys.stdin.readline()
    for turn in range(commits):
        version = store.write("default/t", pa.table({"writer": [writer] * 20, "turn": [turn] * 20})).version
        print(version, writer, turn, flush=True)
"""


def _started(code: str, *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("killed", [True, False])
def test_of_an_upload_that_breaks_off_nothing_is_seen(s3: str, s3_server: LocalS3, monkeypatch: pytest.MonkeyPatch, killed: bool) -> None:
    sending, go_on = threading.Event(), threading.Event()

    def seen(method: str, path: str) -> None:
        if path.endswith("/large"):
            sending.set()
            go_on.wait(30)

    with Proxy(environ=s3_server.environ, seen=seen) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.through["AWS_ENDPOINT_URL"])
        writer = _started(_UPLOADER, s3)
        assert sending.wait(30)
        time.sleep(0.5)  # its sockets are full by now
        if killed:
            writer.kill()
            writer.communicate(timeout=30)
        go_on.set()
        writer.communicate(timeout=30)
        time.sleep(0.5)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.environ["AWS_ENDPOINT_URL"])
    with S3BlobStore.open(s3) as store:
        assert list(store.names()) == ([] if killed else ["large"])
        if killed:
            with pytest.raises(MissingError):
                store.read("large")
            store.create("large", bytes(24 * 1024 * 1024))
        assert store.read("large") == bytes(24 * 1024 * 1024)
        assert store.leftovers(-60) == []


def _begin(url: str, name: str) -> None:
    """What a writer of parts leaves that is killed after the first."""
    with S3BlobStore.open(url) as store:
        where = {"Bucket": store.connection.place.bucket, "Key": store.connection.place.key(name)}
        upload = store.connection.ask("", lambda client: client.create_multipart_upload(**where))["UploadId"]
        store.connection.ask("", lambda client: client.upload_part(**where, UploadId=upload, PartNumber=1, Body=b"half"))


def test_gc_takes_the_parts_of_uploads_that_never_ended(s3: str, tmp_path: Path) -> None:
    _begin(f"{s3}/blobs", "half")
    _begin(f"{s3}/tables", "default/t/half.parquet")
    with Workspace.open(tmp_path, overrides={"stores.blobs": f"{s3}/blobs", "stores.tables": f"{s3}/tables"}) as workspace:
        assert collect(workspace).removals == ()
        gone = collect(workspace, older_than_s=-60).removals
        assert [(each.store, each.what, each.name.partition("#")[0]) for each in gone] == [
            ("blobs", "leftover", "half"),
            ("tables", "leftover", "default/t/half.parquet"),
        ]
        assert collect(workspace, older_than_s=-60).removals == ()


def test_gc_leaves_young_blobs_and_takes_old_ones(s3: str, tmp_path: Path) -> None:
    with Workspace.open(tmp_path, overrides={"stores.blobs": s3}) as workspace:
        name = blob_name(put(workspace.blobs, b"nobody names it"))
        assert collect(workspace).removals == ()
        (gone,) = collect(workspace, older_than_s=-60).removals
        assert (gone.name, gone.size_bytes) == (name, 15)
        assert list(workspace.blobs.names()) == []


def test_eight_writers_of_a_table_lose_nothing(s3: str) -> None:
    writers = [_started(_COMMITTER, s3, writer, 5) for writer in range(8)]
    said = [line.split() for process in writers for line in _go(process).communicate(timeout=120)[0].splitlines()]
    assert sorted(int(version) for version, _, _ in said) == list(range(40))
    with S3TableStore.open(s3) as store:
        rows = store.read(store.snapshot("default/t")).to_pydict()
    kept = list(zip(rows["writer"], rows["turn"], strict=True))
    in_order = [(int(writer), int(turn)) for _, writer, turn in sorted(said, key=lambda each: int(each[0]))]
    assert kept == [each for each in in_order for _ in range(20)]


def test_killed_writers_lose_nothing_that_was_acknowledged(s3: str) -> None:
    acknowledged: list[tuple[int, int, int]] = []
    chance = random.Random(7)
    for writer in range(5):
        process = _go(_started(_COMMITTER, s3, writer, 1000))
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(chance.uniform(0, 0.3))
        process.kill()
        lines = [first, *process.communicate(timeout=30)[0].splitlines(keepends=True)]
        acknowledged += [(int(a), int(b), int(c)) for a, b, c in (line.split() for line in lines if line.endswith("\n"))]
    with S3TableStore.open(s3) as store:
        snapshot = store.write("default/t", pa.table({"writer": [-1], "turn": [-1]}))
        rows = store.read(snapshot).to_pydict()
        assert store.damaged("default/t") == []
        orphans = store.expirable("default/t", range(snapshot.version + 1), -60)
    kept = list(zip(rows["writer"], rows["turn"], strict=True))[:-1]
    whole = kept[::20]
    assert kept == [each for each in whole for _ in range(20)]  # whole commits only
    assert [whole[version] for version, _, _ in acknowledged] == [(writer, turn) for _, writer, turn in acknowledged]
    assert snapshot.version == len(whole) <= len(acknowledged) + 5
    assert len(orphans) <= 5


def _go(process: "subprocess.Popen[str]") -> "subprocess.Popen[str]":
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return process


@pytest.fixture
def mortal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalS3]:
    """A server of this test alone."""
    server = LocalS3.start(tmp_path / "server")
    try:
        for name, value in server.environ.items():
            monkeypatch.setenv(name, value)
        yield server
    finally:
        server.kill()


def test_what_was_acknowledged_survives_the_death_of_the_server(mortal: LocalS3) -> None:
    acknowledged: list[int] = []
    faults: list[IntonacoError] = []
    with S3TableStore.open(f"{mortal.url}/t?timeout_s=1") as store:

        def write() -> None:
            try:
                while True:
                    store.write("default/t", pa.table({"n": [len(acknowledged)]}))
                    acknowledged.append(len(acknowledged))
            except IntonacoError as error:
                faults.append(error)

        writer = threading.Thread(target=write)
        writer.start()
        while len(acknowledged) < 20:
            time.sleep(0.01)
        mortal.kill()
        began = time.monotonic()
        writer.join(60)
        assert time.monotonic() - began < 30
        assert isinstance(faults[0], UnavailableError)
        with pytest.raises(UnavailableError):
            store.snapshot("default/t")
        mortal.restart()
        kept = store.read(store.snapshot("default/t"))["n"].to_pylist()
        assert kept[: len(acknowledged)] == acknowledged
        assert len(kept) <= len(acknowledged) + 1  # the last may have been made and not acknowledged
        assert store.write("default/t", pa.table({"n": [-1]})).version == len(kept)


def test_a_server_that_hangs_is_unavailable_in_bounded_time(mortal: LocalS3) -> None:
    with S3BlobStore.open(f"{mortal.url}/b?timeout_s=0.5") as store:
        store.create("a", b"kept")
        mortal.pause()
        for verb in (lambda: store.read("a"), lambda: store.create("b", b"new"), lambda: list(store.names())):
            began = time.monotonic()
            with pytest.raises(UnavailableError):
                verb()
            assert time.monotonic() - began < 15
        mortal.resume()
        assert store.read("a") == b"kept"


def _damage(store: S3BlobStore, name: str) -> None:
    data = bytearray(store.read(name))
    data[len(data) // 2] ^= 1
    place = store.connection.place
    store.connection.ask("", lambda client: client.put_object(Bucket=place.bucket, Key=place.key(name), Body=bytes(data)))


def test_damage_is_named_wherever_it_is(s3: str) -> None:
    with S3TableStore.open(s3) as tables:
        assert isinstance(tables.blobs, S3BlobStore)
        blobs = tables.blobs
        digest = put(blobs, b"content" * 100)
        snapshot = tables.write("default/t", pa.table({"n": list(range(1000))}))
        entry = next(blobs.names("default/t/_delta_log/"))
        assert tables.damaged("default/t") == []
        for name in (blob_name(digest), snapshot.parts[0].name):
            _damage(blobs, name)
        with pytest.raises(CorruptError, match=digest):
            get(blobs, digest)
        with pytest.raises(CorruptError, match=snapshot.parts[0].name):
            tables.read(snapshot)
        assert [snapshot.parts[0].name in line for line in tables.damaged("default/t")] == [True]
        blobs.delete(snapshot.parts[0].name)
        with pytest.raises(CorruptError, match="lacks a part"):
            tables.read(snapshot)
        _damage(blobs, entry)
        with S3TableStore.open(s3) as other, pytest.raises(CorruptError, match=entry):
            other.snapshot("default/t")


def test_readers_in_other_processes_see_whole_versions_only(s3: str) -> None:
    with S3TableStore.open(s3) as store:
        store.write("default/t", pa.table({"n": [0]}))
        readers = [_started(_READER, s3) for _ in range(2)]
        assert [reader.stdout.readline() for reader in readers if reader.stdout] == ["reading\n"] * 2
        for turn in range(1, 61):
            store.write("default/t", pa.table({"n": [turn] * (turn + 1)}), mode="replace")
        store.write("default/t", pa.table({"n": [-1]}), mode="replace")
        said: list[dict[str, Any]] = [json.loads(process.communicate(timeout=60)[0]) for process in readers]
    assert [each["torn"] for each in said] == [0, 0]
    assert all(each["reads"] > 20 for each in said)


_READER = """
import json, sys
from intonaco.ext.s3.tables import S3TableStore

reads = torn = 0
with S3TableStore.open(sys.argv[1]) as store:
    print("reading", flush=True)
    while True:
        snapshot = store.snapshot("default/t")
        values = store.read(snapshot)["n"].to_pylist()
        if values == [-1]:
            break
        reads, torn = reads + 1, torn + (values != [snapshot.version] * (snapshot.version + 1))
print(json.dumps({"reads": reads, "torn": torn}))
"""
