"""Moves: a store on its way to another URL, and the journal of it that the store itself keeps.

Who has the store open finds there, at most a second old, whether it is on its way; who opens it after it has gone, where to.
"""

import hashlib
from abc import ABC, abstractmethod
from enum import StrEnum
from urllib.parse import quote

import msgspec
from attrs import define, field, frozen

from intonaco.core.errors import AlreadyExistsError, ConflictError, CorruptError, InvalidError, MissingError
from intonaco.core.urls import StoreUrl
from intonaco.infra.storage.blobs import BlobStore
from intonaco.infra.storage.keyvalue import KeyValueStore
from intonaco.infra.storage.store import Store
from intonaco.infra.storage.streams import Stream

__all__ = ["MOVE_BLOBS", "MOVE_KEY", "MOVE_TOPIC", "Journal", "Move", "Phase", "journal_of", "url_text"]

MOVE_BLOBS = "intonaco-move/"
MOVE_KEY = b"\x00intonaco/move"
MOVE_TOPIC = "intonaco/move"


class Phase(StrEnum):
    """How far a move is; of each, which store is read, and whether writers wait."""

    COPYING = "copying"
    HELD = "held"
    SWITCHED = "switched"
    HELD_BACK = "held back"
    FINISHED = "finished"
    GIVEN_UP = "given up"

    @property
    def reads_target(self) -> bool:
        """Whether the store that is moved to is the one that counts."""
        return self in (Phase.SWITCHED, Phase.HELD_BACK, Phase.FINISHED)

    @property
    def holds(self) -> bool:
        """Whether writers wait."""
        return self in (Phase.HELD, Phase.HELD_BACK)

    @property
    def doubles(self) -> bool:
        """Whether both stores are kept up to date."""
        return self not in (Phase.FINISHED, Phase.GIVEN_UP)


@frozen(kw_only=True)
class Move:
    """A store on its way.

    Parameters
    ----------
    number
        Counts the steps of all moves of the store from 1.
    target
        URL of the store that is moved to, without a password.
    until_us
        When a hold ends by itself; 0 in other phases.
    behind
        Whether the store that does not count has missed something that the other one has.
    """

    number: int
    target: str
    phase: Phase
    at_us: int
    until_us: int = 0
    behind: bool = False

    def to_bytes(self) -> bytes:
        """As a journal keeps it."""
        text = msgspec.json.encode(
            [self.number, self.target, self.phase.value, self.at_us, self.until_us, self.behind],
        )
        return hashlib.sha256(text).hexdigest().encode() + text

    @classmethod
    def from_bytes(cls, data: bytes, where: str) -> "Move":
        """Read what `to_bytes` wrote; CorruptError names the store."""
        digest, text = data[:64], data[64:]
        if hashlib.sha256(text).hexdigest().encode() != digest:
            raise CorruptError(f"{where} is damaged: the journal of its move", hint="restore it from a copy")
        number, target, phase, at_us, until_us, behind = msgspec.json.decode(text)
        return cls(number=number, target=target, phase=Phase(phase), at_us=at_us, until_us=until_us, behind=behind)


class Journal(ABC):
    """The steps of a store's moves, kept in the store."""

    #: Whether of two steps of one number the first one holds.
    first_holds = True

    @abstractmethod
    def last(self) -> Move | None:
        """The newest step, if there is one."""

    @abstractmethod
    def add(self, move: Move) -> None:
        """Add a step, durable on return; ConflictError if its number is taken."""


@define
class BlobJournal(Journal):
    """A blob for each step; the next one is asked for by its name."""

    blobs: BlobStore
    where: str
    _last: Move | None = field(default=None, init=False)

    def last(self) -> Move | None:
        while True:
            try:
                data = self.blobs.read(self._name((self._last.number if self._last else 0) + 1))
            except MissingError:
                return self._last
            self._last = Move.from_bytes(data, self.where)

    def add(self, move: Move) -> None:
        try:
            self.blobs.create(self._name(move.number), move.to_bytes())
        except AlreadyExistsError as error:
            raise _taken(self.where) from error

    def _name(self, number: int) -> str:
        return f"{MOVE_BLOBS}{number:08}"


@define
class KeyValueJournal(Journal):
    """One entry, whose order is the step's number; of two of one number the later may hold, which a double write forgives."""

    first_holds = False
    store: KeyValueStore
    where: str

    def last(self) -> Move | None:
        entry = self.store.get([MOVE_KEY])[0]
        return None if entry is None else Move.from_bytes(entry[1], self.where)

    def add(self, move: Move) -> None:
        order = 2 * move.number + move.behind  # that something was missed is never overwritten
        if not self.store.put([(MOVE_KEY, order, move.to_bytes())]) or self.last() != move:
            raise _taken(self.where)


@define
class StreamJournal(Journal):
    """A topic of its own; of two steps with one number the first holds."""

    stream: Stream
    where: str
    _read: int = field(default=0, init=False)
    _last: Move | None = field(default=None, init=False)

    def last(self) -> Move | None:
        for offset, value in self.stream.read(MOVE_TOPIC, self._read):
            found = Move.from_bytes(value, self.where)
            self._read = offset
            if self._last is None or found.number > self._last.number:
                self._last = found
        return self._last

    def add(self, move: Move) -> None:
        self.stream.append(MOVE_TOPIC, [move.to_bytes()])
        if self.last() != move:
            raise _taken(self.where)


def journal_of(store: Store, where: str) -> Journal:
    """The journal that a store keeps; InvalidError if it can keep none."""
    if isinstance(store, BlobStore):
        return BlobJournal(store, where)
    if isinstance(store, KeyValueStore):
        return KeyValueJournal(store, where)
    if isinstance(store, Stream):
        return StreamJournal(store, where)
    blobs = getattr(store, "blobs", None)
    if isinstance(blobs, BlobStore):  # tables that lie on blobs
        return BlobJournal(blobs, where)
    raise InvalidError(f"{where} cannot be moved: {type(store).__name__} does not lie on blobs")


def url_text(url: StoreUrl) -> str:
    """A URL as it can be written down and opened again.

    Raises
    ------
    InvalidError
        It has a password, which must stand in the environment instead.
    """
    if url.password:
        hint = f"put it into the environment of every process, as INTONACO_{_NAMES.get(url.scheme, url.scheme).upper()}_PASSWORD"
        raise InvalidError(f"{url} has a password, which a move would have to write down", hint=hint)
    options = "&".join(f"{quote(name)}={quote(value)}" for name, value in url.options.items())
    return str(url).replace(url.path, quote(url.path), 1) + (f"?{options}" if options else "")


_NAMES = {"postgresql": "postgres"}


def _taken(where: str) -> ConflictError:
    return ConflictError(f"somebody else is moving {where}", hint="intonaco migrate status")
