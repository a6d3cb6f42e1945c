"""Blobs on any file system that fsspec knows and that creates a name only if it is free."""

import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Self

import fsspec
from attrs import define, field

from intonaco.core.errors import AlreadyExistsError, IntonacoError, MissingError, SettingsError, UnavailableError
from intonaco.core.urls import StoreUrl
from intonaco.infra.storage.blobs import BlobStatus, BlobStore, check_blob_name, check_blob_prefix
from intonaco.infra.storage.guarantees import Guarantee
from intonaco.infra.storage.store import as_url

__all__ = ["FsspecBlobStore"]

_LOCAL = ("file", "local")


@define(eq=False)
class FsspecBlobStore(BlobStore):
    """One object per blob below a root, put whole and only if absent: `SCHEME:ROOT?OPTION=VALUE`.

    The file system must support `pipe_file(mode="create")`, which is tried when the store is opened. Objects are whole and
    synced as far as the file system promises it, which a local one does not: use `FileBlobStore` there.
    """

    files: Any
    root: str
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    @classmethod
    def open(cls, url: StoreUrl | str) -> Self:
        given = as_url(url)
        if given.scheme in _LOCAL:
            raise SettingsError(f"{given} is a folder of this machine, which fsspec does not sync", hint="use FileBlobStore for file:")
        try:
            files = fsspec.filesystem(given.scheme, use_listings_cache=False, **given.options)
        except (ImportError, OSError, TypeError, ValueError) as error:
            raise SettingsError(f"fsspec cannot open {given}: {error}") from error
        return cls.over(files, f"{given.host}/{given.path.strip('/')}".strip("/"))

    @classmethod
    def over(cls, files: Any, root: str) -> Self:
        """A store below `root` of a file system that is open already; refused if it does not keep what it has."""
        store = cls(files, root)
        store._probe()
        return store

    def create(self, name: str, data: bytes | memoryview) -> None:
        self._create(check_blob_name(name), bytes(data))

    def read(self, name: str) -> bytes:
        try:
            return bytes(self.files.cat_file(self._at(check_blob_name(name))))
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise MissingError(f"no blob {name!r} in {self.root}") from error
        except OSError as error:
            raise self._unavailable(name, "read", error) from error

    def names(self, prefix: str = "") -> Iterator[str]:
        yield from sorted(self._found(prefix))

    def statuses(self, prefix: str = "") -> Iterator[BlobStatus]:
        for name, facts in sorted(self._found(prefix).items()):
            yield BlobStatus(name=name, size_bytes=facts.get("size") or 0, changed_s=_changed_s(facts))

    def lacks(self) -> dict[Guarantee, str]:
        # Of a file system that is not known to forget it is not known either what it syncs and who else reaches it.
        return {
            Guarantee.DURABLE: "name a store whose class says that it syncs, such as file:FOLDER or s3://BUCKET",
            Guarantee.SHARED: "name a store on a server, such as s3://BUCKET",
        }

    def delete(self, name: str) -> None:
        try:
            with suppress(FileNotFoundError):
                self.files.rm_file(self._at(check_blob_name(name)))
        except OSError as error:
            raise self._unavailable(name, "removed", error) from error

    def _found(self, prefix: str) -> dict[str, dict[str, Any]]:
        """What the file system tells of each blob."""
        start, _, _ = check_blob_prefix(prefix).rpartition("/")
        try:
            found = self.files.find(self._at(start), detail=True)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._unavailable(prefix, "listed", error) from error
        skipped = len(self._at("").strip("/")) + 1
        names = {path.strip("/")[skipped:]: facts for path, facts in found.items()}
        return {name: facts for name, facts in names.items() if name.startswith(prefix) and not name.startswith(".")}

    def _at(self, name: str) -> str:
        return "/".join(part for part in (self.root, name) if part)

    def _create(self, name: str, data: bytes) -> None:
        at = self._at(name)
        try:
            with self._lock:  # some file systems look and put in two steps
                self.files.pipe_file(at, data, mode="create")
        except IntonacoError:
            raise
        except FileExistsError as error:
            raise AlreadyExistsError(f"blob {name!r} exists in {self.root}") from error
        except OSError as error:
            if self.files.exists(at):  # s3fs says a plain OSError
                raise AlreadyExistsError(f"blob {name!r} exists in {self.root}") from error
            raise self._unavailable(name, "written", error) from error

    def _probe(self) -> None:
        """Create one object twice; only the first may take effect."""
        name = f".probe-{secrets.token_hex(8)}"
        try:
            self._create(name, b"first")
            with suppress(AlreadyExistsError):
                self._create(name, b"second")
            kept = self.files.cat_file(self._at(name))
        except (NotImplementedError, ValueError, TypeError) as error:
            raise self._unfit(f"it has no exclusive creation: {error}") from error
        finally:
            with suppress(OSError):
                self.files.rm_file(self._at(name))
        if kept != b"first":
            raise self._unfit("it replaces an object that is to be made only if absent")

    def _unfit(self, reason: str) -> IntonacoError:
        kind = type(self.files).__name__
        return UnavailableError(
            f"{kind} cannot keep blobs in {self.root!r}: {reason}", hint="concurrent writers would lose data; use another store"
        )

    def _unavailable(self, name: str, verb: str, error: OSError) -> IntonacoError:
        return UnavailableError(f"{self._at(name)} could not be {verb}: {error.strerror or error}")


def _changed_s(facts: Mapping[str, Any]) -> float:
    """When a file was written, by whichever name its file system says it; now, so young, if it does not."""
    moment = next((facts[name] for name in ("LastModified", "mtime", "modified", "updated", "created") if facts.get(name)), time.time())
    return moment.timestamp() if isinstance(moment, datetime) else float(moment)
