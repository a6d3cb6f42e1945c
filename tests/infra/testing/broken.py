"""Stores that each break one promise, and the test of the kit that has to name it: a plugin author's faults."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pytest

from intonaco.core.errors import AlreadyExistsError, CorruptError, MissingError
from intonaco.core.urls import StoreUrl
from intonaco.infra.storage.delta.delta import DeltaTableStore
from intonaco.infra.storage.entries import encode, stored_key
from intonaco.infra.storage.files import FileBlobStore
from intonaco.infra.storage.keyvalue import Entry
from intonaco.infra.storage.lmdb import LmdbStore
from intonaco.infra.storage.sqlite import SqliteStream
from intonaco.infra.storage.store import Store
from intonaco.infra.storage.tables import Snapshot
from intonaco.infra.testing.blobs import BlobStoreContract
from intonaco.infra.testing.keyvalue import KeyValueStoreContract
from intonaco.infra.testing.streams import StreamContract
from intonaco.infra.testing.tables import TableStoreContract

Entries = Iterable[tuple[bytes, int, bytes]]


class ForgetsOrder(LmdbStore):
    def get(self, keys: Sequence[bytes]) -> list[Entry | None]:
        return [None if entry is None else (0, entry[1]) for entry in super().get(keys)]


class OlderHidesNewer(LmdbStore):
    def put(self, entries: Entries) -> int:
        held = list(entries)
        self.delete([key for key, _, _ in held])
        return super().put(held)


class TiesByArrival(LmdbStore):
    def put(self, entries: Entries) -> int:
        held = list(entries)
        there = zip(held, self.get([key for key, _, _ in held]), strict=True)
        self.delete([key for (key, order, _), entry in there if entry is not None and entry[0] == order])
        return super().put(held)


class OneByOne(LmdbStore):
    def put(self, entries: Entries) -> int:
        return sum(super(OneByOne, self).put([entry]) for entry in entries)


class ForgetsWhenClosed(LmdbStore):
    def close(self) -> None:
        super().close()
        shutil.rmtree(self.path, ignore_errors=True)


class ForgetsDeletes(LmdbStore):
    gone: tuple[bytes, ...] = ()

    def delete(self, keys: Iterable[bytes]) -> None:
        held = list(keys)
        super().delete(held)
        ForgetsDeletes.gone = (*self.gone, *held)

    def close(self) -> None:
        if not self._closed:
            super().put([(key, 10, b"back") for key in self.gone])
        super().close()


class KeepsItForItself(LmdbStore):
    """Each process has a store of its own."""

    @classmethod
    def open(cls, url: StoreUrl | str) -> "KeepsItForItself":
        return super().open(f"{url}-{os.getpid()}")


class ForgetsTheEndOfAScan(LmdbStore):
    def scan(self, prefix: bytes = b"") -> Iterator[tuple[bytes, Entry]]:
        return (each for number, each in enumerate(super().scan(prefix)) if number < 1000)


class GivesTwiceInAScan(LmdbStore):
    def scan(self, prefix: bytes = b"") -> Iterator[tuple[bytes, Entry]]:
        for each in super().scan(prefix):
            yield from (each, each)


class CutsLongKeys(LmdbStore):
    def get(self, keys: Sequence[bytes]) -> list[Entry | None]:
        return super().get([key[:50_000] for key in keys])

    def put(self, entries: Entries) -> int:
        return super().put((key[:50_000], order, value) for key, order, value in entries)


class TakesDamageForNothing(LmdbStore):
    def get(self, keys: Sequence[bytes]) -> list[Entry | None]:
        try:
            return super().get(keys)
        except CorruptError:
            return [None] * len(keys)


class SaysNothing(LmdbStore):
    lacks = Store.lacks


class NamesBeforeBytes(FileBlobStore):
    def create(self, name: str, data: bytes | memoryview) -> None:
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("xb") as file:
                file.write(data)
        except FileExistsError as error:
            raise AlreadyExistsError(f"blob {name!r} exists") from error


class Overwrites(FileBlobStore):
    def create(self, name: str, data: bytes | memoryview) -> None:
        self.delete(name)
        super().create(name, data)


class LooksThenWrites(FileBlobStore):
    def create(self, name: str, data: bytes | memoryview) -> None:
        if self.path(name).exists():
            raise AlreadyExistsError(f"blob {name!r} exists")
        with tempfile.NamedTemporaryFile(dir=self.root, delete=False) as file:
            file.write(data)
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(file.name, self.path(name))


class AppendsOneByOne(SqliteStream):
    def append(self, topic: str, values: Sequence[bytes], partition: int = 0) -> int:
        for value in values:
            super().append(topic, [value], partition)
        return self.end(topic, partition)


class AppendsTwice(SqliteStream):
    appended = 0

    def append(self, topic: str, values: Sequence[bytes], partition: int = 0) -> int:
        AppendsTwice.appended += 1
        if self.appended % 10 == 0:
            super().append(topic, values, partition)
        return super().append(topic, values, partition)


class CountsFromWhatIsLeft(SqliteStream):
    def end(self, topic: str, partition: int = 0) -> int:
        records = super().read(topic, limit=10**6, partition=partition)
        return records[-1][0] if records else 0


class ReadsOverDamage(SqliteStream):
    def read(self, topic: str, after: int = 0, limit: int = 1000, partition: int = 0) -> list[tuple[int, bytes]]:
        try:
            return super().read(topic, after, limit, partition)
        except CorruptError:
            return []


class WritesAllAnew(DeltaTableStore):
    """Appends by reading and replacing: of two writers one is lost."""

    def write(self, table: str, data: pa.Table, *, mode: Literal["append", "replace"] = "append", **given: Any) -> Snapshot:
        try:
            before = [self.read(self.snapshot(table))] if mode == "append" else []
        except MissingError:
            before = []
        return super().write(table, pa.concat_tables([*before, data]), mode="replace", **given)


class CommitsInParts(DeltaTableStore):
    def write(self, table: str, data: pa.Table, *, mode: Literal["append", "replace"] = "append", **given: Any) -> Snapshot:
        super().write(table, data.slice(0, 1), mode=mode)
        return super().write(table, data.slice(1), **given)


class ForgetsTokens(DeltaTableStore):
    def write(self, table: str, data: pa.Table, *, token: str = "", **given: Any) -> Snapshot:
        return super().write(table, data, **given)


_MULTI = "processes_that_write_at_once_lose_nothing"
#: What is broken, and a test that has to fail.
CASES: dict[type[Any], str] = {
    ForgetsOrder: "a_greater_order_wins_and_a_lesser_one_takes_no_effect",
    OlderHidesNewer: "a_greater_order_wins_and_a_lesser_one_takes_no_effect",
    TiesByArrival: "of_equal_orders_the_greater_value_wins",
    OneByOne: "a_batch_is_seen_whole_or_not_at_all",
    ForgetsWhenClosed: "what_was_kept_is_there_after_opening_again",
    ForgetsDeletes: "what_was_deleted_is_not_there_after_opening_again",
    KeepsItForItself: "what_was_acknowledged_outlives_the_process_that_wrote_it",
    ForgetsTheEndOfAScan: "a_scan_gives_every_entry_of_the_prefix_once",
    GivesTwiceInAScan: "a_scan_gives_every_entry_of_the_prefix_once",
    CutsLongKeys: "long_keys_that_differ_at_the_end_never_meet",
    TakesDamageForNothing: "a_damaged_entry_is_corrupt_and_can_be_replaced",
    SaysNothing: "it_says_what_it_lacks_and_what_could_give_it",
    NamesBeforeBytes: "a_write_that_a_full_disk_cuts_short_is_refused_and_leaves_nothing",
    Overwrites: "a_name_is_written_once",
    LooksThenWrites: "of_eight_creators_of_a_name_one_wins",
    AppendsOneByOne: "what_is_appended_together_is_seen_whole_or_not_at_all",
    AppendsTwice: _MULTI,
    CountsFromWhatIsLeft: "offsets_go_on_where_they_were_after_opening_again",
    ReadsOverDamage: "a_damaged_record_is_corrupt",
    WritesAllAnew: "appends_of_two_threads_are_all_kept",
    CommitsInParts: "a_reader_sees_whole_versions_during_a_hundred_overwrites",
    ForgetsTokens: "of_two_writes_with_a_token_the_first_takes_effect",
}
_OF = {
    LmdbStore: (KeyValueStoreContract, "lmdb:{}/online"),
    FileBlobStore: (BlobStoreContract, "file:{}/blobs"),
    SqliteStream: (StreamContract, "sqlite:{}/streams.db"),
    DeltaTableStore: (TableStoreContract, "file:{}/tables"),
}


def _harm_entry(store: Any, key: bytes) -> None:
    with store._environment.handle.begin(write=True) as transaction:
        transaction.put(stored_key(key), encode(key, 1, b"value")[:-1] + b"?")
        store._environment.stamp(transaction)


def _harm_record(store: Any, offset: int) -> None:
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute(f"UPDATE stream_record SET value = x'00' WHERE place & {2**40 - 1} = {offset}")


def _tests(store: type[Any]) -> type[Any]:
    contract, url_form = next(found for kind, found in _OF.items() if issubclass(store, kind))

    class Tests(contract):  # type: ignore[misc, valid-type]
        @pytest.fixture
        def url(self, tmp_path: Path) -> str:
            return url_form.format(tmp_path)

        @pytest.fixture
        def store(self, url: str) -> Iterator[Any]:
            with store.open(url) as opened:
                yield opened

        def damage(self, opened: Any, *what: Any) -> None:
            _harm_entry(opened, what[0]) if isinstance(opened, LmdbStore) else _harm_record(opened, what[1])

    Tests.__name__ = f"Test{store.__name__}"
    return Tests


if "INTONACO_CAPABILITIES" in os.environ:  # the run that is to find the faults
    globals().update({tests.__name__: tests for tests in map(_tests, CASES)})
