from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from intonaco.core.errors import SettingsError, UnavailableError
from intonaco.infra.storage.blobs import BlobStore
from intonaco.infra.storage.remote import FsspecBlobStore
from intonaco.infra.testing.blobs import BlobStoreContract


class TestFsspecBlobStore(BlobStoreContract):
    @pytest.fixture
    def root(self) -> str:
        return f"memory:{uuid4().hex}/store"

    @pytest.fixture
    def store(self, root: str) -> Iterator[FsspecBlobStore]:
        with FsspecBlobStore.open(root) as store:
            yield store

    @pytest.fixture
    def reopen(self, root: str) -> Callable[[], BlobStore]:
        return lambda: FsspecBlobStore.open(root)

    def damage(self, store: BlobStore, name: str) -> None:
        assert isinstance(store, FsspecBlobStore)
        data = bytearray(store.read(name))
        data[0] ^= 1
        store.files.pipe_file(f"{store.root}/{name}", bytes(data))

    def test_the_probe_leaves_nothing(self, store: FsspecBlobStore) -> None:
        assert store.files.find(store.root) == []


class _Replacing(MemoryFileSystem):  # type: ignore[misc]
    """Ignores that a name is taken, as some object stores do."""

    cachable = False

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **options: Any) -> None:
        super().pipe_file(path, value, mode="overwrite", **options)


class _Unable(MemoryFileSystem):  # type: ignore[misc]
    cachable = False

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **options: Any) -> None:
        raise NotImplementedError("mode create")


@pytest.mark.parametrize(("files", "reason"), [(_Replacing, "replaces"), (_Unable, "exclusive")])
def test_a_file_system_that_does_not_keep_only_if_absent_is_refused(files: type[MemoryFileSystem], reason: str) -> None:
    with pytest.raises(UnavailableError, match=reason):
        FsspecBlobStore.over(files(), "root")


@pytest.mark.parametrize("url", ["file:/tmp/x", "local:/tmp/x", "nosuch:x", "simplecache:x"])
def test_a_url_that_fsspec_cannot_serve_is_a_settings_error(url: str) -> None:
    with pytest.raises(SettingsError):
        FsspecBlobStore.open(url)
