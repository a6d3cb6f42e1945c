"""The embedded key-value store: an LMDB environment in a folder."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self, cast

import lmdb
from attrs import define, field

from intonaco.core.errors import CorruptError, InvalidError, SettingsError
from intonaco.core.urls import StoreUrl
from intonaco.infra.storage.checksum import crc32
from intonaco.infra.storage.entries import (
    FORMAT,
    LONGEST_WHOLE,
    RESIDUE,
    check_together,
    decode,
    decode_apart,
    encode,
    encode_changed,
    key_of,
    stored_key,
)
from intonaco.infra.storage.environments import AGAIN, STATE_KEY, Environment, acquire, explained_lmdb, release, told
from intonaco.infra.storage.guarantees import HERE_ALONE, Guarantee
from intonaco.infra.storage.keyvalue import Entry, KeyValueStore, Stored
from intonaco.infra.storage.lmdblisting import listed
from intonaco.infra.storage.store import as_url

__all__ = ["LmdbStore"]

_DEFAULT_MAP_GB = "64"
_CHUNK = 1000
_LEAST_ORDER, _GREATEST_ORDER = -(2**63), 2**63 - 1


@define(eq=False)
class LmdbStore(KeyValueStore):
    """Entries in an LMDB environment: `lmdb:FOLDER?map_size_gb=64`.

    The map is the most that the store can ever hold; the file is as large as what it holds. Stores of one folder share
    their environment in a process. A put is one synced transaction; all reads of a call see one state. `entries.py` says
    how keys and values are laid out.
    """

    path: Path
    _environment: Environment = field(repr=False)
    _closed: bool = field(default=False, init=False, repr=False)

    @classmethod
    def open(cls, url: StoreUrl | str) -> Self:
        url = as_url(url)
        if url.host or not url.path:
            raise SettingsError(f"{url} names no folder", hint="write lmdb:FOLDER")
        unknown = sorted(set(url.options) - {"map_size_gb"})
        if unknown:
            raise SettingsError(f"{url} has the unknown option {unknown[0]!r}", hint="known: map_size_gb")
        path = Path(url.path)
        return cls(path, acquire(path, _map_size(url)))

    def get(self, keys: Sequence[bytes]) -> list[Entry | None]:
        where = self.path
        found: list[Entry | None] = []
        try:
            with self._environment.handle.begin() as transaction:
                for key in keys:
                    stored = transaction.get(b"\x00" + key if len(key) <= LONGEST_WHOLE else stored_key(key))
                    if stored is None:
                        _check_sides(transaction, stored_key(key), where)
                    found.append(None if stored is None else decode(key, stored, where))
        except lmdb.Error as error:
            raise told(error, where) from error
        return found

    def stored_under(self, prefix: bytes) -> Stored:
        begin, head, seed, all_whole = self._environment.handle.begin, b"\x00" + prefix, crc32(prefix), check_together(prefix)

        def read(keys: Sequence[bytes]) -> list[bytes | None]:
            try:
                transaction = begin()
                try:
                    get = cast("Callable[[bytes], bytes]", transaction.get)
                    if len(keys) == 1:  # without what a list of many costs
                        stored = get(head + keys[0])
                        if crc32(stored, crc32(keys[0], seed)) == RESIDUE and stored[0] == FORMAT:
                            return [stored]
                    else:
                        found = [get(head + key) for key in keys]
                        if all_whole(keys, found):
                            return cast("list[bytes | None]", found)
                except (TypeError, IndexError, lmdb.BadValsizeError):  # absent, empty, or too long
                    pass
                finally:
                    transaction.abort()
                with begin() as transaction:
                    return [self._carefully(transaction, prefix + key) for key in keys]
            except lmdb.Error as error:
                raise told(error, self.path) from error

        return read

    def _carefully(self, transaction: lmdb.Transaction, key: bytes) -> bytes | None:
        """What is stored under a key, if it is there, laid out as that of a key that is kept whole."""
        stored = cast("bytes | None", transaction.get(stored_key(key)))
        if stored is None:
            _check_sides(transaction, stored_key(key), self.path)
            return None
        return encode(b"", *decode(key, stored, self.path))

    def put(self, entries: Iterable[tuple[bytes, int, bytes]]) -> int:
        packed = [(key, order, value, encode(key, _checked(order), value)) for key, order, value in entries]
        where = self.path
        changed = 0
        with explained_lmdb(self.path), self._environment.write() as transaction:
            for key, order, value, stored in packed:
                under = stored_key(key)
                there = cast("bytes | None", transaction.get(under))
                if there is None or (order, value) > decode(key, there, where):
                    transaction.put(under, stored)
                    changed += 1
            if changed:
                self._environment.stamp(transaction)
        return changed

    def change(self, keys: Sequence[bytes], new: Callable[[Sequence[bytes | None]], Sequence[bytes | None]]) -> int:
        with explained_lmdb(self.path), self._environment.write() as transaction:
            orders, old = decode_apart(keys, _stored(transaction, keys, self.path), self.path)
            unders, changed = encode_changed(keys, orders, old, new(old))
            if changed:
                transaction.cursor().putmulti(zip(unders, changed, strict=True))
                self._environment.stamp(transaction)
        return len(changed)

    def delete(self, keys: Iterable[bytes]) -> None:
        with explained_lmdb(self.path), self._environment.write() as transaction:
            if sum(transaction.delete(stored_key(key)) for key in keys):
                self._environment.stamp(transaction)

    def scan(self, prefix: bytes = b"") -> Iterator[tuple[bytes, Entry]]:
        # A reader that stays open keeps LMDB from using old pages again, so each chunk is a reader of its own.
        for start in (b"\x00" + prefix, b"\x01" + prefix[:LONGEST_WHOLE]):
            position = start
            while chunk := self._chunk(position, start):
                for stored, value in chunk:
                    key = key_of(stored, value, self.path)
                    if key.startswith(prefix):
                        yield key, decode(key, value, self.path)
                position = chunk[-1][0] + b"\x00"

    def listed(self) -> Iterator[tuple[bytes, str]]:
        """As `SupportsListing` says."""
        return listed(self._environment, self.path)

    def _chunk(self, position: bytes, start: bytes) -> list[tuple[bytes, bytes]]:
        chunk: list[tuple[bytes, bytes]] = []
        with explained_lmdb(self.path), self._environment.handle.begin() as transaction:
            cursor = transaction.cursor()
            more = cursor.set_range(position)
            while more and len(chunk) < _CHUNK and (item := _item(cursor))[0].startswith(start):
                chunk.append(item)
                more = cursor.next()
            for end in (position, chunk[-1][0] + b"\x00" if chunk else position):
                _check_sides(transaction, end, self.path)
        if [stored for stored, _ in chunk] != sorted({stored for stored, _ in chunk}):
            raise _out_of_order(self.path)
        return chunk

    def lacks(self) -> dict[Guarantee, str]:
        return HERE_ALONE

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            release(self._environment)


def _map_size(url: StoreUrl) -> int:
    text = url.option("map_size_gb", _DEFAULT_MAP_GB)
    try:
        size_gb = float(text)
    except ValueError:
        size_gb = 0.0
    if not 0.0 < size_gb <= 65536:
        raise SettingsError(f"map_size_gb of {url} is {text!r}, expected a number above 0 and up to 65536", field="map_size_gb")
    return max(int(size_gb * 2**30) // 4096, 16) * 4096


def _checked(order: int) -> int:
    if not _LEAST_ORDER <= order <= _GREATEST_ORDER:
        raise InvalidError(f"the order {order} does not fit 64 bits")
    return order


def _stored(transaction: lmdb.Transaction, keys: Sequence[bytes], path: Path) -> list[bytes | None]:
    """What is stored under these keys; where some would stand between the same two entries, those are looked at once."""
    unders = [b"\x00" + key if len(key) <= LONGEST_WHOLE else stored_key(key) for key in keys]
    if unders and transaction.get(unders[0]) is not None:  # mostly the others are there too
        found = cast("list[bytes | None]", list(map(transaction.get, unders)))
        if None not in found:
            return found
    return _looked_for(transaction, unders, path)


def _looked_for(transaction: lmdb.Transaction, unders: Sequence[bytes], path: Path) -> list[bytes | None]:
    found: list[bytes | None] = []
    low, high = b"", b""
    for under in unders:
        if high and low < under < high:
            found.append(None)
            continue
        stored = cast("bytes | None", transaction.get(under))
        if stored is None:
            low, high = _check_sides(transaction, under, path)
        found.append(stored)
    return found


def _check_sides(transaction: lmdb.Transaction, under: bytes, path: Path) -> tuple[bytes, bytes]:
    """Raise CorruptError unless the entries on both sides of where this stored key would stand are whole and in order.

    A flipped bit in a key, or in the pages above, would else hide an entry: the search ends beside the damaged place.

    Returns
    -------
    tuple
        The stored keys between which it would stand.
    """
    cursor = transaction.cursor()
    low, high = b"", b"\xff"
    beyond = cursor.set_range(under)
    if beyond:
        _check_neighbour(item := _item(cursor), under, 1, path)
        high = item[0]
    if cursor.prev() if beyond else cursor.last():
        _check_neighbour(item := _item(cursor), under, -1, path)
        low = item[0]
    return low, high


def _check_neighbour(item: tuple[bytes, bytes], under: bytes, side: int, path: Path) -> None:
    stored, value = item
    if (stored > under) - (stored < under) == -side:
        raise _out_of_order(path)
    if stored != STATE_KEY:
        decode(key_of(stored, value, path), value, path)


def _out_of_order(path: Path) -> CorruptError:
    return CorruptError(f"the key-value store {path} is damaged: its keys are out of order", hint=AGAIN)


def _item(cursor: lmdb.Cursor) -> tuple[bytes, bytes]:
    return cast("tuple[bytes, bytes]", cursor.item())
