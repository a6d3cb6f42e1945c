"""The key-value store in Redis: one string for each key.

The layout is final: format 1. The key is `PREFIX:k:` and the stored key, the string the stored value of `entries.py` of
storage.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Self
from zlib import crc32

from attrs import define, field

from intonaco.core.errors import CorruptError, InvalidError
from intonaco.core.urls import StoreUrl
from intonaco.ext.redis.connections import Link, packed
from intonaco.ext.redis.keyspace import Keyspace
from intonaco.ext.redis.replies import Replies
from intonaco.ext.redis.scripts import PUT
from intonaco.infra.storage.entries import FORMAT, LONGEST_WHOLE, RESIDUE, decode, encode, key_of, stored_key
from intonaco.infra.storage.guarantees import Guarantee
from intonaco.infra.storage.keyvalue import WHOLE_BYTES, WHOLE_ENTRIES, Entry, KeyValueStore, Stored

__all__ = ["RedisStore"]

_FORMAT = bytes([FORMAT])
_CHUNK = 1000
_CHUNK_BYTES = 2**20
_LARGEST_BYTES = 2**28
#: So many chunks are asked for together.
_AHEAD = 8
_LEAST_ORDER, _GREATEST_ORDER = -(2**63), 2**63 - 1

#: Where an entry is kept, and what is kept.
Kept = tuple[bytes, bytes]


@define(eq=False)
class RedisStore(KeyValueStore):
    """Entries in one database of a Redis server: `redis://USER:PASSWORD@HOST:PORT/DB?OPTIONS`.

    A put is acknowledged when the server has written it to its log. While it is put, nobody else is answered, so what need
    not be whole goes in short parts. Of a put that fails because the connection is lost it is not known whether it was stored.
    """

    apart_by = "prefix"

    keyspace: Keyspace
    _prefix: bytes = field(repr=False)

    @classmethod
    def open(cls, url: StoreUrl | str) -> Self:
        keyspace = Keyspace.open(url, "the key-value store")
        return cls(keyspace, keyspace.key("k", ""))

    def get(self, keys: Sequence[bytes]) -> list[Entry | None]:
        return self._told(keys, self.keyspace.connections.call(lambda link: self._read(link, keys))) if keys else []

    def get_within(self, keys: Sequence[bytes], timeout_s: float) -> list[Entry | None]:
        read = self.keyspace.connections.call
        return self._told(keys, read(lambda link: self._read(link, keys), timeout_s=timeout_s)) if keys else []

    def stored_under(self, prefix: bytes) -> Stored:
        begin, seed, longest = self._prefix + b"\x00" + prefix, crc32(prefix), LONGEST_WHOLE - len(prefix)
        call, where = self.keyspace.connections.call, self.keyspace.where

        def read(keys: Sequence[bytes]) -> list[bytes | None]:
            if not 0 < len(keys) <= _CHUNK or max(map(len, keys)) > longest:
                return [None if entry is None else encode(b"", *entry) for entry in self.get([prefix + key for key in keys])]
            request = _mget(begin, keys)
            found = call(lambda link: Replies.to(link, request))
            for key, stored in zip(keys, found, strict=True):
                if stored is not None and (crc32(stored, crc32(key, seed)) != RESIDUE or stored[:1] != _FORMAT):
                    decode(prefix + key, stored, where)  # which says what is wrong
            return found

        return read

    def put(self, entries: Iterable[tuple[bytes, int, bytes]]) -> int:
        best = _winners(entries)
        kept = [(self._prefix + stored_key(key), encode(key, *entry)) for key, entry in best.items()]
        chunks = _chunks(kept)
        return self.keyspace.write(lambda link: self._write(link, list(best), chunks)) if chunks else 0

    def delete(self, keys: Iterable[bytes]) -> None:
        under = [self._prefix + stored_key(key) for key in keys]
        commands = [packed("DEL", *under[at : at + _CHUNK]) for at in range(0, len(under), _CHUNK)]
        if commands:
            self.keyspace.write(lambda link: link.ask([*commands, *self.keyspace.touch()]))

    def scan(self, prefix: bytes = b"") -> Iterator[tuple[bytes, Entry]]:
        for under, value in self._kept(b"[\x00\x01]" + _escaped(prefix[:LONGEST_WHOLE])):
            key = key_of(under, value, self.keyspace.where)
            if key.startswith(prefix):
                yield key, decode(key, value, self.keyspace.where)

    def listed(self) -> Iterator[tuple[bytes, str]]:
        """As `SupportsListing` says."""
        for under, value in self._kept(b""):
            key = under
            try:
                key = key_of(under, value, self.keyspace.where)
                decode(key, value, self.keyspace.where)
            except CorruptError as error:
                yield key, error.message
            else:
                yield key, ""

    def lacks(self) -> dict[Guarantee, str]:
        return self.keyspace.lacks()

    def waived(self) -> frozenset[Guarantee]:
        return self.keyspace.waived()

    def close(self) -> None:
        self.keyspace.close()

    def _read(self, link: Link, keys: Sequence[bytes]) -> list[bytes | None]:
        if len(keys) <= _CHUNK:
            return Replies.to(link, self._asked(keys))
        replies = Replies(link)
        chunks = [keys[at : at + _CHUNK] for at in range(0, len(keys), _CHUNK)]
        found: list[bytes | None] = []
        for at in range(0, len(chunks), _AHEAD):
            part = chunks[at : at + _AHEAD]
            link.send(b"".join(map(self._asked, part)), len(part))
            for _ in part:
                found += replies.strings()
        return found

    def _told(self, keys: Sequence[bytes], stored: Sequence[bytes | None]) -> list[Entry | None]:
        where = self.keyspace.where
        return [None if value is None else decode(key, value, where) for key, value in zip(keys, stored, strict=True)]

    def _asked(self, keys: Sequence[bytes]) -> bytes:
        """The command that reads these keys."""
        if max(map(len, keys)) > LONGEST_WHOLE:
            return packed(b"MGET", *[self._prefix + stored_key(key) for key in keys])
        return _mget(self._prefix + b"\x00", keys)

    def _write(self, link: Link, keys: Sequence[bytes], chunks: Sequence[Sequence[Kept]]) -> int:
        self._check_whole(keys, self._read(link, keys))
        link.allow(self.keyspace.write_timeout_s)
        first, *rest = chunks
        taken = self._taken(first, PUT.run(link, *_columns(first), *self.keyspace.touch())[0])
        sent: list[Sequence[Kept]] = []
        for chunk in rest:  # one ahead of the other, so that the server is never without work
            link.allow(self.keyspace.write_timeout_s)
            link.send(PUT.command(*_columns(chunk)))
            sent.append(chunk)
            if len(sent) > 1:
                taken += self._taken(sent.pop(0), link.answer())
        return taken + sum(self._taken(chunk, link.answer()) for chunk in sent)

    def _check_whole(self, keys: Sequence[bytes], stored: Iterable[bytes | None]) -> None:
        """Raise CorruptError if what stands there is not what was put: the script goes by its order, and knows no checksum."""
        for key, value in zip(keys, stored, strict=True):
            if value is not None and (crc32(value, crc32(key)) != RESIDUE or value[:1] != _FORMAT):
                decode(key, value, self.keyspace.where)  # which says what is wrong

    def _taken(self, chunk: Sequence[Kept], answer: int) -> int:
        if answer < 0:
            under = chunk[-answer - 1][0][len(self._prefix) :]
            raise CorruptError(
                f"{self.keyspace.where}: what is stored under {under[:80]!r} is no entry of this format",
                hint="delete the key and write it again; intonaco fsck lists what is damaged",
            )
        return answer

    def _kept(self, pattern: bytes) -> Iterator[Kept]:
        """All that is kept under what begins so behind the prefix; what is deleted meanwhile is left out."""
        matching = _escaped(self._prefix) + pattern + b"*"
        seen: set[bytes] = set()  # the server tells some keys twice when it makes room while it is scanned
        position = b"0"
        while True:
            position, found = self.keyspace.ask(packed("SCAN", position, "MATCH", matching, "COUNT", _CHUNK))[0]
            new = [each for each in dict.fromkeys(found) if each not in seen]
            seen.update(new)
            for at in range(0, len(new), _CHUNK):
                some = new[at : at + _CHUNK]
                (values,) = self.keyspace.ask(packed("MGET", *some))
                yield from ((under[len(self._prefix) :], value) for under, value in zip(some, values, strict=True) if value is not None)
            if position == b"0":
                return


def _winners(entries: Iterable[tuple[bytes, int, bytes]]) -> dict[bytes, Entry]:
    """What is to be stored: of a key that is there twice, the one that wins."""
    best: dict[bytes, Entry] = {}
    for key, order, value in entries:
        if not _LEAST_ORDER <= order <= _GREATEST_ORDER:
            raise InvalidError(f"the order {order} does not fit 64 bits")
        there = best.setdefault(key, entry := (order, value))
        if entry > there:
            best[key] = entry
    return best


def _mget(begin: bytes, keys: Sequence[bytes]) -> bytes:
    """The command that reads what stands behind `begin`; written out, for most of what a request costs is this."""
    extra = len(begin)
    named = [b"$%d\r\n%b%b\r\n" % (len(key) + extra, begin, key) for key in keys]
    return b"*%d\r\n$4\r\nMGET\r\n" % (len(keys) + 1) + b"".join(named)


def _chunks(kept: Sequence[Kept]) -> list[Sequence[Kept]]:
    """Parts that the server writes each as one step: all together, or, of more than has to be whole, so short that nobody waits."""
    sizes = [len(under) + len(value) for under, value in kept]
    if kept and max(sizes) > _LARGEST_BYTES:
        raise InvalidError(f"a value of {max(sizes) >> 20} MiB is too large for Redis", hint="keep it as a blob and store its digest")
    if len(kept) <= WHOLE_ENTRIES and sum(sizes) <= WHOLE_BYTES:
        return [kept] if kept else []
    starts, size = [0], 0
    for at, each in enumerate(sizes):
        size += each
        if at - starts[-1] == _CHUNK or (size > _CHUNK_BYTES and at > starts[-1]):
            starts.append(at)
            size = each
    return [kept[start:end] for start, end in pairwise([*starts, len(kept)])]


def _columns(chunk: Sequence[Kept]) -> tuple[list[bytes], list[bytes]]:
    return [where for where, _ in chunk], [value for _, value in chunk]


def _escaped(text: bytes) -> bytes:
    """The bytes as a pattern that they alone match."""
    return b"".join(b"\\" + bytes([each]) if each in b"*?[]\\^-" else bytes([each]) for each in text)
