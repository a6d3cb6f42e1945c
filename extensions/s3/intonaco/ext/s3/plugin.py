"""What the s3 extension offers; light to import."""

from intonaco.core.plugins import hookimpl


@hookimpl
def blob_stores() -> dict[str, str]:
    return {"s3": "intonaco.ext.s3.blobs:S3BlobStore"}


@hookimpl
def table_stores() -> dict[str, str]:
    return {"s3": "intonaco.ext.s3.tables:S3TableStore"}
