"""How an object is read: whole, its length and its checksum compared by the client."""

from typing import Any

from botocore.exceptions import BotoCoreError

from intonaco.ext.s3.connection import ATTEMPTS, Connection

__all__ = ["fetch"]


async def fetch(connection: Connection, client: Any, name: str) -> bytes:
    """The bytes of a blob; botocore's errors as they come.

    The client repeats a request that is not answered; one whose answer breaks off is repeated here.
    """
    place = connection.place
    attempt = 1
    while True:
        answer = await connection.bounded(client.get_object(Bucket=place.bucket, Key=place.key(name)))
        try:
            async with answer["Body"] as body:
                data: bytes = await body.read()
            return data
        except (BotoCoreError, OSError):
            if attempt == ATTEMPTS:
                raise
            attempt += 1
