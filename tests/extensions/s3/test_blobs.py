from collections.abc import Callable, Iterator

import pytest

from intonaco.core.errors import AlreadyExistsError, CorruptError, InvalidError, MissingError, SettingsError, UnavailableError
from intonaco.ext.s3.blobs import S3BlobStore
from intonaco.infra.storage.blobs import BlobStore, SupportsLeftovers, SupportsManyReads, SupportsStatuses, put, read_many
from intonaco.infra.testing.blobs import BlobStoreContract

pytest_plugins = ("intonaco.ext.s3.testing",)
pytestmark = pytest.mark.slow

LARGE = 20 * 1024 * 1024


def flip(store: S3BlobStore, name: str) -> None:
    """Change one bit of an object, which keeps its length."""
    data = bytearray(store.read(name))
    data[len(data) // 2] ^= 1
    place = store.connection.place
    store.connection.ask("", lambda client: client.put_object(Bucket=place.bucket, Key=place.key(name), Body=bytes(data)))


class TestS3BlobStore(BlobStoreContract):
    @pytest.fixture
    def store(self, s3: str) -> Iterator[S3BlobStore]:
        with S3BlobStore.open(s3) as store:
            yield store

    @pytest.fixture
    def reopen(self, s3: str) -> Callable[[], BlobStore]:
        return lambda: S3BlobStore.open(s3)

    def damage(self, store: BlobStore, name: str) -> None:
        assert isinstance(store, S3BlobStore)
        flip(store, name)
