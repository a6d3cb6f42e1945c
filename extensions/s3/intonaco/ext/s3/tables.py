"""Delta tables in a bucket."""

from typing import Self

from intonaco.core.urls import StoreUrl
from intonaco.ext.s3.blobs import S3BlobStore
from intonaco.infra.storage.delta.delta import DeltaTableStore

__all__ = ["S3TableStore"]


class S3TableStore(DeltaTableStore):
    """Delta tables over `S3BlobStore`: `s3://BUCKET/PREFIX?timeout_s=10`."""

    @classmethod
    def open(cls, url: StoreUrl | str) -> Self:
        return cls(S3BlobStore.open(url))
