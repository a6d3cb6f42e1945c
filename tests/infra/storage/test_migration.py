"""A store moves to another URL while it is written and read, and back."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pytest
from attrs import define, field, frozen

from intonaco.core.errors import ConflictError, InvalidError, SettingsError
from intonaco.core.urls import StoreUrl
from intonaco.infra.storage.delta.delta import DeltaTableStore
from intonaco.infra.storage.files import FileBlobStore
from intonaco.infra.storage.keyvalue import Entry, KeyValueStore, SupportsChange
from intonaco.infra.storage.lmdb import LmdbStore
from intonaco.infra.storage.moving.migration import Migration
from intonaco.infra.storage.moving.movable import movable
from intonaco.infra.storage.moving.moves import MOVE_KEY, Move, Phase, journal_of
from intonaco.infra.storage.sqlite import SqliteStream

pytestmark = pytest.mark.slow


LOOK_S = 0.3


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes look at the journal more often than they do in earnest."""
    monkeypatch.setattr("intonaco.infra.storage.moving.watching.LOOK_S", LOOK_S)
    monkeypatch.setattr("intonaco.infra.storage.moving.migration.BARRIER_S", 2 * LOOK_S)


@frozen
class Kind:
    """How a primitive is written and read in these tests: number n of writer w, and all that is there."""

    scheme: str
    open: Callable[[str], Any]
    write: Callable[[Any, int, int], object]
    read: Callable[[Any], set[tuple[int, int]]]


def _read_stream(store: Any) -> set[tuple[int, int]]:
    values = [value for _, value in store.read("default/t", limit=10**6)]
    assert len(values) == len(set(values))
    return {_numbers(value.decode()) for value in values}


def _write_table(store: Any, writer: int, number: int) -> None:
    store.write(f"default/w{writer}", pa.table({"number": [number]}), token=f"{writer}/{number}")


def _read_tables(store: Any) -> set[tuple[int, int]]:
    found = {name: store.read(store.snapshot(name)).column("number").to_pylist() for name in store.names("default")}
    assert all(sorted(numbers) == list(range(len(numbers))) for numbers in found.values())
    return {(int(name.removeprefix("default/w")), number) for name, numbers in found.items() for number in numbers}


def _numbers(text: str) -> tuple[int, int]:
    writer, number = text.split("/")[-2:]
    return int(writer), int(number)


KINDS = {
    "blobs": Kind(
        "file",
        FileBlobStore.open,
        lambda store, writer, number: store.create(f"b/{writer}/{number}", b"%d/%d" % (writer, number)),
        lambda store: {_numbers(name) for name in store.names("b/") if store.read(name) == name[2:].encode()},
    ),
    "keyvalue": Kind(
        "lmdb",
        LmdbStore.open,
        lambda store, writer, number: store.put([(b"%d/%d" % (writer, number), number, b"v")]),
        lambda store: {
            _numbers(key.decode()) for key, (order, _) in store.scan() if key != MOVE_KEY and order == _numbers(key.decode())[1]
        },
    ),
    "stream": Kind(
        "sqlite", SqliteStream.open, lambda store, writer, number: store.append("default/t", [b"%d/%d" % (writer, number)]), _read_stream
    ),
    "tables": Kind("file", DeltaTableStore.open, _write_table, _read_tables),
}


