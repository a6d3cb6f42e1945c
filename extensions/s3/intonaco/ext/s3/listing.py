"""What is in a bucket: blobs, and what interrupted writers left, which is no blob."""

from collections.abc import Awaitable, Iterator
from functools import partial
from typing import Any

from intonaco.core.errors import InvalidError
from intonaco.ext.s3.connection import ABSENT, Connection, code_of
from intonaco.infra.storage.blobs import BlobStatus

__all__ = ["abort", "interrupted", "objects", "remove"]

_MARK = "#"  # no part of an upload's number
_GONE = (*ABSENT, "NoSuchUpload")


def objects(connection: Connection, prefix: str) -> list[BlobStatus]:
    """The blobs whose names start with the prefix, sorted; what starts with a dot is none."""
    skipped = len(connection.place.prefix)
    pages = _pages(connection, "list_objects_v2", prefix, "ContinuationToken", "NextContinuationToken")
    found = [
        BlobStatus(name=each["Key"][skipped:], size_bytes=each["Size"], changed_s=each["LastModified"].timestamp())
        for page in pages
        for each in page.get("Contents", ())
    ]
    return sorted((each for each in found if not each.name.startswith(".")), key=lambda each: each.name)


def remove(connection: Connection, name: str) -> None:
    """Remove a blob, if it is there."""
    place = connection.place
    connection.ask(f"blob {name!r} could not be removed", lambda client: client.delete_object(Bucket=place.bucket, Key=place.key(name)))


def interrupted(connection: Connection, before_s: float) -> list[str]:
    """Uploads in parts that were begun before this moment and not ended, as `NAME#UPLOAD`.

    We make none, but other writers below the prefix may have, and who pays for the bucket pays for them.
    """
    skipped = len(connection.place.prefix)
    pages = _pages(connection, "list_multipart_uploads", "", "KeyMarker", "NextKeyMarker", "UploadIdMarker", "NextUploadIdMarker")
    uploads = [each for page in pages for each in page.get("Uploads", ()) if each["Initiated"].timestamp() < before_s]
    return sorted(f"{each['Key'][skipped:]}{_MARK}{each['UploadId']}" for each in uploads)


def abort(connection: Connection, leftover: str) -> int:
    """Remove the parts of such an upload and return their bytes."""
    name, _, upload = leftover.rpartition(_MARK)
    if not upload or not name:
        raise InvalidError(f"{leftover!r} is not what an interrupted writer leaves")
    where = {"Bucket": connection.place.bucket, "Key": connection.place.key(name), "UploadId": upload}

    async def aborted(client: Any) -> int:
        try:
            parts = (await client.list_parts(**where)).get("Parts", ())
            await client.abort_multipart_upload(**where)
        except client.exceptions.ClientError as error:
            if code_of(error) in _GONE:
                return 0
            raise
        return sum(part["Size"] for part in parts)

    return connection.ask(f"the upload of {name!r} could not be removed", aborted)


def _pages(connection: Connection, verb: str, prefix: str, *markers: str) -> Iterator[dict[str, Any]]:
    """Each page of a listing; `markers` are pairs: how the next page is asked for, and where the last page says it."""
    start = connection.place.key(prefix)
    asked: dict[str, str] = {"Bucket": connection.place.bucket, "Prefix": start}
    while True:
        page = connection.ask(f"{start!r} could not be listed", partial(_page, verb, asked))
        yield page
        if not page.get("IsTruncated"):
            return
        nexts = zip(markers[::2], markers[1::2], strict=True)
        asked = {**asked, **{ask: page[told] for ask, told in nexts if page.get(told)}}


def _page(verb: str, asked: dict[str, str], client: Any) -> Awaitable[dict[str, Any]]:
    page: Awaitable[dict[str, Any]] = getattr(client, verb)(**asked)
    return page
