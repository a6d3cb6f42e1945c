"""Keyed values, of which the one with the greater order wins."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, runtime_checkable

from intonaco.core.errors import ConflictError
from intonaco.infra.storage.guarantees import Guarantee
from intonaco.infra.storage.store import Store

__all__ = [
    "WHOLE_BYTES",
    "WHOLE_ENTRIES",
    "Entry",
    "KeyValueStore",
    "Stored",
    "SupportsChange",
    "SupportsDeadline",
    "SupportsListing",
    "SupportsStored",
    "change",
]

#: As much as every store puts all or none.
WHOLE_ENTRIES, WHOLE_BYTES = 20_000, 2**25

#: (order, value)
Entry = tuple[int, bytes]


class KeyValueStore(Store):
    """Batched reads and writes of small values.

    Every value carries an order, an integer of 64 bits with sign. A put takes effect if its order is greater than the
    stored one, or equal with a greater value (as bytes), so the outcome is the same for every order of arrival. What a
    process has put it reads back at once. Different keys never meet, whatever bytes they hold and however long they are.
    Values carry a checksum: a damaged one raises CorruptError. Stores never judge expiry.
    """

    __slots__ = ()
    promises = frozenset({Guarantee.DURABLE, Guarantee.WHOLE, Guarantee.ORDER_WINS, Guarantee.OWN_WRITES, Guarantee.CHECKED})

    @abstractmethod
    def get(self, keys: Sequence[bytes]) -> list[Entry | None]:
        """The entries of these keys, in their order; None where there is none."""

    @abstractmethod
    def put(self, entries: Iterable[tuple[bytes, int, bytes]]) -> int:
        """Store (key, order, value) entries, durable on return, and tell how many took effect.

        Up to `WHOLE_ENTRIES` of together `WHOLE_BYTES`, keys included, are stored all or none, and a `get` of up to 1000 keys
        sees all or none of them. Of more, some may be stored if this raises: put them again, for the order decides.
        """

    @abstractmethod
    def delete(self, keys: Iterable[bytes]) -> None:
        """Remove the keys that are there."""

    @abstractmethod
    def scan(self, prefix: bytes = b"") -> Iterator[tuple[bytes, Entry]]:
        """All entries whose key starts with `prefix`, each once; in no order that all stores share."""


@runtime_checkable
class SupportsDeadline(Protocol):
    """A store behind a network, which may not answer for long; one on this machine needs no deadline."""

    def get_within(self, keys: Sequence[bytes], timeout_s: float) -> list[Entry | None]:
        """As `get`, but DeadlineError after this time, whatever the store does."""


@runtime_checkable
class SupportsListing(Protocol):
    """A store that tells of all its entries, damaged ones too, which a scan ends at."""

    def listed(self) -> Iterator[tuple[bytes, str]]:
        """Every key that is stored, as far as it can be told, with what is wrong with its entry, or an empty text."""


@runtime_checkable
class SupportsChange(Protocol):
    """A store in which reading entries and putting what they become is one turn, so that each is looked for once."""

    def change(self, keys: Sequence[bytes], new: Callable[[Sequence[bytes | None]], Sequence[bytes | None]]) -> int:
        """Put what `new` makes of the values of these keys, under the next order; how many took effect, all or none.

        A value that is None, or as before, leaves the entry as it is. Keys in ascending order are found sooner. Nobody else
        writes meanwhile; what `new` raises leaves all as it was.
        """


def change(store: KeyValueStore, keys: Sequence[bytes], new: Callable[[Sequence[bytes | None]], Sequence[bytes | None]]) -> int:
    """As `SupportsChange.change`, by the store or else by reading and putting, in order and so many at a time as it puts whole.

    Raises
    ------
    ConflictError
        Somebody else wrote the same entries, to a store that lets others write meanwhile.
    """
    if isinstance(store, SupportsChange):
        return store.change(keys, new)
    old = store.get(keys)
    values = new([None if entry is None else entry[1] for entry in old])
    entries = [
        (key, 1 if entry is None else entry[0] + 1, value)
        for key, entry, value in zip(keys, old, values, strict=True)
        if value is not None and (entry is None or entry[1] != value)
    ]
    for start in range(0, len(entries), WHOLE_ENTRIES):
        part = entries[start : start + WHOLE_ENTRIES]
        taken = store.put(part)
        if taken != len(part):
            raise ConflictError(f"somebody else wrote {len(part) - taken} of the same online entries", hint="one writer at a time")
    return len(entries)


#: Gives what is stored under keys, in their order; None where there is none.
Stored = Callable[[Sequence[bytes]], list[bytes | None]]


@runtime_checkable
class SupportsStored(Protocol):
    """A store so near that it can be felt what a read does beside the reading."""

    def stored_under(self, prefix: bytes) -> Stored:
        """A function of what stands behind `prefix` in keys. The value of each is `[entries.VALUE]` of what it gives, which is whole."""
