"""Rows A1, A5, A8 and A10 of the promises, for the catalog on PostgreSQL, and what a lost server or line does."""

import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sql

from intonaco.core.errors import CorruptError, UnavailableError
from intonaco.core.urls import StoreUrl
from intonaco.ext.postgres.local import LocalPostgres
from intonaco.infra.storage.catalog.catalog import Catalog
from intonaco.infra.storage.record import LEASES
from intonaco.infra.testing.catalog import pets
from intonaco.infra.testing.relay import Relay

pytestmark = pytest.mark.slow

_COMMITTER = [sys.executable, str(Path(__file__).with_name("committer.py"))]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalPostgres]:
    with LocalPostgres.start(tmp_path_factory.mktemp("postgres")) as server, pytest.MonkeyPatch.context() as patched:
        for name, value in server.environ.items():
            patched.setenv(name, value)
        yield server


@pytest.fixture
def url(server: LocalPostgres) -> str:
    return f"{server.address}?schema=fault_{uuid4().hex}"


def _start(*arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen([*_COMMITTER, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _finish(process: "subprocess.Popen[str]") -> str:
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    return out


def _pairs(url: str) -> dict[int, list[int]]:
    """The numbers of each writer, each of whose halves is there exactly once."""
    rows = [tuple(row) for row in json.loads(_finish(_start("read", "catalog", url)))]
    counts = Counter(rows)
    assert set(counts.values()) <= {1}
    found = {writer: sorted({number for each, number, _ in rows if each == writer}) for writer, _, _ in rows}
    assert all(counts[writer, number, half] == 1 for writer, numbers in found.items() for number in numbers for half in (0, 1))
    return found


def _acknowledged(process: "subprocess.Popen[str]", first: str = "") -> list[int]:
    assert process.stdout is not None
    return [int(line) for line in (first + process.stdout.read()).split()]


def test_a_writer_that_is_killed_loses_nothing_it_acknowledged(url: str) -> None:
    chosen = random.Random(1)
    for writer in range(4):
        process = _start("write", "catalog", url, writer, 10**6)
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(chosen.uniform(0, 0.3))
        process.kill()
        acknowledged = _acknowledged(process, first)
        process.communicate(timeout=60)
        stored = _pairs(url)[writer]
        assert stored == list(range(len(stored)))
        assert len(acknowledged) <= len(stored) <= len(acknowledged) + 1


def test_eight_writers_at_once_lose_no_commit(url: str) -> None:
    writers = [_start("write", "catalog", url, writer, 50) for writer in range(8)]
    assert [[int(line) for line in _finish(process).split()] for process in writers] == [list(range(50))] * 8
    assert _pairs(url) == {writer: list(range(50)) for writer in range(8)}


_NUMBERING = """
import sys
import sqlalchemy as sql
from intonaco.infra.storage.catalog.catalog import Catalog
from intonaco.infra.storage.record import LEASES
with Catalog.open(sys.argv[1]) as catalog:
    for _ in range(50):
        with catalog.transaction() as connection:
            number = (connection.execute(sql.select(sql.func.max(LEASES.c.number))).scalar() or 0) + 1
            connection.execute(LEASES.insert().values(name=str(number), number=number, holder="h", until_us=0, seal=""))
"""


def test_eight_processes_that_count_on_leave_no_gap(url: str) -> None:
    Catalog.open(url).close()
    processes = [subprocess.Popen([sys.executable, "-c", _NUMBERING, url]) for _ in range(8)]
    assert [process.wait(120) for process in processes] == [0] * 8
    with Catalog.open(url) as catalog, catalog.read() as connection:
        assert list(connection.execute(sql.select(LEASES.c.number).order_by(LEASES.c.number)).scalars()) == list(range(1, 401))


def test_eight_processes_can_start_first(server: LocalPostgres) -> None:
    for attempt in range(2):
        url = f"{server.address}?schema=first_{attempt}"
        processes = [_start("open", "catalog", url) for _ in range(8)]
        assert [(process.communicate(timeout=120)[1], process.returncode) for process in processes] == [("", 0)] * 8


def test_a_process_killed_in_a_migration_leaves_a_catalog_that_opens(server: LocalPostgres, tmp_path: Path) -> None:
    chosen = random.Random(2)
    for attempt in range(5):
        url = f"{server.address}?schema=killed_{attempt}"
        process = _start("open", "catalog", url)
        time.sleep(chosen.uniform(0.2, 0.9))
        process.kill()
        process.communicate(timeout=60)
        with Catalog.open(url, [pets(tmp_path / str(attempt), 2)]) as catalog:
            assert catalog.changes("t") == []


def test_a_writer_that_stalls_inside_its_transaction_loses_it(url: str) -> None:
    def stall(catalog: Catalog) -> None:
        with catalog.transaction() as connection:
            connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = '200ms'")
            catalog.record_change(connection, "t", "stalled")
            with Catalog.open(url) as other, other.transaction() as writing:
                other.record_change(writing, "t", "next")

    with Catalog.open(url) as catalog:
        with pytest.raises(UnavailableError):
            stall(catalog)
        assert [each.subject for each in catalog.changes("t")] == ["next"]


def test_a_server_that_is_killed_keeps_what_it_acknowledged_and_is_used_again(tmp_path: Path) -> None:
    with LocalPostgres.start(tmp_path) as server, Catalog.open(server.url) as catalog:
        acknowledged: list[int] = []
        stop = threading.Event()

        def write() -> None:
            number = 0
            while not stop.is_set():
                try:
                    with catalog.transaction() as connection:
                        catalog.record_change(connection, "t", str(number))
                    acknowledged.append(number)
                except UnavailableError:
                    time.sleep(0.02)
                number += 1

        writer = threading.Thread(target=write)
        writer.start()
        for _ in range(2):
            before = len(acknowledged)
            while len(acknowledged) < before + 50:
                time.sleep(0.01)
            server.kill()
            server.restart()
        before = len(acknowledged)
        while len(acknowledged) < before + 10:
            time.sleep(0.01)
        stop.set()
        writer.join(60)
        kept = [int(each.subject) for each in catalog.changes("t")]
        assert set(acknowledged) <= set(kept)
        assert len(kept) == len(set(kept))


def test_a_connection_lost_in_a_transaction_leaves_nothing(url: str, server: LocalPostgres) -> None:
    def lose(catalog: Catalog) -> None:
        with catalog.transaction() as connection:
            catalog.record_change(connection, "t", "half")
            _terminate(server, int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()))
            catalog.record_change(connection, "t", "other half")

    with Catalog.open(url) as catalog:
        with pytest.raises(UnavailableError):
            lose(catalog)
        assert catalog.changes("t") == []


def test_pooled_connections_that_the_server_ended_are_replaced_without_an_error(url: str, server: LocalPostgres) -> None:
    with Catalog.open(url) as catalog:
        with catalog.read() as connection:
            pid = int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
        _terminate(server, pid)
        with catalog.transaction() as connection:
            catalog.record_change(connection, "t", "s")
        assert len(catalog.changes("t")) == 1


def _terminate(server: LocalPostgres, pid: int) -> None:
    engine = sql.create_engine(server.url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        connection.exec_driver_sql(f"SELECT pg_terminate_backend({pid}, 5000)")
    engine.dispose()


def _through(relay: Relay, url: str) -> str:
    return url.replace(f":{StoreUrl.parse(url).port}/", f":{relay.port}/")


def test_a_commit_whose_answer_is_lost_is_looked_up(url: str, server: LocalPostgres) -> None:
    with Relay(("127.0.0.1", server.port)) as relay, Catalog.open(_through(relay, url)) as catalog:
        relay.cut_at, relay.deliver = b"COMMIT", True
        with catalog.transaction() as connection:
            catalog.record_change(connection, "t", "s")
        assert relay.cuts == 1
        assert len(catalog.changes("t")) == 1


def test_a_commit_that_did_not_reach_the_server_is_said_to_be_nothing(url: str, server: LocalPostgres) -> None:
    with Relay(("127.0.0.1", server.port)) as relay, Catalog.open(_through(relay, url)) as catalog:
        relay.cut_at = b"COMMIT"
        with pytest.raises(UnavailableError, match="nothing of this was written"), catalog.transaction() as connection:
            catalog.record_change(connection, "t", "s")
        assert relay.cuts == 1
        assert catalog.changes("t") == []


def test_a_commit_of_which_nothing_can_be_found_out_is_said_to_be_unknown(
    url: str, server: LocalPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intonaco.ext.postgres.database._ASK_AGAIN_S", 0.3)
    with Relay(("127.0.0.1", server.port)) as relay, Catalog.open(_through(relay, url)) as catalog:
        relay.cut_at, relay.deliver, relay.refuse_after = b"COMMIT", True, True
        with pytest.raises(UnavailableError, match="whether it was committed is not known"), catalog.transaction() as connection:
            catalog.record_change(connection, "t", "s")


def test_a_server_that_hangs_is_not_waited_for_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intonaco.ext.postgres.connecting.PatientConnection.limit_s", 0.5)
    monkeypatch.setattr("intonaco.ext.postgres.connecting.PING_TIMEOUT_S", 0.3)
    monkeypatch.setattr("intonaco.ext.postgres.connecting.CONNECT_TIMEOUT_S", 2)

    def hang(server: LocalPostgres, catalog: Catalog) -> None:
        with catalog.transaction() as connection:
            server.pause()
            catalog.record_change(connection, "t", "s")

    with LocalPostgres.start(tmp_path) as server, Catalog.open(server.url) as catalog:
        with pytest.raises(UnavailableError):
            hang(server, catalog)
        with pytest.raises(UnavailableError):
            catalog.changes("t")
        server.resume()
        assert catalog.changes("t") == []


_DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.mark.parametrize("programs", [None, *_DEBIAN], ids=lambda programs: "pgserver" if programs is None else str(programs))
def test_a_damaged_page_is_found(programs: Path | None, tmp_path: Path) -> None:
    with LocalPostgres.start(tmp_path, programs=programs) as server, Catalog.open(server.url) as catalog:
        with catalog.transaction() as connection:
            for number in range(500):
                catalog.record_change(connection, "t", f"subject {number}")
        with catalog.transaction() as connection:
            if programs is not None:
                connection.exec_driver_sql("CREATE EXTENSION amcheck")  # and look through the indexes
            path = connection.exec_driver_sql("SELECT pg_relation_filepath('storage_change')").scalar_one()
        assert catalog.damage() == []
        server.stop()
        file = server.folder / "data" / str(path)
        file.write_bytes(file.read_bytes().replace(b"subject 250", b"subject 251", 1))
        server.restart()
        assert any("storage_change" in line for line in catalog.damage())
        with pytest.raises(CorruptError, match="is damaged"):
            catalog.changes("t")
