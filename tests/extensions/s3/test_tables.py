from collections.abc import Callable, Iterator

import pytest

from intonaco.ext.s3.blobs import S3BlobStore
from intonaco.ext.s3.tables import S3TableStore
from intonaco.infra.storage.tables import TableStore
from intonaco.infra.testing.tables import TableStoreContract

pytest_plugins = ("intonaco.ext.s3.testing",)
pytestmark = pytest.mark.slow


class TestS3TableStore(TableStoreContract):
    @pytest.fixture
    def store(self, s3: str) -> Iterator[S3TableStore]:
        with S3TableStore.open(s3) as store:
            yield store

    @pytest.fixture
    def reopen(self, s3: str) -> Callable[[], TableStore]:
        return lambda: S3TableStore.open(s3)

    def damage(self, store: TableStore, name: str) -> None:
        assert isinstance(store, S3TableStore)
        assert isinstance(store.blobs, S3BlobStore)
        data = bytearray(store.blobs.read(name))
        data[len(data) // 2] ^= 1
        place = store.blobs.connection.place
        store.blobs.connection.ask("", lambda client: client.put_object(Bucket=place.bucket, Key=place.key(name), Body=bytes(data)))
