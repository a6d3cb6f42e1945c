import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from intonaco.core.errors import AlreadyExistsError, CorruptError, InvalidError, MissingError, SettingsError, UnavailableError
from intonaco.infra.storage.blobs import BlobStore, SupportsLeftovers, SupportsPath
from intonaco.infra.storage.files import FileBlobStore
from intonaco.infra.testing.blobs import BlobStoreContract


class TestFileBlobStore(BlobStoreContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"file:{tmp_path}/deep/store"

    @pytest.fixture
    def store(self, url: str) -> Iterator[FileBlobStore]:
        with FileBlobStore.open(url) as store:
            yield store

    def damage(self, store: BlobStore, name: str) -> None:
        assert isinstance(store, FileBlobStore)
        path = store.path(name)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

    def test_it_says_where_blobs_lie_and_what_was_left(self, store: FileBlobStore) -> None:
        assert isinstance(store, SupportsPath)
        assert isinstance(store, SupportsLeftovers)
        store.create("a/b", b"x")
        assert store.path("a/b").read_bytes() == b"x"
        assert store.leftovers(0) == []

    def test_what_a_killed_writer_left_is_no_blob_and_can_be_removed(self, store: FileBlobStore) -> None:
        store.create("a/b", b"x")
        (store.path("a/b").parent / ".0123.tmp").write_bytes(b"half")
        assert list(store.names()) == ["a/b"]
        assert store.leftovers(3600) == []
        assert store.leftovers(-1) == ["a/.0123.tmp"]
        assert store.remove_leftover("a/.0123.tmp") == 4
        assert store.remove_leftover("a/.0123.tmp") == 0
        assert store.leftovers(-1) == []

    @pytest.mark.parametrize("leftover", ["a/b", "../.x.tmp", "/.x.tmp", "a/../.x.tmp", ".tmp.", "a/..tmp"])
    def test_only_leftovers_are_removed_as_such(self, store: FileBlobStore, leftover: str) -> None:
        store.create("a/b", b"x")
        with pytest.raises(InvalidError):
            store.remove_leftover(leftover)
        assert store.read("a/b") == b"x"

    def test_no_link_is_followed_by_any_verb(self, store: FileBlobStore, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "secret").write_bytes(b"secret")
        (store.root / "folder").symlink_to(outside)
        (store.root / "file").symlink_to(outside / "secret")
        for name in ("folder/secret", "file"):
            with pytest.raises(CorruptError, match="symbolic link"):
                store.read(name)
        for name in ("folder/new", "file"):
            with pytest.raises(AlreadyExistsError):
                store.create(name, b"x")
        store.delete("folder/secret")
        store.delete("file")
        assert list(store.names()) == list(store.names("folder/")) == []
        assert [path.name for path in outside.iterdir()] == ["secret"]
        assert (outside / "secret").read_bytes() == b"secret"

    def test_a_named_pipe_does_not_hang_the_reader(self, store: FileBlobStore) -> None:
        os.mkfifo(store.root / "pipe")
        with pytest.raises(MissingError):
            store.read("pipe")

    def test_a_blob_below_a_blob_is_refused(self, store: FileBlobStore) -> None:
        store.create("a", b"x")
        with pytest.raises(AlreadyExistsError):
            store.create("a/b", b"x")

    @pytest.mark.parametrize("call", ["write", "fsync"])
    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
    def test_a_failed_call_is_one_error_and_nothing_stays(
        self, store: FileBlobStore, monkeypatch: pytest.MonkeyPatch, call: str, number: int
    ) -> None:
        def fail(*_: object) -> int:
            raise OSError(number, os.strerror(number))

        store.create("a/before", b"x")
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            with pytest.raises(UnavailableError, match=os.strerror(number)) as caught:
                store.create("a/new", b"x")
        assert str(store.root / "a/new") in str(caught.value)
        assert list(store.names()) == ["a/before"]
        assert store.leftovers(-1) == []
        store.create("a/new", b"x")

    def test_a_failed_sync_of_the_folder_takes_the_name_back(self, store: FileBlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
        store.create("a/before", b"x")
        synced = os.fsync
        calls = []

        def fail_second(number: int) -> None:
            calls.append(number)
            if len(calls) == 2:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            synced(number)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fail_second)
            with pytest.raises(UnavailableError):
                store.create("a/new", b"x")
        assert list(store.names()) == ["a/before"]

    def test_short_writes_are_continued(self, store: FileBlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
        write = os.write
        monkeypatch.setattr(os, "write", lambda opened, data: write(opened, data[:7]))
        store.create("a", bytes(range(100)))
        assert store.read("a") == bytes(range(100))

    @pytest.mark.parametrize("url", ["file:", "file://host/x", "file:x?option=1"])
    def test_a_url_that_is_no_folder_is_refused(self, url: str) -> None:
        with pytest.raises(SettingsError, match="file:"):
            FileBlobStore.open(url)

    def test_a_root_that_is_a_file_is_unavailable(self, tmp_path: Path) -> None:
        (tmp_path / "x").write_bytes(b"")
        with pytest.raises(UnavailableError, match="x"):
            FileBlobStore.open(f"file:{tmp_path}/x")
