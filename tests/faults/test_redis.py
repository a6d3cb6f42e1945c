"""Rows A1, A3, A7, B3, B4 and B6 of the promises, for Redis: a server that is killed, hung, slow, full, flushed or damaged."""

import random
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from intonaco.core.errors import CorruptError, DeadlineError, UnavailableError
from intonaco.ext.redis.local import LocalRedis
from intonaco.ext.redis.store import RedisStore
from intonaco.ext.redis.stream import RedisStream
from intonaco.infra.storage.entries import stored_key
from intonaco.infra.storage.keyvalue import WHOLE_ENTRIES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRedis]:
    with LocalRedis.start(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def store(server: LocalRedis) -> Iterator[RedisStore]:
    with RedisStore.open(f"{server.url}?timeout_s=5") as store:
        yield store


@pytest.fixture
def raw(server: LocalRedis) -> Iterator["redis.Redis"]:
    with redis.Redis(port=server.port, password=server.password) as raw:
        yield raw


def _until_it_fails(commit: Callable[[int], object], committed: list[int]) -> str:
    """What it said when it failed."""
    try:
        for number in range(10**6):
            commit(number)
            committed.append(number)
    except UnavailableError as error:
        return str(error)
    return "it never failed"


@pytest.mark.parametrize("appendfsync", ["always", "everysec"])
def test_a_killed_server_loses_nothing_it_acknowledged(appendfsync: str, tmp_path: Path) -> None:
    chosen = random.Random(appendfsync)
    with (
        LocalRedis.start(tmp_path, appendfsync=appendfsync) as server,
        RedisStore.open(server.url) as store,
        RedisStream.open(server.url) as stream,
    ):
        for turn in range(6):
            puts: list[int] = []
            appends: list[int] = []

            def put(number: int, turn: int = turn) -> None:
                store.put([(b"%d/%d/%d" % (turn, number, half), number, b"x" * 100) for half in range(20)])

            def append(number: int, turn: int = turn) -> None:
                stream.append(f"faults/turn{turn}", [b"%d" % number] * 2)

            threads = [threading.Thread(target=_until_it_fails, args=each) for each in ((put, puts), (append, appends))]
            for thread in threads:
                thread.start()
            _wait_for_both(puts, appends)
            time.sleep(chosen.uniform(0.0, 0.3))
            server.kill()
            for thread in threads:
                thread.join(20)
            server.restart()
            _check_puts(store, turn, puts)
            _check_appends(stream, turn, appends)


def _wait_for_both(one: list[int], other: list[int]) -> None:
    until = time.monotonic() + 20
    while not (one and other):
        assert time.monotonic() < until
        time.sleep(0.002)


def _check_puts(store: RedisStore, turn: int, acknowledged: list[int]) -> None:
    """All are there whole, and of the one that was not acknowledged all or nothing."""
    for number in range(len(acknowledged) + 1):
        found = store.get([b"%d/%d/%d" % (turn, number, half) for half in range(20)])
        whole = found == [(number, b"x" * 100)] * 20
        assert whole or (number == len(acknowledged) and found == [None] * 20)


def _check_appends(stream: RedisStream, turn: int, acknowledged: list[int]) -> None:
    values = [int(value) for _, value in stream.read(f"faults/turn{turn}", limit=10**6)]
    pairs = len(values) // 2
    assert values == [number for number in range(pairs) for _ in range(2)]
    assert len(acknowledged) <= pairs <= len(acknowledged) + 1


@pytest.mark.parametrize("appendfsync", ["always", "everysec"])
def test_the_greatest_put_that_is_whole_is_whole_after_the_server_was_killed(appendfsync: str, tmp_path: Path) -> None:
    chosen = random.Random(appendfsync)
    keys = [b"whole/%d" % number for number in range(WHOLE_ENTRIES)]
    with LocalRedis.start(tmp_path, appendfsync=appendfsync) as server, RedisStore.open(server.url) as store:
        begun = 1
        for _ in range(4):
            acknowledged: list[int] = []

            def put(number: int, begun: int = begun) -> None:
                store.put([(key, begun + number, b"%d" % (begun + number) * 20) for key in keys])

            writer = threading.Thread(target=_until_it_fails, args=(put, acknowledged))
            writer.start()
            _wait_for_both(acknowledged, acknowledged)
            time.sleep(chosen.uniform(0.0, 0.2))
            server.kill()
            writer.join(30)
            server.restart()
            found = set(store.get(keys))
            assert len(found) == 1
            (entry,) = found
            assert entry is not None
            assert entry[0] - (begun + acknowledged[-1]) in (0, 1)
            begun = entry[0] + 1


def test_a_large_put_that_was_cut_short_can_be_repeated(server: LocalRedis, store: RedisStore) -> None:
    entries = [(b"large/%d" % number, 1, b"y" * 500) for number in range(60_000)]
    cut = threading.Timer(0.25, server.kill)
    cut.start()
    _until_it_fails(lambda order: store.put([(key, order, value) for key, _, value in entries]), [])
    cut.join()
    server.restart()
    store.put([(key, 1000, value) for key, _, value in entries])
    assert store.get([key for key, _, _ in entries]) == [(1000, b"y" * 500)] * len(entries)
    store.delete([key for key, _, _ in entries])


def test_a_refused_sync_is_never_acknowledged(tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None or subprocess.run([strace, "-o", "/dev/null", "true"], capture_output=True, timeout=60, check=False).returncode:
        pytest.skip("strace is missing or may not trace here")
    with LocalRedis.start(tmp_path) as server, RedisStore.open(server.url) as store:
        store.put([(b"before", 1, b"v")])
        fault = ["-e", "trace=fdatasync,fsync", "-e", "inject=fdatasync,fsync:error=EIO:when=4+"]
        tracer = subprocess.Popen([strace, "-f", "-qq", "-o", "/dev/null", *fault, "-p", str(server.pid)])
        time.sleep(0.5)
        acknowledged: list[int] = []
        _until_it_fails(lambda number: store.put([(b"%d" % number, 1, b"v")]), acknowledged)
        server.kill()
        tracer.wait(30)
        server.restart()
        assert len(acknowledged) == 3
        assert store.get([b"before", b"0", b"1", b"2"]) == [(1, b"v")] * 4


@pytest.mark.parametrize("verb", ["get", "put", "scan", "delete", "append"])
def test_a_hung_server_is_told_in_time_and_used_again_when_it_is_back(server: LocalRedis, verb: str) -> None:
    url = f"{server.url}?timeout_s=0.2&sync_timeout_s=0.2"
    with RedisStore.open(url) as store, RedisStream.open(url) as stream:
        work: dict[str, Callable[[], object]] = {
            "get": lambda: store.get([b"k"]),
            "put": lambda: store.put([(b"k", 1, b"v")]),
            "scan": lambda: list(store.scan(b"k")),
            "delete": lambda: store.delete([b"k"]),
            "append": lambda: stream.append("faults/hung", [b"v"]),
        }
        server.pause()
        try:
            began = time.monotonic()
            with pytest.raises(DeadlineError, match=f"127.0.0.1:{server.port}") as told:
                work[verb]()
            assert time.monotonic() - began < 0.6
            assert server.password not in str(told.value)
        finally:
            server.resume()
        work[verb]()


def test_many_threads_wait_for_a_hung_server_no_longer_than_each_allows(server: LocalRedis) -> None:
    with RedisStore.open(f"{server.url}?connections=4") as store:
        took: list[float] = []

        def read() -> None:
            for _ in range(5):
                began = time.monotonic()
                with pytest.raises(DeadlineError):
                    store.get_within([b"k"], 0.1)
                took.append(time.monotonic() - began)

        server.pause()
        try:
            _run([threading.Thread(target=read) for _ in range(20)])
        finally:
            server.resume()
        assert len(took) == 100
        assert max(took) < 0.15 + 0.25  # the second half for a busy machine
        assert store.get_within([b"k"], 5.0) == store.get([b"k"])


def test_a_server_that_drips_is_cut_off_at_the_deadline(server: LocalRedis, store: RedisStore) -> None:
    store.put([(b"drip/%d" % number, 1, b"v" * 100) for number in range(100)])
    with _Dripping(server) as proxy, RedisStore.open(f"redis://:{server.password}@127.0.0.1:{proxy.port}/0") as slow:
        proxy.pause_s = 0.02
        began = time.monotonic()
        with pytest.raises(DeadlineError):
            slow.get_within([b"drip/%d" % number for number in range(100)], 0.2)
        assert time.monotonic() - began < 0.35
        proxy.pause_s = 0.0
        assert slow.get([b"drip/1"]) == [(1, b"v" * 100)]


def test_a_restarted_server_is_read_and_written_within_a_second_without_an_error(server: LocalRedis) -> None:
    with RedisStore.open(server.url) as store, RedisStream.open(server.url) as stream:
        topic = f"faults/restart{time.monotonic_ns()}"
        for turn in range(3):
            store.put([(b"restart", turn, b"v")])
            stream.append(topic, [b"v"])
            _run([threading.Thread(target=store.get, args=([b"restart"],)) for _ in range(8)])
            server.restart()
            began = time.monotonic()
            assert store.get([b"restart"]) == [(turn, b"v")]
            assert stream.append(topic, [b"w"]) == 2 * turn + 2
            assert time.monotonic() - began < 1.0


def test_while_a_server_is_down_every_call_says_so_at_once(server: LocalRedis) -> None:
    with RedisStore.open(server.url) as store:
        server.stop()
        try:
            for _ in range(20):
                began = time.monotonic()
                with pytest.raises(UnavailableError, match="cannot be reached") as told:
                    store.get([b"k"])
                assert time.monotonic() - began < 0.2
                assert server.password not in str(told.value)
        finally:
            server.restart()
        began = time.monotonic()
        store.get([b"k"])
        assert time.monotonic() - began < 1.0


def test_a_flushed_server_holds_nothing_and_is_filled_again(server: LocalRedis, store: RedisStore, raw: "redis.Redis") -> None:
    store.put([(b"k", 5, b"v")])
    raw.flushall()
    raw.script_flush()
    assert store.get([b"k"]) == [None]
    assert store.put([(b"k", 1, b"w")]) == 1
    assert store.get([b"k"]) == [(1, b"w")]


@pytest.mark.parametrize("key", [b"key", b"k" * 500])
def test_no_damage_of_a_value_is_read(server: LocalRedis, store: RedisStore, raw: "redis.Redis", key: bytes) -> None:
    store.put([(key, 7, b"the value")])
    under = b"intonaco:k:" + stored_key(key)
    whole = raw.get(under)
    assert isinstance(whole, bytes)
    damaged = [whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :] for at in range(len(whole))]
    for each in [*damaged, b"", whole[:5], whole[:-1], whole + b"x", b"text of somebody else"]:
        raw.set(under, each)
        with pytest.raises(CorruptError, match=f"127.0.0.1:{server.port}"):
            store.get([key])
        with pytest.raises(CorruptError):
            list(store.scan(key))
        for order in (6, 8):  # neither hidden by what came later nor itself before it
            with pytest.raises(CorruptError):
                store.put([(key, order, b"another value")])
            assert raw.get(under) == each
    raw.set(under, damaged[3])
    store.delete([key])
    assert store.put([(key, 7, b"the value")]) == 1
    assert raw.get(under) == whole
    raw.set(b"intonaco:k:" + stored_key(b"other"), whole)
    with pytest.raises(CorruptError):
        store.get([b"other"])
    store.delete([key, b"other"])


def test_no_damage_of_a_stream_is_read(server: LocalRedis, raw: "redis.Redis") -> None:
    damages: list[Callable[[str], object]] = [
        lambda name: raw.xdel(f"intonaco:s:{name}", "2-0"),
        lambda name: raw.xadd(f"intonaco:s:{name}", {"r": b"xxxxyyyy"}),
        lambda name: raw.xadd(f"intonaco:s:{name}", {"r": b"xxxxyyyy"}, id="4-0"),
        lambda name: raw.delete(f"intonaco:s:{name}"),
        lambda name: raw.hset(f"intonaco:h:{name}", "last", "2"),
        lambda name: raw.hset(f"intonaco:h:{name}", "last", "4"),
        lambda name: raw.hset(f"intonaco:h:{name}", "last", "1r"),
        lambda name: raw.hset(f"intonaco:h:{name}", "trimmed", "9"),
        lambda name: raw.hdel(f"intonaco:h:{name}", "trimmed"),
        lambda name: raw.delete(f"intonaco:h:{name}"),
    ]
    with RedisStream.open(server.url) as stream:
        for turn, damage in enumerate(damages):
            topic = f"faults/damage{turn}"
            stream.append(topic, [b"one", b"two", b"three"])
            damage(f"{topic}:0")
            with pytest.raises(CorruptError, match=topic):
                stream.read(topic)


_WRITER = """
import sys
from intonaco.ext.redis.store import RedisStore
writer = int(sys.argv[1])
with RedisStore.open(sys.stdin.readline().strip()) as store:
    for order in range(50):
        store.put([(b"same/%d" % key, order * (1 + (writer + key) % 3), b"%d" % writer) for key in range(40)])
"""


def test_eight_processes_that_write_the_same_keys_end_with_the_greatest(server: LocalRedis, store: RedisStore) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", _WRITER, str(number)], stdin=subprocess.PIPE, text=True) for number in range(8)]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(server.url + "\n")
        writer.stdin.close()
    assert [writer.wait(60) for writer in writers] == [0] * 8
    expected = [max((49 * (1 + (writer + key) % 3), b"%d" % writer) for writer in range(8)) for key in range(40)]
    assert store.get([b"same/%d" % key for key in range(40)]) == expected


_OPENER = """
import sys
from intonaco.ext.redis.store import RedisStore
from intonaco.ext.redis.stream import RedisStream
url = sys.stdin.readline().strip()
with RedisStore.open(url) as store, RedisStream.open(url) as stream:
    store.put([(b"first", int(sys.argv[1]), b"")])
    stream.append("faults/first", [b""])
"""


def test_eight_processes_can_start_first(server: LocalRedis) -> None:
    url = f"{server.url}?prefix=first"
    command = [sys.executable, "-c", _OPENER]
    processes = [subprocess.Popen([*command, str(number)], stdin=subprocess.PIPE, text=True) for number in range(8)]
    for process in processes:
        process.communicate(url, timeout=60)
    assert [process.returncode for process in processes] == [0] * 8
    with RedisStore.open(url) as store, RedisStream.open(url) as stream:
        assert store.get([b"first"]) == [(7, b"")]
        assert stream.end("faults/first") == 8


def test_hostile_keys_never_meet(server: LocalRedis, store: RedisStore) -> None:
    parts = [
        b"",
        b"*",
        b"?",
        b"[a]",
        b"\\",
        b"^",
        b"-",
        b"\r\n",
        b"\x00",
        b"\x01",
        b":",
        b"{a}",
        b"\xff",
        b"$-1\r\n",
        b"'..KEYS[1]",
        b"a" * 400,
    ]
    keys = sorted({one + two for one in parts for two in parts})
    with RedisStore.open(f"{server.url}?prefix=intonaco2") as other, RedisStore.open(f"{server.url}?prefix=intonaco.k") as third:
        for number, each in enumerate((store, other, third)):
            each.put([(b"hostile/" + key, number, key) for key in keys])
        for number, each in enumerate((store, other, third)):
            assert each.get([b"hostile/" + key for key in keys]) == [(number, key) for key in keys]
            for part in parts:
                under = {b"hostile/" + key: (number, key) for key in keys if key.startswith(part)}
                assert dict(each.scan(b"hostile/" + part)) == under
        store.delete([b"hostile/" + key for key in keys])
        assert list(store.scan(b"hostile/")) == []
        assert len(list(other.scan(b"hostile/"))) == len(keys)


def test_a_full_server_says_so_and_keeps_what_it_had(tmp_path: Path) -> None:
    with LocalRedis.start(tmp_path, settings={"maxmemory": "8mb"}) as server, RedisStore.open(server.url) as store:
        store.put([(b"first", 1, b"v")])
        said = _until_it_fails(lambda number: store.put([(b"%d/%d" % (number, each), 1, b"v" * 1000) for each in range(100)]), [])
        assert "is full" in said
        with RedisStore.open(server.url) as another:
            assert another.get([b"first"]) == [(1, b"v")]
        assert store.get([b"first"]) == [(1, b"v")]
        sizes = {len(list(store.scan(b"%d/" % number))) for number in range(100)}
        assert sizes == {0, 100}
        store.delete([b"0/%d" % each for each in range(100)])
        assert store.put([(b"second", 1, b"v")]) == 1


_FULL = """
import sys, time
from pathlib import Path
from intonaco.core.errors import UnavailableError
from intonaco.ext.redis.local import LocalRedis
from intonaco.ext.redis.store import RedisStore

disk = Path(sys.argv[1])
filler = disk / "filler"
with LocalRedis.start(disk / "redis", appendfsync=sys.argv[2]) as server, RedisStore.open(f"{server.url}?sync_timeout_s=1") as store:
    store.put([(b"first", 1, b"v")])
    filler.write_bytes(bytes(5 * 2**20))
    stored = 0
    try:
        while True:
            store.put([(b"%d" % stored, 1, b"v" * 10_000)])
            stored += 1
    except UnavailableError as error:
        print(error)
    try:
        store.put([(b"again", 1, b"v")])
    except UnavailableError as error:
        print(error)
    filler.unlink()
    if sys.argv[2] == "always":
        server.restart()
    until = time.monotonic() + 20
    while True:
        try:
            store.put([(b"last", 1, b"v")])
            break
        except UnavailableError:
            assert time.monotonic() < until
            time.sleep(0.05)
    assert store.get([b"first", b"last"]) == [(1, b"v")] * 2
    assert store.get([b"%d" % number for number in range(stored)]) == [(1, b"v" * 10_000)] * stored
    print(stored)
"""


@pytest.mark.parametrize("appendfsync", ["always", "everysec"])
def test_a_full_disk_is_told_and_what_was_acknowledged_is_kept(appendfsync: str, tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    mount = f"mount -t tmpfs -o size=6m tmpfs {tmp_path}"
    if unshare is None or subprocess.run([unshare, "-m", "sh", "-c", mount], capture_output=True, check=False).returncode != 0:
        pytest.skip("unshare is missing or may not mount here")
    command = [unshare, "-m", "sh", "-c", f'{mount} && "$@"', "sh", sys.executable, "-c", _FULL, str(tmp_path), appendfsync]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    said, then, stored = done.stdout.splitlines()
    assert "redis://:***@127.0.0.1" in said
    # one that syncs each write ends itself; the other stays, reads, and says why it does not write
    assert ("cannot be reached" if appendfsync == "always" else "did not bring a write to its disk") in said
    assert appendfsync == "always" or "No space left on device" in then
    assert 0 < int(stored) < 200


def _run(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)


class _Dripping:
    """A way to the server on which answers come a few bytes at a time."""

    def __init__(self, server: LocalRedis) -> None:
        self.server, self.pause_s = server, 0.0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def __enter__(self) -> "_Dripping":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            upstream = socket.create_connection(("127.0.0.1", self.server.port))
            threading.Thread(target=self._pass, args=(client, upstream, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(upstream, client, True), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, drips: bool) -> None:
        with closing(sink):
            try:
                while data := source.recv(64 if drips else 65536):
                    sink.sendall(data)
                    time.sleep(self.pause_s if drips else 0)
            except OSError:
                pass