@define
class Writers:
    """Threads that write and note what was acknowledged, each with a handle of its own as another process has."""

    kind: Kind
    handle: Callable[[], Any]
    acknowledged: set[tuple[int, int]] = field(factory=set)
    errors: list[Exception] = field(factory=list)
    slowest_s: float = 0.0
    _stop: threading.Event = field(factory=threading.Event)

    @contextmanager
    def running(self, count: int = 2) -> Iterator[None]:
        threads = [threading.Thread(target=self._write, args=(writer,)) for writer in range(count)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(120)

    def _write(self, writer: int) -> None:
        with self.handle() as store:
            number = 0
            while not self._stop.is_set():
                begun = time.monotonic()
                try:
                    self.kind.write(store, writer, number)
                except Exception as error:
                    self.errors.append(error)
                    return
                self.slowest_s = max(self.slowest_s, time.monotonic() - begun)
                self.acknowledged.add((writer, number))
                number += 1
                time.sleep(0.01)


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def urls(kind: Kind, tmp_path: Path) -> tuple[str, str]:
    return f"{kind.scheme}:{tmp_path}/old/store", f"{kind.scheme}:{tmp_path}/new/store"


def _handle(kind: Kind, url: str) -> Any:
    return movable(kind.open(url), url, kind.open)


@contextmanager
def _migration(kind: Kind, url: str, folder: Path) -> Iterator[Migration]:
    with kind.open(url) as store:
        yield Migration(url, store, journal_of(store, url), kind.open, folder / "lock")


def test_a_store_moves_while_it_is_written_and_no_acknowledged_write_is_lost(kind: Kind, urls: tuple[str, str], tmp_path: Path) -> None:
    old, new = urls
    writers = Writers(kind, lambda: _handle(kind, old))
    with writers.running(), _migration(kind, old, tmp_path) as migration:
        time.sleep(0.3)
        migration.start(new)
        time.sleep(0.3)
        stopped_s = migration.switch()
        time.sleep(2 * LOOK_S)
    assert writers.errors == []
    assert writers.slowest_s < stopped_s + 2
    with kind.open(new) as target:
        assert writers.acknowledged <= kind.read(target)
    with _migration(kind, old, tmp_path) as migration:
        assert migration.finish() == new
    with pytest.raises(SettingsError, match="was moved to"):
        _handle(kind, old)
    with _handle(kind, new) as store:
        assert writers.acknowledged <= kind.read(store)


def test_rolling_back_keeps_what_was_written_since_the_switch(kind: Kind, urls: tuple[str, str], tmp_path: Path) -> None:
    old, new = urls
    writers = Writers(kind, lambda: _handle(kind, old))
    with writers.running(), _migration(kind, old, tmp_path) as migration:
        migration.start(new)
        migration.switch()
        time.sleep(2 * LOOK_S)
        migration.rollback()
        time.sleep(2 * LOOK_S)
        assert migration.state() is None
    assert writers.errors == []
    with kind.open(old) as source:
        assert writers.acknowledged <= kind.read(source)


def test_starting_again_goes_on_and_readers_see_all_at_every_step(kind: Kind, urls: tuple[str, str], tmp_path: Path) -> None:
    old, new = urls
    with _handle(kind, old) as store, _migration(kind, old, tmp_path) as migration:
        for number in range(50):
            kind.write(store, 0, number)
        whole = {(0, number) for number in range(50)}
        assert migration.start(new).repaired == 0
        assert migration.start(new).repaired == 0
        assert kind.read(store) == whole
        migration.switch()
        time.sleep(1.1 * LOOK_S)
        assert kind.read(store) == whole
        kind.write(store, 0, 50)
        migration.finish()
        time.sleep(1.1 * LOOK_S)
        kind.write(store, 0, 51)
        assert kind.read(store) == whole | {(0, 50), (0, 51)}


def test_a_store_that_holds_something_else_is_not_moved_to(kind: Kind, urls: tuple[str, str], tmp_path: Path) -> None:
    old, new = urls
    with kind.open(new) as target:
        kind.write(target, 7, 0)
    with _migration(kind, old, tmp_path) as migration, pytest.raises(InvalidError, match="holds something else"):
        migration.start(new)


def test_steps_in_a_wrong_order_are_refused(kind: Kind, urls: tuple[str, str], tmp_path: Path) -> None:
    old, new = urls
    with _migration(kind, old, tmp_path) as migration:
        with pytest.raises(InvalidError, match="is not on its way"):
            migration.switch()
        migration.start(new)
        with pytest.raises(ConflictError, match="on its way to"):
            migration.start(new + "er")
        with pytest.raises(ConflictError, match="copying"):
            migration.finish()
        migration.rollback()
        assert migration.state() is None


def test_a_hold_that_nobody_ends_ends_by_itself(kind: Kind, urls: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = urls
    monkeypatch.setattr("intonaco.infra.storage.moving.migration.HOLD_S", 1.5)
    monkeypatch.setattr("intonaco.infra.storage.moving.migration.Migration._settle", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    monkeypatch.setattr("intonaco.infra.storage.moving.migration.Migration._add", lambda *_, **__: None)
    with kind.open(old) as source:
        journal_of(source, old).add(Move(number=1, target=new, phase=Phase.COPYING, at_us=0))
    with _migration(kind, old, tmp_path) as migration, pytest.raises(KeyboardInterrupt):
        migration.switch()
    with _handle(kind, old) as store:
        begun = time.monotonic()
        kind.write(store, 0, 0)
        assert time.monotonic() - begun < 3
        assert kind.read(store) == {(0, 0)}


def test_entries_of_which_one_store_missed_a_write_are_copied_before_the_switch(tmp_path: Path) -> None:
    kind = KINDS["keyvalue"]
    old, new = f"lmdb:{tmp_path}/old", f"lmdb:{tmp_path}/new"
    with _handle(kind, old) as store, _migration(kind, old, tmp_path) as migration:
        migration.start(new)
        store.watch.look()
        store.watch.other.close()
        store.watch.other = Broken()
        kind.write(store, 0, 0)
        state = migration.state()
        assert state is not None
        assert state.behind
        migration.switch()
    with kind.open(new) as target:
        assert kind.read(target) == {(0, 0)}


class Broken:
    """A store that fails."""

    def put(self, entries: object) -> None:
        raise ConflictError("broken")

    def close(self) -> None:
        pass


def test_deleted_entries_do_not_come_back(tmp_path: Path) -> None:
    kind = KINDS["keyvalue"]
    old, new = f"lmdb:{tmp_path}/old", f"lmdb:{tmp_path}/new"
    with _handle(kind, old) as store, _migration(kind, old, tmp_path) as migration:
        for number in range(10):
            kind.write(store, 0, number)
        migration.start(new)
        with kind.open(new) as target:
            target.put([(b"0/99", 99, b"v")])  # as one that was deleted while it was copied
        time.sleep(1.1 * LOOK_S)
        store.delete([b"0/3"])
        migration.switch()
        time.sleep(1.1 * LOOK_S)
        assert kind.read(store) == {(0, number) for number in range(10) if number != 3}


def test_records_that_were_let_go_of_keep_their_places(tmp_path: Path) -> None:
    old, new = f"sqlite:{tmp_path}/old.db", f"sqlite:{tmp_path}/new.db"
    with SqliteStream.open(old) as stream, SqliteStream.open(new) as target:
        stream.append("default/t", [b"a", b"b", b"c"], 2)
        stream.append("default/gone", [b"x"] * 1500)
        stream.trim("default/t", 2, 2)
        stream.trim("default/gone", 1500)
        with _migration(KINDS["stream"], old, tmp_path) as migration:
            migration.start(new)
        assert target.read("default/t", partition=2) == [(3, b"c")]
        assert (target.end("default/gone"), target.read("default/gone")) == (1500, [])


@define(eq=False)
class Plain(KeyValueStore):
    """A store with the verbs of its primitive alone, as one behind a network is."""

    store: LmdbStore

    @classmethod
    def open(cls, url: StoreUrl | str) -> Self:
        return cls(LmdbStore.open(url))

    def get(self, keys: Sequence[bytes]) -> list[Entry | None]:
        return self.store.get(keys)

    def put(self, entries: Iterable[tuple[bytes, int, bytes]]) -> int:
        return self.store.put(entries)

    def delete(self, keys: Iterable[bytes]) -> None:
        self.store.delete(keys)

    def scan(self, prefix: bytes = b"") -> Iterator[tuple[bytes, Entry]]:
        return self.store.scan(prefix)

    def close(self) -> None:
        self.store.close()


def test_entries_are_changed_as_before_in_a_store_that_does_not_change_them_itself(tmp_path: Path) -> None:
    old, new = f"lmdb:{tmp_path}/old", f"lmdb:{tmp_path}/new"
    with movable(LmdbStore.open(old), old, Plain.open) as store, LmdbStore.open(old) as source:
        assert isinstance(store, KeyValueStore)
        assert isinstance(store, SupportsChange)
        assert store.change([b"a", b"b"], lambda _: [b"1", b"2"]) == 2
        migration = Migration(old, source, journal_of(source, old), Plain.open, tmp_path / "lock")
        migration.start(new)
        migration.switch()
        time.sleep(2 * LOOK_S)
        seen: list[bytes | None] = []

        def changed(values: Sequence[bytes | None]) -> list[bytes | None]:
            seen.extend(values)
            return [b"3", b"2", None]

        assert store.change([b"a", b"b", b"c"], changed) == 1
        assert seen == [b"1", b"2", None]
        assert store.get([b"a", b"b", b"c"]) == [(2, b"3"), (1, b"2"), None]
