"""Blobs: named bytes, written once; the one way in which anything is committed."""

import hashlib
import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from attrs import frozen

from intonaco.core.errors import AlreadyExistsError, CorruptError, InvalidError
from intonaco.infra.storage.guarantees import Guarantee
from intonaco.infra.storage.store import Store

__all__ = [
    "BlobStatus",
    "BlobStore",
    "SupportsLeftovers",
    "SupportsManyReads",
    "SupportsPath",
    "SupportsRange",
    "SupportsStatuses",
    "blob_name",
    "check_blob_name",
    "check_blob_prefix",
    "get",
    "put",
    "read_many",
]

_PART = r"[A-Za-z0-9_=@+-][A-Za-z0-9_.=@+-]{0,199}"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*")
_PREFIX = re.compile(rf"(?:{_PART}/)*(?:{_PART})?")
_LONGEST = 1000


class BlobStore(Store):
    """Named bytes, written once.

    A name is a relative path of `/`-separated parts, each of up to 200 letters, digits and `_.-=@+`, none starting with `.`;
    another name raises InvalidError before anything is touched. A blob is there whole or not at all, for every reader, at any moment.
    """

    __slots__ = ()
    promises = frozenset({Guarantee.DURABLE, Guarantee.EXCLUSIVE_CREATE, Guarantee.WHOLE})

    @abstractmethod
    def create(self, name: str, data: bytes | memoryview) -> None:
        """Store `data` under `name`, whole and synced, only if the name is free.

        Raises
        ------
        AlreadyExistsError
            The name is taken; of several writers exactly one wins.
        UnavailableError
            It could not be written and synced; nothing is left under the name.
        """

    @abstractmethod
    def read(self, name: str) -> bytes:
        """The bytes under `name`.

        Raises
        ------
        MissingError
            Nothing is stored there.
        """

    @abstractmethod
    def names(self, prefix: str = "") -> Iterator[str]:
        """All names that start with `prefix`, sorted; what is half-written is not among them."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Remove the blob, if it is there; only `intonaco gc` calls this."""


@frozen(kw_only=True)
class BlobStatus:
    """A blob's size, and when it was created or last asked for by a writer of the same name, in seconds since 1970."""

    name: str
    size_bytes: int
    changed_s: float


@runtime_checkable
class SupportsStatuses(Protocol):
    """A blob store that can tell sizes and ages without reading the blobs."""

    def statuses(self, prefix: str = "") -> Iterator[BlobStatus]:
        """Of all blobs whose names start with `prefix`, sorted by name."""


@runtime_checkable
class SupportsManyReads(Protocol):
    """A blob store that reads many blobs faster together than one after the other."""

    def read_many(self, names: Sequence[str]) -> Iterator[bytes]:
        """The bytes of each blob, in the order of the names; a few are held at a time. MissingError as `read` raises it."""


@runtime_checkable
class SupportsRange(Protocol):
    """A blob store that reads a piece of a blob without the rest."""

    def read_range(self, name: str, start: int, stop: int) -> bytes:
        """The bytes from `start` to before `stop`, fewer where the blob ends; MissingError as `read` raises it."""


@runtime_checkable
class SupportsPath(Protocol):
    """A blob store whose blobs are files of this machine."""

    def path(self, name: str) -> Path:
        """Where the blob lies, whether or not it is there; read-only to the caller."""


@runtime_checkable
class SupportsLeftovers(Protocol):
    """A blob store in which an interrupted writer can leave something behind."""

    def leftovers(self, older_than_s: float) -> list[str]:
        """What interrupted writers left, older than this; each can be given to `remove_leftover`."""

    def remove_leftover(self, leftover: str) -> int:
        """Remove it and return its size in bytes."""


def check_blob_name(name: str) -> str:
    """Return `name` if it can name a blob, else raise InvalidError."""
    return _checked(_NAME, name, "a blob")


def check_blob_prefix(prefix: str) -> str:
    """Return `prefix` if names of blobs can start with it, else raise InvalidError."""
    return _checked(_PREFIX, prefix, "blobs")


def _checked(pattern: re.Pattern[str], name: str, what: str) -> str:
    if len(name) <= _LONGEST and pattern.fullmatch(name):
        return name
    hint = "use parts of letters, digits and _.-=@+ between '/', none starting with '.'"
    raise InvalidError(f"{name[:_LONGEST]!r} cannot name {what}", hint=hint, field="name")


def read_many(store: BlobStore, names: Sequence[str]) -> Iterable[bytes]:
    """The bytes of each blob, in the order of the names, read as the store reads many."""
    return store.read_many(names) if isinstance(store, SupportsManyReads) else map(store.read, names)


def blob_name(digest: str) -> str:
    """The name under which content of this SHA-256 (64 hex digits) is kept."""
    return f"sha256/{digest[:2]}/{digest}"


def put(store: BlobStore, data: bytes | memoryview) -> str:
    """Store content under its own SHA-256 and return that; what is there already is not written again."""
    digest = hashlib.sha256(data).hexdigest()
    try:
        store.create(blob_name(digest), data)
    except AlreadyExistsError:
        if hashlib.sha256(store.read(blob_name(digest))).hexdigest() != digest:
            raise CorruptError(f"blob {digest} is damaged in the store", hint="intonaco fsck lists what is damaged") from None
    return digest


def get(store: BlobStore, digest: str) -> bytes:
    """The content of this SHA-256, verified.

    Raises
    ------
    MissingError
        It is not stored.
    CorruptError
        What is stored has another digest.
    """
    data = store.read(blob_name(digest))
    if hashlib.sha256(data).hexdigest() != digest:
        raise CorruptError(f"blob {digest} is damaged: its bytes have another SHA-256", hint="intonaco fsck lists what is damaged")
    return data
