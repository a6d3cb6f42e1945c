"""The connection to a bucket: where it is, how long each request may take, and what goes wrong told as our own errors."""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, Self, TypeVar

import s3fs
from aiobotocore.session import AioSession
from attrs import define, field, frozen
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.handlers import add_expect_header
from fsspec.asyn import sync

from intonaco.core.errors import DeadlineError, IntonacoError, SettingsError, UnavailableError
from intonaco.core.urls import StoreUrl

__all__ = ["ABSENT", "ATTEMPTS", "FAULTS", "PAST_THE_END", "TAKEN", "Connection", "Place", "code_of", "told"]

PAST_THE_END = ("416", "InvalidRange")
ABSENT = ("404", "NoSuchKey", "NoSuchVersion")
TAKEN = ("412", "PreconditionFailed")
FAULTS = (ClientError, BotoCoreError, OSError)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
_CONNECTIONS = 32
ATTEMPTS = 3
_CONNECT_S = 3.0
_TIMEOUT_S = 10.0
_SLOWEST = 2 * 1024 * 1024  # bytes a second
_CREDENTIALS = ("AccessDenied", "ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch", "403")
_HINT = "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, and AWS_ENDPOINT_URL for a store that is not Amazon's"

T = TypeVar("T")


@frozen
class Place:
    """A prefix of a bucket."""

    bucket: str
    prefix: str

    def key(self, name: str) -> str:
        """The key of a blob."""
        return f"{self.prefix}{name}"

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


@define(eq=False)
class Connection:
    """Requests to one bucket, from any thread.

    Every request is bounded: a few seconds to connect, `timeout_s` without an answer, three attempts.
    """

    place: Place
    timeout_s: float
    _files: s3fs.S3FileSystem = field(repr=False)  # when it goes, it takes the client with it
    _client: Any = field(repr=False)

    @classmethod
    def open(cls, url: StoreUrl) -> Self:
        """What the URL and the environment name; nothing is sent yet."""
        place, timeout_s = _place(url), _timeout_s(url)
        config = {
            "connect_timeout": _CONNECT_S,
            "read_timeout": timeout_s,
            "retries": {"mode": "standard", "total_max_attempts": ATTEMPTS},
            "max_pool_connections": _CONNECTIONS,
        }
        files = s3fs.S3FileSystem(**_environment(), config_kwargs=config, session=_session(), skip_instance_cache=True)
        client = sync(files.loop, files.set_session)
        # Waiting for leave to send a body costs a round trip, and no time limit of the client bounds it; ours are small.
        client.meta.events.unregister("before-call.s3", add_expect_header)
        return cls(place, timeout_s, files, client)

    def run(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """What the coroutine function makes of the client.

        Raises what botocore raises; TimeoutError if a request goes on for longer than all its attempts may.
        """
        result: T = sync(self._files.loop, work, self._client)
        return result

    async def bounded(self, request: Awaitable[T], size_bytes: int = 0) -> T:
        """The answer to one request with a body of this size, whose sending the client itself does not bound."""
        async with asyncio.timeout(ATTEMPTS * (self.timeout_s + _CONNECT_S + size_bytes / _SLOWEST)):
            return await request

    def ask(self, what: str, request: Callable[[Any], Awaitable[T]]) -> T:
        """The answer to a single request; what goes wrong is told as our own error, which begins with `what`."""
        try:
            return self.run(lambda client: self.bounded(request(client)))
        except FAULTS as error:
            raise told(error, f"{self.place}: {what}") from error

    def close(self) -> None:
        """Close the connections that are open."""
        sync(self._files.loop, self._client.close)


@cache
def _session() -> AioSession:
    """What all connections of a process share: reading the description of S3's requests takes 80 ms of CPU."""
    return AioSession()


def _environment() -> dict[str, Any]:
    """What the environment says now; where it says nothing, the client looks into files and asks the machine, as all of them do."""
    named = {"key": "AWS_ACCESS_KEY_ID", "secret": "AWS_SECRET_ACCESS_KEY", "token": "AWS_SESSION_TOKEN"}
    given = {argument: value for argument, name in named.items() if (value := os.environ.get(name))}
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    return {**given, "endpoint_url": endpoint, "client_kwargs": {"region_name": region}}


def code_of(error: BaseException) -> str:
    """S3's own code of an error, or the HTTP status where it says no more; empty if no answer came."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def told(error: BaseException, what: str) -> IntonacoError:
    """An error of the client as ours; `what` says what could not be done."""
    if isinstance(error, IntonacoError):
        return error
    if isinstance(error, NoCredentialsError):
        return SettingsError(f"{what}: there are no credentials", hint=_HINT)
    if isinstance(error, ClientError):
        hint = _HINT if code_of(error) in _CREDENTIALS else ""
        return UnavailableError(f"{what}: {code_of(error)}, {error.response.get('Error', {}).get('Message', '')}", hint=hint)
    kind = DeadlineError if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__ else UnavailableError
    return kind(f"{what}: {str(error) or 'it did not answer in time'}", hint="see that the store runs, and try again")


def _place(url: StoreUrl) -> Place:
    if url.user or url.password:
        raise SettingsError(f"{url.scheme}://{url.host}: a URL of S3 holds no credentials", hint=_HINT)
    if not url.host or url.port:
        raise SettingsError(f"{url} does not name a bucket", hint="write s3://BUCKET/PREFIX; AWS_ENDPOINT_URL says where it is")
    if not _BUCKET.fullmatch(url.host):
        raise SettingsError(f"{url}: {url.host!r} cannot name a bucket", hint="a bucket has 3 to 63 of a-z, 0-9, '.', '_' and '-'")
    prefix = url.path.strip("/")
    return Place(url.host, f"{prefix}/" if prefix else "")


def _timeout_s(url: StoreUrl) -> float:
    unknown = sorted(set(url.options) - {"timeout_s"})
    if unknown:
        raise SettingsError(f"{url} has the unknown option {unknown[0]!r}", hint="known: timeout_s", field=unknown[0])
    given = url.option("timeout_s", str(_TIMEOUT_S))
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0.001 <= seconds <= 3600:
        raise SettingsError(f"{url}: timeout_s is {given!r}, not a number of seconds from 0.001 to 3600", field="timeout_s")
    return seconds
