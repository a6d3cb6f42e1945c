"""Stores that can be moved while they are in use: what a workspace hands out.

Each passes its primitive's verbs to the store that counts. Entries, which change in place, are written to both stores while
a move goes on; blobs after the switch too; streams and tables, whose order has to be one, to the store that counts.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

from intonaco.core.errors import AlreadyExistsError, ConflictError, IntonacoError, MissingError
from intonaco.core.urls import StoreUrl
from intonaco.infra.storage.blobs import BlobStore
from intonaco.infra.storage.checks import Check
from intonaco.infra.storage.entries import encode
from intonaco.infra.storage.guarantees import Guarantee
from intonaco.infra.storage.keyvalue import Entry, KeyValueStore, Stored, SupportsStored, change
from intonaco.infra.storage.moving.moves import MOVE_BLOBS, MOVE_KEY, MOVE_TOPIC, journal_of
from intonaco.infra.storage.moving.watching import Watch
from intonaco.infra.storage.store import Store
from intonaco.infra.storage.streams import Stream
from intonaco.infra.storage.tables import Snapshot, TableStore

__all__ = ["movable"]


class Movable(Store):
    """What the four have in common; abilities of the store beyond its primitive's verbs are passed on."""

    watch: Watch[Any]

    def __init__(self, watch: Watch[Any]) -> None:
        self.watch = watch

    @classmethod
    def open(cls, url: StoreUrl | str) -> Self:
        raise NotImplementedError("a workspace makes it around a store that is open")

    def lacks(self) -> dict[Guarantee, str]:
        lacking: dict[Guarantee, str] = self.watch.current.lacks()
        return lacking

    def waived(self) -> frozenset[Guarantee]:
        waived: frozenset[Guarantee] = self.watch.current.waived()
        return waived

    def close(self) -> None:
        self.watch.close()

    def __getattr__(self, name: str) -> Any:
        if name == "watch":
            raise AttributeError(name)
        return getattr(self._reading(), name)

    def _reading(self) -> Any:
        self.watch.glance()
        return self.watch.current


class MovableBlobs(Movable, BlobStore):
    """Blobs that can be moved."""

    def create(self, name: str, data: bytes | memoryview) -> None:
        begun = self.watch.begin()
        self.watch.current.create(name, data)
        if self.watch.move is not None and self.watch.move.phase.reads_target:
            self._also(lambda other: other.create(name, data))
        if self.watch.moved_since(begun):
            try:
                self.create(name, data)
            except AlreadyExistsError:
                if self.read(name) != bytes(data):
                    raise

    def read(self, name: str) -> bytes:
        data: bytes = self._reading().read(name)
        return data

    def names(self, prefix: str = "") -> Iterator[str]:
        return (name for name in self._reading().names(prefix) if not name.startswith(MOVE_BLOBS))

    def delete(self, name: str) -> None:
        self.watch.begin()
        self.watch.current.delete(name)
        self._also(lambda other: other.delete(name))

    def _also(self, write: Callable[[BlobStore], None]) -> None:
        if self.watch.other is not None:
            try:
                write(self.watch.other)
            except AlreadyExistsError:
                pass
            except IntonacoError:
                self.watch.miss()


def _path(self: MovableBlobs, name: str) -> Path:
    """Where a blob lies; one that was made elsewhere since the switch is fetched first."""
    source: Any = self.watch.source
    path: Path = source.path(name)
    if self._reading() is not source and not path.exists():
        try:
            source.create(name, self.watch.current.read(name))
        except (AlreadyExistsError, MissingError):
            pass
    return path


class MovableKeyValueStore(Movable, KeyValueStore):
    """Entries that can be moved."""

    def get(self, keys: Sequence[bytes]) -> list[Entry | None]:
        found: list[Entry | None] = self._reading().get(keys)
        return found

    def put(self, entries: Iterable[tuple[bytes, int, bytes]]) -> int:
        held, begun = list(entries), self.watch.begin()
        count: int = self.watch.current.put(held)
        self._also(lambda other: other.put(held))
        return max(count, self.put(held)) if self.watch.moved_since(begun) else count

    def delete(self, keys: Iterable[bytes]) -> None:
        held, begun = list(keys), self.watch.begin()
        self.watch.current.delete(held)
        self._also(lambda other: other.delete(held))
        if self.watch.moved_since(begun):
            self.delete(held)

    def scan(self, prefix: bytes = b"") -> Iterator[tuple[bytes, Entry]]:
        found: Iterator[tuple[bytes, Entry]] = self._reading().scan(prefix)
        return (each for each in found if each[0] != MOVE_KEY) if MOVE_KEY.startswith(prefix) else found

    def _also(self, write: Callable[[KeyValueStore], object]) -> None:
        if self.watch.other is not None:
            try:
                write(self.watch.other)
            except IntonacoError:
                self.watch.miss()


def _change(self: MovableKeyValueStore, keys: Sequence[bytes], new: Callable[[Sequence[bytes | None]], Sequence[bytes | None]]) -> int:
    """As the store's own; where that has no turns, by reading and putting."""
    begun, current = self.watch.begin(), self.watch.current
    count = change(current, keys, new)
    if self.watch.other is not None or self.watch.moved_since(begun):
        self.put([(key, *entry) for key, entry in zip(keys, current.get(keys), strict=True) if entry is not None])
    return count


