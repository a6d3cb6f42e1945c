"""How an object comes into being: whole, only if its name is free, and with a token that tells whose it is.

A request whose answer was lost may have taken effect. So each upload carries a token in the object's metadata, and whoever
does not know how his upload ended looks at what is there: his own token says that he was first.
"""

from datetime import datetime
from typing import Any

from attrs import frozen
from botocore.exceptions import ClientError

from intonaco.ext.s3.connection import ABSENT, TAKEN, Connection, code_of

__all__ = ["MOST_BYTES", "Found", "look", "refresh", "send"]

#: What one request can carry.
MOST_BYTES = 5 * 1024**3
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


async def send(connection: Connection, client: Any, key: str, data: bytes, token: str) -> None:
    """Create the object; botocore's errors as they come.

    It is one request whatever its size: where uploads in parts are ended at the same time, SeaweedFS looks at the condition
    first and replaces then, so that in 8 of 15 races several of four writers won; of single requests it lets one win.
    """
    asked = client.put_object(Bucket=connection.place.bucket, Key=key, Body=data, IfNoneMatch="*", Metadata={_TOKEN: token})
    await connection.bounded(asked, len(data))
