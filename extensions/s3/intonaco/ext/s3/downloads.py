"""How an object is read: whole, its length and its checksum compared by the client."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from intonaco.ext.s3.connection import ATTEMPTS, Connection

__all__ = ["fetch"]


async def fetch(connection: Connection, client: Any, name: str) -> bytes:
    """The bytes of a blob; botocore's errors as they come. An answer that breaks off is asked for anew."""
    for attempt in range(ATTEMPTS):
        try:
            return await _fetched(connection, client, name)
        except ClientError:
            raise
        except (BotoCoreError, OSError):
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


async def _fetched(connection: Connection, client: Any, name: str) -> bytes:
    place = connection.place
    answer = await connection.bounded(client.get_object(Bucket=place.bucket, Key=place.key(name)))
    async with answer["Body"] as body:
        data: bytes = await body.read()
    return data