def _stored_under(self: MovableKeyValueStore, prefix: bytes) -> Stored:
    """As the store's own, bound again when another store counts; where that has none, laid out anew."""
    watch, again = self.watch, time.monotonic
    held, read = watch.current, _bound(watch.current, prefix)

    def follow(keys: Sequence[bytes]) -> list[bytes | None]:
        nonlocal held, read
        if again() >= watch.again_at:
            watch.glance()
        if watch.current is not held:
            held, read = watch.current, _bound(watch.current, prefix)
        return read(keys)

    return follow


def _bound(store: KeyValueStore, prefix: bytes) -> Stored:
    if isinstance(store, SupportsStored):
        return store.stored_under(prefix)
    return lambda keys: [None if entry is None else encode(b"", *entry) for entry in store.get([prefix + key for key in keys])]


class MovableStream(Movable, Stream):
    """A stream that can be moved."""

    def append(self, topic: str, values: Sequence[bytes], partition: int = 0) -> int:
        begun = self.watch.begin()
        end: int = self.watch.current.append(topic, values, partition)
        if values and self.watch.moved_since(begun) and not self._holds(topic, values, partition, end):
            return self.append(topic, values, partition)
        return end

    def read(self, topic: str, after: int = 0, limit: int = 1000, partition: int = 0) -> list[tuple[int, bytes]]:
        found: list[tuple[int, bytes]] = self._reading().read(topic, after, limit, partition)
        return found

    def end(self, topic: str, partition: int = 0) -> int:
        end: int = self._reading().end(topic, partition)
        return end

    def trim(self, topic: str, through: int, partition: int = 0) -> None:
        self.watch.begin()
        self.watch.current.trim(topic, through, partition)

    def _holds(self, topic: str, values: Sequence[bytes], partition: int, end: int) -> bool:
        self.watch.begin()
        found = self.watch.current.read(topic, end - len(values), len(values), partition)
        return [value for _, value in found] == [bytes(value) for value in values]


def _topics(self: MovableStream) -> list[tuple[str, int]]:
    """All topics of the store that counts, but that of the move."""
    return [each for each in self._reading().topics() if each[0] != MOVE_TOPIC]


class MovableTableStore(Movable, TableStore):
    """Tables that can be moved."""

    def write(
        self, table: str, data: Any, *, mode: Literal["append", "replace"] = "append", checks: Sequence[Check] = (), token: str = ""
    ) -> Snapshot:
        begun = self.watch.begin()
        made: Snapshot = self.watch.current.write(table, data, mode=mode, checks=checks, token=token)
        if self.watch.moved_since(begun) and not self._holds(made):
            if isinstance(data, Iterator):
                raise ConflictError(f"{self.watch.where} was moved while rows were written to {table}", hint="write them again")
            return self.write(table, data, mode=mode, checks=checks, token=token)
        return made

    def snapshot(self, table: str, version: int | None = None) -> Snapshot:
        found: Snapshot = self._reading().snapshot(table, version)
        return found

    def read(self, snapshot: Snapshot, columns: Sequence[str] | None = None) -> Any:
        return self._reading().read(snapshot, columns)

    def batches(self, snapshot: Snapshot, columns: Sequence[str] | None = None) -> Iterator[Any]:
        found: Iterator[Any] = self._reading().batches(snapshot, columns)
        return found

    def names(self, project: str = "") -> list[str]:
        found: list[str] = self._reading().names(project)
        return found

    def _holds(self, made: Snapshot) -> bool:
        self.watch.begin()
        try:
            return bool(self.watch.current.snapshot(made.table, made.version).digest == made.digest)
        except MissingError:
            return False


_KINDS: tuple[tuple[type[Store], type[Movable]], ...] = (
    (BlobStore, MovableBlobs),
    (KeyValueStore, MovableKeyValueStore),
    (Stream, MovableStream),
    (TableStore, MovableTableStore),
)
#: Abilities that take more than asking the store that counts.
_ABILITIES: dict[str, Any] = {"path": _path, "change": _change, "stored_under": _stored_under, "topics": _topics}


def movable(store: Store, where: str, open_target: Callable[[str], Any]) -> Store:
    """The store, so that it can be moved; closing it closes the store.

    Raises
    ------
    SettingsError
        The store was moved away; the message says where to.
    """
    kind = next((ours for primitive, ours in _KINDS if isinstance(store, primitive)), None)
    if kind is None or (kind is MovableTableStore and not isinstance(getattr(store, "blobs", None), BlobStore)):
        return store
    return _class(kind, type(store))(Watch(store, where, journal_of(store, where), open_target))


@cache
def _class(kind: type[Movable], of: type[Store]) -> type[Movable]:
    """A class of its own for each class of stores, with that class's abilities, so that `isinstance` finds them."""
    names = {name for each in of.__mro__ for name in vars(each) if not name.startswith("_")}
    more = [name for name in names if not hasattr(kind, name) and callable(getattr(of, name))]
    return type(of.__name__, (kind,), {"__doc__": of.__doc__, **{name: _ABILITIES.get(name) or _passed_on(name) for name in more}})


def _passed_on(name: str) -> Any:
    def ability(self: Movable, *given: Any, **named: Any) -> Any:
        current = self._reading()
        return getattr(current if hasattr(current, name) else self.watch.source, name)(*given, **named)

    ability.__name__ = name
    return ability
