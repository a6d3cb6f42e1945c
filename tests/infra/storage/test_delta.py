import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import deltalake
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from intonaco.core.errors import ConflictError, CorruptError, MissingError, SchemaError
from intonaco.core.schema import Field, Schema
from intonaco.infra.storage.arrow import to_arrow
from intonaco.infra.storage.delta import delta
from intonaco.infra.storage.delta.delta import DeltaTableStore
from intonaco.infra.storage.files import FileBlobStore
from intonaco.infra.storage.remote import FsspecBlobStore
from intonaco.infra.storage.tables import SupportsExpiry, SupportsPaths, SupportsVerification, TableStore
from intonaco.infra.testing.tables import TableStoreContract


def _numbers(*values: int) -> pa.Table:
    return pa.table({"n": pa.array(values, pa.int64())})


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


class TestDeltaTableStore(TableStoreContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"file:{tmp_path}"

    @pytest.fixture
    def store(self, url: str) -> Iterator[DeltaTableStore]:
        with DeltaTableStore.open(url) as store:
            yield store

    def damage(self, store: TableStore, name: str) -> None:
        assert isinstance(store, DeltaTableStore)
        assert isinstance(store.blobs, FileBlobStore)
        path = store.blobs.path(name)
        _flip(path, path.stat().st_size // 2)


class TestDeltaTableStoreOverMemory(TableStoreContract):
    @pytest.fixture
    def blobs(self) -> FsspecBlobStore:
        return FsspecBlobStore.open(f"memory:{uuid4().hex}")

    @pytest.fixture
    def store(self, blobs: FsspecBlobStore) -> Iterator[DeltaTableStore]:
        with DeltaTableStore(blobs) as store:
            yield store

    @pytest.fixture
    def reopen(self, blobs: FsspecBlobStore) -> Callable[[], TableStore]:
        return lambda: DeltaTableStore(blobs)

    def damage(self, store: TableStore, name: str) -> None:
        assert isinstance(store, DeltaTableStore)
        assert isinstance(store.blobs, FsspecBlobStore)
        data = bytearray(store.blobs.read(name))
        data[len(data) // 2] ^= 1
        store.blobs.files.pipe_file(f"{store.blobs.root}/{name}", bytes(data))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DeltaTableStore]:
    with DeltaTableStore.open(f"file:{tmp_path}") as store:
        yield store


def _log(tmp_path: Path, version: int) -> Path:
    return tmp_path / "default/t/_delta_log" / f"{version:020d}.json"


def test_other_readers_see_every_version(store: DeltaTableStore, tmp_path: Path) -> None:
    schema = Schema(
        (Field("u", "uint64"), Field("c", "str", categories=("x", "y")), Field("v", "float32", shape=(2,)), Field("t", "timestamp"))
    )
    columns = {
        "u": np.array([2**64 - 1], np.uint64),
        "c": np.array(["y"], object),
        "v": np.ones((1, 2), np.float32),
        "t": np.array([7], "datetime64[us]"),
    }
    store.write("default/t", to_arrow(columns, schema))
    store.write("default/t", to_arrow(columns, schema))
    store.write("default/t", _numbers(1), mode="replace")
    folder = f"{tmp_path}/default/t"
    first = pl.scan_delta(folder, version=0).collect()
    assert first.select(pl.col("u").cast(pl.String), "c", "v").row(0) == (str(2**64 - 1), "y", [1.0, 1.0])
    assert first["t"].dt.epoch("us").to_list() == [7]
    assert deltalake.DeltaTable(folder, version=1).to_pyarrow_table().num_rows == 2
    newest = deltalake.DeltaTable(folder)
    assert newest.version() == 2
    assert newest.to_pyarrow_table().to_pydict() == {"n": [1]}
    assert newest.metadata().configuration["delta.enableExpiredLogCleanup"] == "false"
    assert pl.read_delta(folder).to_dict(as_series=False) == {"n": [1]}


def test_files_are_given_for_scanning_once_verified(store: DeltaTableStore, tmp_path: Path) -> None:
    assert isinstance(store, SupportsPaths)
    store.write("default/t", _numbers(1, 2))
    snapshot = store.write("default/t", _numbers(3))
    paths = store.paths(snapshot)
    assert paths is not None
    assert pl.scan_parquet(paths).collect()["n"].to_list() == [1, 2, 3]
    _flip(paths[0], 100)
    with pytest.raises(CorruptError, match=paths[0].name):
        store.paths(snapshot)


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize("how", ["emptied", "shortened", "flipped", "another", "gone"])
def test_a_damaged_log_entry_is_refused_by_name(store: DeltaTableStore, tmp_path: Path, version: int, how: str) -> None:
    for number in range(3):
        store.write("default/t", _numbers(number))
    entry = _log(tmp_path, version)
    data = entry.read_bytes()
    if how == "gone":
        entry.unlink()
    else:
        other = _log(tmp_path, (version + 1) % 3).read_bytes()
        flipped = data[:200] + bytes([data[200] ^ 1]) + data[201:]
        entry.write_bytes({"emptied": b"", "shortened": data[:-2], "flipped": flipped, "another": other}[how])
    with DeltaTableStore.open(f"file:{tmp_path}") as reader:
        if (how, version) == ("gone", 2):  # the catalog, which names table@version, knows better
            with pytest.raises(MissingError):
                reader.snapshot("default/t", 2)
            return
        for wanted in (None, 0, 2):
            with pytest.raises(CorruptError, match=r"default/t/_delta_log/0{19}"):
                reader.snapshot("default/t", wanted)
        with pytest.raises(CorruptError):
            reader.write("default/t", _numbers(9))
        assert len(reader.damaged("default/t")) == 1


def test_a_fork_of_the_log_is_refused(store: DeltaTableStore, tmp_path: Path) -> None:
    store.write("default/t", _numbers(0))
    with DeltaTableStore.open(f"file:{tmp_path}/other") as other:
        other.write("default/t", _numbers(7))
        other.write("default/t", _numbers(8))
    _log(tmp_path, 1).write_bytes(_log(tmp_path / "other", 1).read_bytes())
    with pytest.raises(CorruptError, match="does not follow"):
        store.snapshot("default/t")


def test_damage_is_listed(store: DeltaTableStore, tmp_path: Path) -> None:
    assert isinstance(store, SupportsVerification)
    parts = [store.write("default/t", _numbers(number)).parts[-1].name for number in range(3)]
    assert store.damaged("default/t") == []
    _flip(tmp_path / parts[0], 50)
    (tmp_path / parts[2]).unlink()
    found = store.damaged("default/t")
    assert len(found) == 2
    assert parts[0] in found[0]
    assert parts[2] in found[1]


def test_a_part_changed_after_it_was_verified_is_verified_again(store: DeltaTableStore, tmp_path: Path) -> None:
    snapshot = store.write("default/t", _numbers(1))
    store.read(snapshot)
    _flip(tmp_path / snapshot.parts[0].name, 20)
    with pytest.raises(CorruptError, match=snapshot.parts[0].name):
        store.read(snapshot)


def test_a_lost_part_is_named(store: DeltaTableStore, tmp_path: Path) -> None:
    snapshot = store.write("default/t", _numbers(1))
    (tmp_path / snapshot.parts[0].name).unlink()
    with pytest.raises(CorruptError, match=snapshot.parts[0].name):
        store.read(snapshot)


def test_an_expired_version_is_gone_and_the_rest_stays(store: DeltaTableStore, tmp_path: Path) -> None:
    assert isinstance(store, SupportsExpiry)
    old = store.write("default/t", _numbers(0), token="first")
    kept = store.write("default/t", _numbers(1), mode="replace")
    lost = store.write("default/t", _numbers(2), mode="replace")
    newest = store.write("default/t", _numbers(3), mode="replace")
    (tmp_path / "default/t/part-0000000000000001-abc.parquet").write_bytes(b"left by a killed writer")
    time.sleep(0.001)
    assert store.expirable("default/t", [1], older_than_s=3600) == ["default/t/part-0000000000000001-abc.parquet"]
    with DeltaTableStore.open(f"file:{tmp_path}") as other:
        assert other.read(lost).num_rows == 1
        removed = store.expire("default/t", [1], older_than_s=0)
        assert sorted(removed) == sorted([old.parts[0].name, lost.parts[0].name, "default/t/part-0000000000000001-abc.parquet"])
        for gone in (old, lost):
            with pytest.raises(MissingError, match="removed by intonaco gc"):
                other.read(gone)
            with pytest.raises(MissingError, match="removed by intonaco gc"):
                other.snapshot("default/t", gone.version)
        assert other.read(kept)["n"].to_pylist() == [1]
        assert other.snapshot("default/t").digest == newest.digest
    assert store.expire("default/t", [1], older_than_s=0) == []
    assert store.write("default/t", _numbers(9), token="first") == old
    assert store.damaged("default/t") == []
    assert pl.read_delta(f"{tmp_path}/default/t")["n"].to_list() == [3]


def test_a_long_log_is_read_once(store: DeltaTableStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        store.write("default/t", _numbers(number))
    reads: list[str] = []
    read = FileBlobStore.read

    def noted(blobs: FileBlobStore, name: str) -> bytes:
        reads.append(name)
        return read(blobs, name)

    monkeypatch.setattr(FileBlobStore, "read", noted)
    store.snapshot("default/t")
    store.snapshot("default/t", 2)
    assert reads == ["default/t/_delta_log/00000000000000000005.json"]


def test_a_large_write_is_several_parts(store: DeltaTableStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delta, "ROWS_PER_PART", 1000)
    snapshot = store.write("default/t", pa.table({"n": np.arange(2001)}))
    assert [part.rows for part in snapshot.parts] == [1000, 1000, 1]
    assert store.read(snapshot)["n"].to_pylist() == list(range(2001))


def test_what_polars_holds_is_kept(store: DeltaTableStore) -> None:
    rows = pl.DataFrame({"c": ["a", None], "e": ["x", "y"], "l": [[1], []], "v": [[1.0, 2.0]] * 2, "t": [1, 2]}).with_columns(
        pl.col("c").cast(pl.Categorical),
        pl.col("e").cast(pl.Enum(["x", "y", "z"])),
        pl.col("v").cast(pl.Array(pl.Float32, 2)),
        pl.col("t").cast(pl.Datetime("us", "UTC")),
    )
    snapshot = store.write("default/t", rows.to_arrow())
    assert [each.categories for each in snapshot.schema][:2] == [("a",), ("x", "y", "z")]
    assert store.write("default/t", rows.to_arrow()).rows == 4
    found = pl.from_arrow(store.read(snapshot))
    assert isinstance(found, pl.DataFrame)
    assert found.with_columns(pl.col("c", "e").cast(pl.String)).equals(rows.with_columns(pl.col("c", "e").cast(pl.String)))


@pytest.mark.parametrize("columns", [[], ["a", "A"], [""], ["a", "b", "a"]])
def test_columns_that_delta_readers_cannot_tell_apart_are_refused(store: DeltaTableStore, columns: list[str]) -> None:
    with pytest.raises(SchemaError):
        store.write("default/t", pa.Table.from_arrays([pa.array([1])] * len(columns), names=columns))
    assert store.names() == []
    store.write("default/t", pa.table({"a": [1], "b": [1]}))
    with pytest.raises(SchemaError):
        store.write("default/t", pa.Table.from_arrays([pa.array([1])] * len(columns), names=columns))


def test_parts_of_batches_that_broke_off_are_collected(store: DeltaTableStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delta, "ROWS_PER_PART", 10)

    def breaking() -> Iterator[pa.Table]:
        yield _numbers(*range(25))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.write("default/new", breaking())
    assert len(store.leftovers(-60)) == 2
    for leftover in store.leftovers(-60):
        store.remove_leftover(leftover)
    assert list(store.blobs.names()) == []
    before = store.write("default/t", _numbers(1))
    with pytest.raises(KeyboardInterrupt):
        store.write("default/t", breaking())
    assert store.snapshot("default/t") == before
    assert len(store.expire("default/t", [], -60)) == 2


def test_batches_for_a_table_that_gets_another_schema_meanwhile_are_refused(store: DeltaTableStore, tmp_path: Path) -> None:
    store.write("default/t", _numbers(1))

    def batches() -> Iterator[pa.Table]:
        yield _numbers(2)
        with DeltaTableStore.open(f"file:{tmp_path}") as other:
            other.write("default/t", pa.table({"s": ["x"]}), mode="replace")

    with pytest.raises(ConflictError, match="default/t got another schema"):
        store.write("default/t", batches())
    assert store.read(store.snapshot("default/t")).to_pydict() == {"s": ["x"]}
