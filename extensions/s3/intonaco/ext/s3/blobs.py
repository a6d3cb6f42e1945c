"""Blobs as objects of a bucket."""

import asyncio
import secrets
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Self

from attrs import define

from intonaco.core.errors import AlreadyExistsError, InvalidError, MissingError
from intonaco.core.urls import StoreUrl
from intonaco.ext.s3.connection import ABSENT, FAULTS, PAST_THE_END, TAKEN, Connection, code_of, told
from intonaco.ext.s3.downloads import fetch
from intonaco.ext.s3.listing import abort, interrupted, objects, remove
from intonaco.ext.s3.probe import probe
from intonaco.ext.s3.uploads import MOST_BYTES, Found, look, refresh, send
from intonaco.infra.storage.blobs import BlobStatus, BlobStore, check_blob_name, check_blob_prefix
from intonaco.infra.storage.guarantees import Guarantee
from intonaco.infra.storage.store import as_url

__all__ = ["S3BlobStore"]

_BUSY = ("ConditionalRequestConflict", "OperationAborted", "409")
_LONGEST = 1024
_TOGETHER = 16
_TURNS = 5
_YOUNG_S = 600.0


@define(eq=False)
class S3BlobStore(BlobStore):
    """One object per blob below a prefix: `s3://BUCKET/PREFIX?timeout_s=10`.

    Endpoint, region and credentials come from the environment, as every client of S3 reads them. A blob is created by one
    conditional request (`If-None-Match: *`), so it has at most 5 GiB. A store that does not hold to the condition is refused
    when it is opened.
    """

    connection: Connection

    @classmethod
    def open(cls, url: StoreUrl | str) -> Self:
        connection = Connection.open(as_url(url))
        try:
            probe(connection)
        except BaseException:
            connection.close()
            raise
        return cls(connection)

    def lacks(self) -> dict[Guarantee, str]:
        return {}

    def close(self) -> None:
        self.connection.close()

    def create(self, name: str, data: bytes | memoryview) -> None:
        key = self.connection.place.key(check_blob_name(name))
        if len(key.encode()) > _LONGEST:
            raise InvalidError(
                f"blob {name!r} has no place in {self.connection.place}: keys of S3 have up to {_LONGEST} bytes", field="name"
            )
        if memoryview(data).nbytes > MOST_BYTES:
            raise InvalidError(f"blob {name!r} is larger than the {MOST_BYTES} bytes that S3 takes at once", field="data")
        body = bytes(data)
        for turn in range(_TURNS):
            if self._created(name, key, body):
                return
            time.sleep(0.01 * 2**turn)  # whoever held the name is gone, or two conditional requests met
        message = f"blob {name!r} cannot be made in {self.connection.place}"
        raise AlreadyExistsError(f"{message}: another writer or a part of its name is in the way")

    def read(self, name: str) -> bytes:
        return next(self.read_many([name]))

    def read_many(self, names: Sequence[str]) -> Iterator[bytes]:
        for name in names:
            check_blob_name(name)
        for start in range(0, len(names), _TOGETHER):
            some = names[start : start + _TOGETHER]
            for name, found in zip(some, self.connection.run(partial(self._fetch, some)), strict=True):
                yield self._bytes(name, found)

    def read_range(self, name: str, start: int, stop: int) -> bytes:
        check_blob_name(name)
        if stop <= start:
            return b""
        wanted = partial(fetch, self.connection, name=name, span=f"bytes={start}-{stop - 1}")
        try:
            return self.connection.run(wanted)
        except FAULTS as error:
            return b"" if code_of(error) in PAST_THE_END else self._bytes(name, error)

    def names(self, prefix: str = "") -> Iterator[str]:
        for status in self.statuses(prefix):
            yield status.name

    def statuses(self, prefix: str = "") -> Iterator[BlobStatus]:
        yield from objects(self.connection, check_blob_prefix(prefix))

    def delete(self, name: str) -> None:
        remove(self.connection, check_blob_name(name))

    def leftovers(self, older_than_s: float) -> list[str]:
        return interrupted(self.connection, time.time() - older_than_s)

    def remove_leftover(self, leftover: str) -> int:
        return abort(self.connection, leftover)

    def _created(self, name: str, key: str, data: bytes) -> bool:
        """Whether this writer made it; AlreadyExistsError if another did, False if neither."""
        token = secrets.token_hex(16)
        try:
            self.connection.run(lambda client: send(self.connection, client, key, data, token))
        except FAULTS as error:
            return self._settled(name, key, token, error)
        return True

    def _settled(self, name: str, key: str, token: str, error: BaseException) -> bool:
        """What an upload came to that did not end well, by what stands under its name."""
        what = f"blob {name!r} could not be written to {self.connection.place}"
        try:
            found = self.connection.run(lambda client: look(self.connection, client, key))
        except FAULTS as worse:
            raise told(error if code_of(error) else worse, what) from error
        if found is None:
            if code_of(error) in (*TAKEN, *_BUSY):
                return False
            raise told(error, what) from error
        if found.token == token:
            return True
        if self._stays(key, found):
            raise AlreadyExistsError(f"blob {name!r} exists in {self.connection.place}") from error
        return False

    def _stays(self, key: str, found: Found) -> bool:
        """Make what is old young again, so that garbage collection leaves it to who needs it now; False if it went before."""
        if time.time() - found.changed.timestamp() < _YOUNG_S:
            return True
        try:
            return self.connection.run(lambda client: refresh(self.connection, client, key, found))
        except FAULTS as error:
            raise told(error, f"{self.connection.place}: {key!r} could not be kept from being collected") from error

    async def _fetch(self, names: Sequence[str], client: Any) -> list[bytes | BaseException]:
        return await asyncio.gather(*(fetch(self.connection, client, name) for name in names), return_exceptions=True)

    def _bytes(self, name: str, found: bytes | BaseException) -> bytes:
        if isinstance(found, bytes):
            return found
        if code_of(found) in ABSENT:
            raise MissingError(f"no blob {name!r} in {self.connection.place}") from found
        if isinstance(found, FAULTS):
            raise told(found, f"blob {name!r} could not be read from {self.connection.place}") from found
        raise found
