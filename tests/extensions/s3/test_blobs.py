import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from intonaco.core.errors import AlreadyExistsError, InvalidError, MissingError, SettingsError
from intonaco.ext.s3 import blobs as implementation
from intonaco.ext.s3.blobs import S3BlobStore
from intonaco.ext.s3.local import LocalS3
from intonaco.ext.s3.proxy import Proxy
from intonaco.infra.storage.blobs import BlobStore, SupportsLeftovers, SupportsManyReads, SupportsStatuses
from intonaco.infra.testing.blobs import BlobStoreContract

pytest_plugins = ("intonaco.ext.s3.testing",)
pytestmark = pytest.mark.slow

LARGE = 20 * 1024 * 1024


def overwrite(store: S3BlobStore, name: str, data: bytes) -> None:
    place = store.connection.place
    store.connection.ask("", lambda client: client.put_object(Bucket=place.bucket, Key=place.key(name), Body=data))


def begin(store: S3BlobStore, name: str) -> None:
    """What a writer leaves that is killed after its first part."""
    where = {"Bucket": store.connection.place.bucket, "Key": store.connection.place.key(name)}
    upload = store.connection.ask("", lambda client: client.create_multipart_upload(**where))["UploadId"]
    store.connection.ask("", lambda client: client.upload_part(**where, UploadId=upload, PartNumber=1, Body=b"half"))


class TestS3BlobStore(BlobStoreContract):
    @pytest.fixture
    def url(self, s3: str) -> str:
        return s3

    @pytest.fixture
    def store(self, s3: str) -> Iterator[S3BlobStore]:
        with S3BlobStore.open(s3) as store:
            yield store

    def damage(self, store: BlobStore, name: str) -> None:
        assert isinstance(store, S3BlobStore)
        data = bytearray(store.read(name))
        data[len(data) // 2] ^= 1
        overwrite(store, name, bytes(data))


@pytest.fixture
def store(s3: str) -> Iterator[S3BlobStore]:
    with S3BlobStore.open(s3) as store:
        yield store


def test_a_large_blob_is_written_once(store: S3BlobStore) -> None:
    data = os.urandom(LARGE)
    store.create("large", memoryview(data))
    assert store.read("large") == data
    with pytest.raises(AlreadyExistsError, match="'large'"):
        store.create("large", data)
    assert store.leftovers(0) == []


@pytest.mark.parametrize("size", [10, 9 * 1024 * 1024])
def test_of_four_writers_of_equal_bytes_one_wins(store: S3BlobStore, size: int) -> None:
    def create(_: int) -> bool:
        try:
            store.create("same", bytes(size))
        except AlreadyExistsError:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(create, range(4))) == 1
    assert store.read("same") == bytes(size)


@pytest.mark.parametrize("size", [10, 9 * 1024 * 1024])
def test_a_writer_whose_answer_was_lost_knows_that_it_won(s3: str, s3_server: LocalS3, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    lost: list[str] = []

    def lose(method: str, path: str) -> bool:
        if path.endswith("/mine") and method == "PUT" and not lost:
            lost.append(path)
            return True
        return False

    with Proxy(environ=s3_server.environ, lose=lose) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.through["AWS_ENDPOINT_URL"])
        with S3BlobStore.open(s3) as store:
            store.create("mine", bytes(size))
            assert len(lost) == 1
            with pytest.raises(AlreadyExistsError):
                store.create("mine", bytes(size))
            assert store.leftovers(0) == []


def test_an_upload_that_never_ended_is_no_blob_and_can_be_removed(store: S3BlobStore) -> None:
    assert isinstance(store, SupportsLeftovers)
    begin(store, "a/half")
    assert list(store.names()) == []
    assert store.leftovers(60) == []
    (leftover,) = store.leftovers(-60)
    assert leftover.startswith("a/half#")
    assert store.remove_leftover(leftover) == 4
    assert store.remove_leftover(leftover) == 0
    assert store.leftovers(-60) == []


@pytest.mark.parametrize("leftover", ["a", "a#", "#1", ".probe"])
def test_only_leftovers_are_removed_as_such(store: S3BlobStore, leftover: str) -> None:
    with pytest.raises(InvalidError):
        store.remove_leftover(leftover)


def test_sizes_and_ages_are_told(store: S3BlobStore) -> None:
    assert isinstance(store, SupportsStatuses)
    for name, data in (("b", b"12"), ("a/x", b"1"), ("c", b"")):
        store.create(name, data)
    assert [(each.name, each.size_bytes) for each in store.statuses()] == [("a/x", 1), ("b", 2), ("c", 0)]
    assert all(abs(each.changed_s - time.time()) < 60 for each in store.statuses())


def test_an_old_blob_that_a_writer_finds_there_is_young_again(store: S3BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.create("kept", b"content")
    before = next(store.statuses("kept")).changed_s
    time.sleep(1.1)
    monkeypatch.setattr(implementation, "_YOUNG_S", 0.5)
    with pytest.raises(AlreadyExistsError):
        store.create("kept", b"content")
    assert next(store.statuses("kept")).changed_s > before
    assert store.read("kept") == b"content"


def test_many_blobs_are_read_in_the_order_asked_for(store: S3BlobStore) -> None:
    assert isinstance(store, SupportsManyReads)
    names = [f"many/{number}" for number in range(40)]
    for name in names:
        store.create(name, name.encode())
    assert list(store.read_many(names[::-1])) == [name.encode() for name in names[::-1]]
    reading = store.read_many([names[0], "nothing"])
    assert next(reading) == b"many/0"
    with pytest.raises(MissingError, match="'nothing'"):
        next(reading)


def test_more_names_than_a_page_holds_are_listed(store: S3BlobStore) -> None:
    names = sorted(f"page/{number}" for number in range(1100))
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: store.create(name, b""), names))
    assert list(store.names("page/")) == names


def test_a_name_that_is_too_long_for_the_prefix_is_refused(store: S3BlobStore) -> None:
    with pytest.raises(InvalidError, match="1024 bytes"):
        store.create("/".join(["a" * 198] * 5), b"")


def test_stores_with_neighbouring_prefixes_do_not_mix(s3: str) -> None:
    with S3BlobStore.open(f"{s3}/a") as one, S3BlobStore.open(f"{s3}/ab") as other:
        one.create("x", b"1")
        begin(other, "y")
        assert (list(one.names()), list(other.names())) == (["x"], [])
        assert (one.leftovers(-60), len(other.leftovers(-60))) == ([], 1)


def test_a_closed_store_lets_its_connections_go_and_the_others_stay(s3: str) -> None:
    with S3BlobStore.open(s3) as first:
        with S3BlobStore.open(s3) as second:
            second.create("a", b"1")
        second.close()
        assert first.read("a") == b"1"


@pytest.mark.parametrize(
    "url",
    [
        "s3:",
        "s3:bucket",
        "s3:///prefix",
        "s3://host:90/x",
        "s3://ab/x",
        "s3://-ab/x",
        "s3://key:secret@bucket/x",
        "s3://b/x?size=1",
        "s3://b/x?timeout_s=no",
        "s3://b?timeout_s=0",
    ],
)
def test_a_url_that_cannot_be_meant_is_a_settings_error(url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        S3BlobStore.open(url)
    assert "secret" not in str(refused.value).replace("AWS_SECRET_ACCESS_KEY", "")
