"""How an object comes into being: whole, only if its name is free, and with a token that tells whose it is.

A request whose answer was lost may have taken effect. So each upload carries a token in the object's metadata, and whoever
does not know how his upload ended looks at what is there: his own token says that he was first.
"""

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import Any

from attrs import frozen
from botocore.exceptions import ClientError

from intonaco.ext.s3.connection import ABSENT, FAULTS, TAKEN, Connection, code_of

__all__ = ["PART_BYTES", "Found", "look", "refresh", "send"]

#: What is larger goes in parts of this size; S3 asks for at least 5 MiB.
PART_BYTES = 8 * 1024 * 1024
_PARTS = 10_000
_SENDING = 4
_TOKEN = "intonaco-token"


@frozen(kw_only=True)
class Found:
    """What stands under a key."""

    token: str
    etag: str
    size_bytes: int
    changed: datetime


async def look(connection: Connection, client: Any, key: str) -> Found | None:
    """What stands under the key; None if nothing does."""
    try:
        answer = await connection.bounded(client.head_object(Bucket=connection.place.bucket, Key=key))
    except ClientError as error:
        if code_of(error) in ABSENT:
            return None
        raise
    token = answer.get("Metadata", {}).get(_TOKEN, "")
    return Found(token=token, etag=answer["ETag"], size_bytes=answer["ContentLength"], changed=answer["LastModified"])


async def refresh(connection: Connection, client: Any, key: str, found: Found) -> bool:
    """Make an object young again by copying it onto itself; False if it is gone or another by now."""
    where = {"Bucket": connection.place.bucket, "Key": key}
    kept = {"MetadataDirective": "REPLACE", "Metadata": {_TOKEN: found.token}, "CopySourceIfMatch": found.etag}
    try:
        await connection.bounded(client.copy_object(**where, CopySource=where, **kept))
    except ClientError as error:
        if code_of(error) in (*ABSENT, *TAKEN):
            return False
        raise
    return True


async def send(connection: Connection, client: Any, key: str, data: memoryview, token: str) -> None:
    """Create the object; botocore's errors as they come."""
    if len(data) > PART_BYTES:
        await _send_in_parts(connection, client, key, data, token)
        return
    where = {"Bucket": connection.place.bucket, "Key": key}
    await connection.bounded(client.put_object(**where, Body=bytes(data), IfNoneMatch="*", Metadata={_TOKEN: token}))


async def _send_in_parts(connection: Connection, client: Any, key: str, data: memoryview, token: str) -> None:
    where = {"Bucket": connection.place.bucket, "Key": key}
    begun = await connection.bounded(client.create_multipart_upload(**where, Metadata={_TOKEN: token}, ChecksumAlgorithm="CRC32"))
    where["UploadId"] = begun["UploadId"]
    try:
        parts = await _parts(connection, client, where, data)
        await connection.bounded(client.complete_multipart_upload(**where, MultipartUpload={"Parts": parts}, IfNoneMatch="*"))
    except BaseException:
        with suppress(*FAULTS):
            await connection.bounded(client.abort_multipart_upload(**where))
        raise


async def _parts(connection: Connection, client: Any, where: dict[str, str], data: memoryview) -> list[dict[str, Any]]:
    size = max(PART_BYTES, -(-len(data) // _PARTS))
    slots = asyncio.Semaphore(_SENDING)

    async def sent(number: int) -> dict[str, Any]:
        async with slots:
            body = bytes(data[(number - 1) * size : number * size])
            answer = await connection.bounded(client.upload_part(**where, PartNumber=number, Body=body, ChecksumAlgorithm="CRC32"))
            checksum = {"ChecksumCRC32": answer["ChecksumCRC32"]} if "ChecksumCRC32" in answer else {}
            return {"PartNumber": number, "ETag": answer["ETag"], **checksum}

    try:
        async with asyncio.TaskGroup() as tasks:
            sending = [tasks.create_task(sent(number)) for number in range(1, -(-len(data) // size) + 1)]
    except ExceptionGroup as several:  # the first tells why the others were cancelled
        raise several.exceptions[0] from several
    return [each.result() for each in sending]
