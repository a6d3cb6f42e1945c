"""How an object is read: whole, its length and its checksum compared by the client."""

from typing import Any

from botocore.exceptions import BotoCoreError

from intonaco.ext.s3.connection import ATTEMPTS, Connection

__all__ = ["fetch"]


async def fetch(connection: Connection, client: Any, name: str, span: str | None = None) -> bytes:
    """The bytes of a blob, or of one range of it as HTTP writes it; botocore's errors as they come.

    The client repeats a request that is not answered; one whose answer breaks off is repeated here.
    """
    asked = {"Bucket": connection.place.bucket, "Key": connection.place.key(name), **({"Range": span} if span else {})}
    attempt = 1
    while True:
        answer = await connection.bounded(client.get_object(**asked))
        try:
            async with answer["Body"] as body:
                data: bytes = await body.read()
            return data
        except (BotoCoreError, OSError):
            if attempt == ATTEMPTS:
                raise
            attempt += 1
