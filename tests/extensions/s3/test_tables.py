import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import deltalake
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from intonaco.core.errors import CorruptError
from intonaco.core.schema import Field, Schema
from intonaco.ext.s3.blobs import S3BlobStore
from intonaco.ext.s3.local import LocalS3
from intonaco.ext.s3.proxy import Proxy
from intonaco.ext.s3.tables import S3TableStore
from intonaco.infra.storage.arrow import to_arrow
from intonaco.infra.storage.tables import SupportsExpiry, SupportsPaths, TableStore
from intonaco.infra.testing.tables import TableStoreContract

pytest_plugins = ("intonaco.ext.s3.testing",)
pytestmark = pytest.mark.slow


class TestS3TableStore(TableStoreContract):
    @pytest.fixture
    def url(self, s3: str) -> str:
        return s3

    @pytest.fixture
    def store(self, s3: str) -> Iterator[S3TableStore]:
        with S3TableStore.open(s3) as store:
            yield store

    def damage(self, store: TableStore, name: str) -> None:
        assert isinstance(store, S3TableStore)
        assert isinstance(store.blobs, S3BlobStore)
        data = bytearray(store.blobs.read(name))
        data[len(data) // 2] ^= 1
        place = store.blobs.connection.place
        store.blobs.connection.ask("", lambda client: client.put_object(Bucket=place.bucket, Key=place.key(name), Body=bytes(data)))


@pytest.fixture
def store(s3: str) -> Iterator[S3TableStore]:
    with S3TableStore.open(s3) as store:
        yield store


@pytest.fixture
def options(s3: str) -> dict[str, str]:
    """What other readers need beside the URL."""
    return {name: value for name, value in os.environ.items() if name.startswith("AWS_")} | {"AWS_ALLOW_HTTP": "true"}


def _numbers(*values: int) -> pa.Table:
    return pa.table({"n": pa.array(values, pa.int64())})


def test_other_readers_see_every_version(store: S3TableStore, s3: str, options: dict[str, str]) -> None:
    schema = Schema((Field("u", "uint64"), Field("c", "str", categories=("x", "y")), Field("t", "timestamp")))
    columns = {"u": np.array([2**64 - 1], np.uint64), "c": np.array(["y"], object), "t": np.array([7], "datetime64[us]")}
    store.write("default/t", to_arrow(columns, schema))
    store.write("default/t", to_arrow(columns, schema))
    store.write("default/t", _numbers(1), mode="replace")
    url = f"{s3}/default/t"
    first = pl.scan_delta(url, version=0, storage_options=options).collect()
    assert first.select(pl.col("u").cast(pl.String), "c").row(0) == (str(2**64 - 1), "y")
    assert deltalake.DeltaTable(url, version=1, storage_options=options).to_pyarrow_table().num_rows == 2
    newest = deltalake.DeltaTable(url, storage_options=options)
    assert (newest.version(), newest.to_pyarrow_table().to_pydict()) == (2, {"n": [1]})


def test_an_entry_of_another_writer_is_refused_by_name(store: S3TableStore, s3: str, options: dict[str, str]) -> None:
    store.write("default/t", _numbers(1))
    deltalake.write_deltalake(f"{s3}/default/t", _numbers(2), mode="append", storage_options={**options, "aws_conditional_put": "etag"})
    with pytest.raises(CorruptError, match=r"00000000000000000001\.json"):
        store.snapshot("default/t")


def test_many_small_parts_are_fetched_side_by_side(
    s3: str, s3_server: LocalS3, store: S3TableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        store.write("default/t", _numbers(number))
    snapshot = store.snapshot("default/t")
    under_way, most, lock = 0, 0, threading.Lock()
    together = threading.Event()

    def seen(method: str, path: str) -> None:
        nonlocal under_way, most
        if "part-" not in path:
            return
        with lock:
            under_way += 1
            most = max(most, under_way)
        if most > 3:
            together.set()
        together.wait(5)
        with lock:
            under_way -= 1

    with Proxy(environ=s3_server.environ, seen=seen) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.through["AWS_ENDPOINT_URL"])
        with S3TableStore.open(s3) as other:
            assert other.read(snapshot)["n"].to_pylist() == list(range(12))
    assert most > 3


def test_parts_that_were_read_are_kept_for_the_next_reader(store: S3TableStore, s3: str) -> None:
    snapshot = store.write("default/t", pa.table({"a": [1], "b": [2]}))
    assert store.read(snapshot, ["a"]).to_pydict() == {"a": [1]}
    store.blobs.delete(snapshot.parts[0].name)
    assert store.read(snapshot, ["b"]).to_pydict() == {"b": [2]}


def test_appends_of_many_threads_are_all_kept(store: S3TableStore) -> None:
    with ThreadPoolExecutor(4) as threads:
        versions = list(threads.map(lambda number: store.write("default/t", _numbers(number)).version, range(12)))
    assert sorted(versions) == list(range(12))


def test_old_versions_go_when_asked_and_the_store_says_what_it_cannot(store: S3TableStore) -> None:
    assert isinstance(store, SupportsExpiry)
    assert isinstance(store, SupportsPaths)
    for number in range(3):
        store.write("default/t", _numbers(number), mode="replace")
    assert store.paths(store.snapshot("default/t")) is None
    assert len(store.expire("default/t", [], -60)) == 2
    assert store.read(store.snapshot("default/t"))["n"].to_pylist() == [2]
