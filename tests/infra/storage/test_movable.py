"""A store that can be moved keeps what its primitive promises, and hands on what else it can do."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from intonaco.infra.storage.blobs import SupportsPath
from intonaco.infra.storage.delta.delta import DeltaTableStore
from intonaco.infra.storage.entries import stored_key
from intonaco.infra.storage.files import FileBlobStore
from intonaco.infra.storage.keyvalue import KeyValueStore, SupportsChange
from intonaco.infra.storage.lmdb import LmdbStore
from intonaco.infra.storage.moving.movable import movable
from intonaco.infra.storage.sqlite import SqliteStream
from intonaco.infra.storage.streams import Stream, SupportsTopics
from intonaco.infra.storage.tables import SupportsExpiry, SupportsPaths, TableStore
from intonaco.infra.testing.blobs import BlobStoreContract
from intonaco.infra.testing.keyvalue import KeyValueStoreContract
from intonaco.infra.testing.streams import StreamContract
from intonaco.infra.testing.tables import TableStoreContract

pytestmark = pytest.mark.slow


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _none(url: str) -> Any:
    raise AssertionError(f"{url} is opened without a move")


class TestMovableBlobs(BlobStoreContract):
    opens = FileBlobStore

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"file:{tmp_path}/blobs"

    @pytest.fixture
    def store(self, url: str) -> Iterator[Any]:
        with movable(FileBlobStore.open(url), "blobs", _none) as store:
            yield store

    @pytest.fixture
    def reopen(self, url: str) -> Callable[[], Any]:
        return lambda: movable(FileBlobStore.open(url), "blobs", _none)

    def damage(self, store: Any, name: str) -> None:
        _flip(store.path(name))


class TestMovableKeyValueStore(KeyValueStoreContract):
    opens = LmdbStore

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"lmdb:{tmp_path}/online"

    @pytest.fixture
    def store(self, url: str) -> Iterator[KeyValueStore]:
        with movable(LmdbStore.open(url), "keyvalue", _none) as store:
            assert isinstance(store, KeyValueStore)
            yield store

    def damage(self, store: Any, key: bytes) -> None:
        with store._environment.handle.begin(write=True) as transaction:
            stored = bytearray(transaction.get(stored_key(key)) or b"")
            stored[-5] ^= 16
            transaction.put(stored_key(key), bytes(stored))
            store._environment.stamp(transaction)


class TestMovableStream(StreamContract):
    opens = SqliteStream

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:{tmp_path}/streams.db"

    @pytest.fixture
    def store(self, url: str) -> Iterator[Stream]:
        with movable(SqliteStream.open(url), "stream", _none) as store:
            assert isinstance(store, Stream)
            yield store

    def damage(self, store: Any, topic: str, offset: int) -> None:
        with closing(sqlite3.connect(store.path)) as connection, connection:
            connection.execute(f"UPDATE stream_record SET value = CAST('sfcond' AS BLOB) WHERE place & {2**40 - 1} = {offset}")


class TestMovableTableStore(TableStoreContract):
    opens = DeltaTableStore

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"file:{tmp_path}/tables"

    @pytest.fixture
    def store(self, url: str) -> Iterator[TableStore]:
        with movable(DeltaTableStore.open(url), "tables", _none) as store:
            assert isinstance(store, TableStore)
            yield store

    @pytest.fixture
    def reopen(self, url: str) -> Callable[[], Any]:
        return lambda: movable(DeltaTableStore.open(url), "tables", _none)

    def damage(self, store: Any, name: str) -> None:
        _flip(store.blobs.path(name))


@pytest.mark.parametrize(
    ("open_one", "can", "cannot"),
    [
        (lambda path: FileBlobStore.open(f"file:{path}"), [SupportsPath], [SupportsChange]),
        (lambda path: LmdbStore.open(f"lmdb:{path}"), [SupportsChange], [SupportsTopics]),
        (lambda path: SqliteStream.open(f"sqlite:{path}/s.db"), [SupportsTopics], [SupportsChange]),
        (lambda path: DeltaTableStore.open(f"file:{path}"), [SupportsPaths, SupportsExpiry], [SupportsTopics]),
    ],
    ids=["blobs", "keyvalue", "stream", "tables"],
)
def test_abilities_are_those_of_the_store(open_one: Callable[[Path], Any], can: list[Any], cannot: list[Any], tmp_path: Path) -> None:
    with movable(open_one(tmp_path), "it", _none) as store:
        assert all(isinstance(store, ability) for ability in can)
        assert not any(isinstance(store, ability) for ability in cannot)
