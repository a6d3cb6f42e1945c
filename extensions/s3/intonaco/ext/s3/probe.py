"""Whether a store holds what is asked of it: that of two writers of one name exactly one wins, and that both see it at once.

The probe is an object beside the blobs, `.probe`, made once and left there. Opening a store asks to make it again: a store
that refuses, because it is there, holds to the condition, and one request has shown it. Only if it does not refuse is there
more to ask: either this is the first opening, or the store does not heed the condition.
"""

import secrets
from typing import Any

from botocore.exceptions import ClientError

from intonaco.core.errors import UnavailableError
from intonaco.ext.s3.connection import FAULTS, TAKEN, Connection, code_of, told

__all__ = ["probe"]

_NAME = ".probe"
_NO_BUCKET = ("NoSuchBucket",)
_MADE = ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")
_UNFIT = ("NotImplemented", "501")
_HINT = "concurrent writers would lose data; use a store with conditional writes, or take away the proxy that strips them"


def probe(connection: Connection) -> None:
    """Raise UnavailableError if the store cannot be written, or does not hold its promises; make the bucket if there is none."""
    mine = secrets.token_hex(16).encode()
    try:
        if not connection.run(lambda client: _made(connection, client, mine, make_bucket=True)):
            return
        if connection.run(lambda client: _made(connection, client, b"second")):
            raise _unfit(connection, "it ignores If-None-Match and replaces an object that is to be made only if absent")
        kept, listed = connection.run(lambda client: _seen(connection, client))
    except FAULTS as error:
        raise _explained(connection, error) from error
    if kept != mine or not listed:
        raise _unfit(connection, "what was written is not seen at once by who reads or lists it")


async def _made(connection: Connection, client: Any, data: bytes, make_bucket: bool = False) -> bool:
    """Whether the store made the probe, though it may be there already."""
    where = {"Bucket": connection.place.bucket, "Key": connection.place.key(_NAME)}
    try:
        await connection.bounded(client.put_object(**where, Body=data, IfNoneMatch="*"))
    except ClientError as error:
        if code_of(error) in TAKEN:
            return False
        if make_bucket and code_of(error) in _NO_BUCKET:
            await _make_bucket(connection, client)
            return await _made(connection, client, data)
        raise
    return True


async def _make_bucket(connection: Connection, client: Any) -> None:
    region = client.meta.region_name
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        await connection.bounded(client.create_bucket(Bucket=connection.place.bucket, **where))
    except ClientError as error:
        if code_of(error) not in _MADE:
            raise


async def _seen(connection: Connection, client: Any) -> tuple[bytes, bool]:
    """What a reader reads of the probe, and whether a listing shows it."""
    bucket, key = connection.place.bucket, connection.place.key(_NAME)
    answer = await connection.bounded(client.get_object(Bucket=bucket, Key=key))
    async with answer["Body"] as body:
        data = await body.read()
    listing = await connection.bounded(client.list_objects_v2(Bucket=bucket, Prefix=key))
    return data, any(each["Key"] == key for each in listing.get("Contents", ()))


def _explained(connection: Connection, error: BaseException) -> Exception:
    if code_of(error) in _UNFIT:
        return _unfit(connection, f"it has no conditional writes ({code_of(error)})")
    return told(error, f"{connection.place} cannot be opened")


def _unfit(connection: Connection, reason: str) -> UnavailableError:
    return UnavailableError(f"{connection.place} cannot keep blobs: {reason}", hint=_HINT)
