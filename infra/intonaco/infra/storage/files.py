"""Blobs as files of this machine, written by the operating system's own calls so that each sync is ours."""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from attrs import define, field

from intonaco.core.errors import (
    AlreadyExistsError,
    CorruptError,
    IntonacoError,
    InvalidError,
    MissingError,
    SettingsError,
)
from intonaco.core.urls import StoreUrl
from intonaco.infra.storage.blobs import BlobStatus, BlobStore, check_blob_name, check_blob_prefix
from intonaco.infra.storage.durable import FOLDER, fault, link_synced, make_folder, read_file, write_synced
from intonaco.infra.storage.guarantees import HERE_ALONE, Guarantee
from intonaco.infra.storage.store import as_url

__all__ = ["FileBlobStore"]

_LEFTOVER = ".tmp"


@define(eq=False, slots=True)
class FileBlobStore(BlobStore):
    """One file per blob under a folder: `file:PATH`.

    A blob is written under a temporary name in its own folder, synced, linked to its name without replacing, and the folder
    is synced. No symbolic link below the store's folder is ever followed.
    """

    root: Path
    _synced: set[str] = field(factory=set, init=False, repr=False)

    @classmethod
    def open(cls, url: StoreUrl | str) -> Self:
        given = as_url(url)
        if not given.path or given.host or given.options:
            raise SettingsError(f"{given} is not the URL of a folder", hint="write file:PATH, without host and options")
        root = Path(given.path).absolute()
        try:
            make_folder(root)
            root = root.resolve(strict=True)
            os.close(os.open(root, FOLDER))
            return cls(root)
        except OSError as error:
            raise fault(root, "opened", error) from error

    def lacks(self) -> dict[Guarantee, str]:
        return HERE_ALONE

    def create(self, name: str, data: bytes | memoryview) -> None:
        check_blob_name(name)
        try:
            with self._folder(name, make=True) as folder:
                self._create_in(folder, name, data)
        except IntonacoError:  # some are OSErrors too
            raise
        except NotADirectoryError as error:
            raise AlreadyExistsError(f"blob {name!r} cannot be made in {self.root}: a part of its name is a blob or a link") from error
        except OSError as error:
            raise fault(self.root / name, "written", error) from error

    def read(self, name: str) -> bytes:
        return self._read(name)

    def _read(self, name: str, start: int = 0, stop: int | None = None) -> bytes:
        check_blob_name(name)
        try:
            with self._folder(name) as folder:
                return read_file(folder, _leaf(name), start, stop)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise self._missing(name) from error
        except OSError as error:
            raise fault(self.root / name, "read", error) from error

    def read_range(self, name: str, start: int, stop: int) -> bytes:
        return self._read(name, start, stop)

    def names(self, prefix: str = "") -> Iterator[str]:
        check_blob_prefix(prefix)
        start, _, _ = prefix.rpartition("/")
        found = self._files_below(f"{start}/" if start else "")
        yield from sorted(name for name in found if name.startswith(prefix) and not _leaf(name).startswith("."))

    def delete(self, name: str) -> None:
        check_blob_name(name)
        try:
            with self._folder(name) as folder:
                os.unlink(_leaf(name), dir_fd=folder)
                os.fsync(folder)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise fault(self.root / name, "removed", error) from error

    def path(self, name: str) -> Path:
        return self.root / check_blob_name(name)

    def statuses(self, prefix: str = "") -> Iterator[BlobStatus]:
        for name in self.names(prefix):
            try:
                with self._folder(name) as folder:
                    status = os.stat(_leaf(name), dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:  # it has just been removed
                continue
            yield BlobStatus(name=name, size_bytes=status.st_size, changed_s=status.st_mtime)

    def leftovers(self, older_than_s: float) -> list[str]:
        before = time.time() - older_than_s
        return sorted(name for name in self._files_below("") if _is_leftover(_leaf(name)) and self._changed_before(name, before))

    def remove_leftover(self, leftover: str) -> int:
        leaf = _leaf(leftover)
        check_blob_name(leftover[: len(leftover) - len(leaf)] + leaf.removeprefix("."))
        if not _is_leftover(leaf):
            raise InvalidError(f"{leftover!r} is not what an interrupted writer leaves")
        try:
            with self._folder(leftover) as folder:
                size = os.stat(leaf, dir_fd=folder, follow_symlinks=False).st_size
                os.unlink(leaf, dir_fd=folder)
        except FileNotFoundError:
            return 0
        return size

    def _missing(self, name: str) -> IntonacoError:
        """Nothing is there; or a link is, which is never followed."""
        at = self.root
        for part in name.split("/"):
            at = at / part
            if at.is_symlink():
                return CorruptError(f"blob {name!r}: {at} is a symbolic link, and the store holds none")
        return MissingError(f"no blob {name!r} in {self.root}")

    @contextmanager
    def _folder(self, name: str, make: bool = False) -> Iterator[int]:
        """The open folder in which the blob lies, reached without following a link."""
        opened = os.open(self.root, FOLDER)
        try:
            above = ""
            for part in name.split("/")[:-1]:
                above = f"{above}/{part}"
                inner = self._enter(opened, part, above, make)
                os.close(opened)
                opened = inner
            yield opened
        finally:
            os.close(opened)

    def _enter(self, folder: int, part: str, path: str, make: bool) -> int:
        if make and path not in self._synced:
            with suppress(FileExistsError):
                os.mkdir(part, dir_fd=folder)
            os.fsync(folder)  # whoever made it may not have synced it yet
            self._synced.add(path)
        try:
            return os.open(part, FOLDER, dir_fd=folder)
        except FileNotFoundError:
            self._synced.discard(path)
            if make:
                return self._enter(folder, part, path, make)
            raise

    def _create_in(self, folder: int, name: str, data: bytes | memoryview) -> None:
        temporary = f".{secrets.token_hex(16)}{_LEFTOVER}"
        try:
            write_synced(folder, temporary, data)
            link_synced(folder, temporary, _leaf(name))
        except FileExistsError as error:
            raise AlreadyExistsError(f"blob {name!r} exists in {self.root}") from error
        finally:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=folder)

    def _changed_before(self, name: str, moment: float) -> bool:
        try:
            with self._folder(name) as folder:
                return os.stat(_leaf(name), dir_fd=folder, follow_symlinks=False).st_mtime < moment
        except FileNotFoundError:  # its writer has just finished
            return False

    def _files_below(self, above: str) -> Iterator[str]:
        """Every regular file whose name starts with the folders `above`."""
        try:
            with self._folder(above) as folder, os.scandir(folder) as entries:
                found = [(entry.name, entry.is_dir(follow_symlinks=False), entry.is_file(follow_symlinks=False)) for entry in entries]
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise fault(self.root / above, "listed", error) from error
        for leaf, is_folder, is_file in found:
            if is_folder:
                yield from self._files_below(f"{above}{leaf}/")
            elif is_file:
                yield f"{above}{leaf}"


def _leaf(name: str) -> str:
    return name.rpartition("/")[2]


def _is_leftover(leaf: str) -> bool:
    return leaf.startswith(".") and leaf.endswith(_LEFTOVER)
