"""How a key and its entry are laid out as bytes, for stores that keep them as such.

This layout is final: format 1.

Stored key
    `00` + key, or, for a key longer than 400 bytes, `01` + its first 400 bytes + its SHA-256. Keys keep their order up to there.
Stored value
    The format, `01`; the order (8 bytes, signed); for a long key its length (4 bytes) and the key; the value; CRC-32 (4
    bytes) of the key and all this. Numbers are little-endian.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from struct import Struct

from intonaco.core.errors import CorruptError
from intonaco.infra.storage.checksum import crc32

__all__ = [
    "FORMAT",
    "LONGEST_WHOLE",
    "RESIDUE",
    "VALUE",
    "check_together",
    "decode",
    "decode_all",
    "decode_apart",
    "encode",
    "encode_all",
    "encode_changed",
    "key_of",
    "stored_key",
]

LONGEST_WHOLE = 400
FORMAT = 1
_HEAD = Struct("<Bq")
_LENGTH = Struct("<I")
#: The CRC-32 of any bytes with their own CRC-32 behind them: of what is stored, begun with that of its key.
RESIDUE = 0x2144DF1C

#: Where the value of a key of no more than 400 bytes lies in what is stored.
VALUE = slice(_HEAD.size, -_LENGTH.size)
_SHORTEST = _HEAD.size + _LENGTH.size
_POLYNOMIAL, _ALL = 0xEDB88320, 0xFFFF_FFFF

_unpack = _HEAD.unpack_from  # looked up once: this is the hot path


def stored_key(key: bytes) -> bytes:
    """Under which bytes a key is kept; different keys never share them."""
    if len(key) <= LONGEST_WHOLE:
        return b"\x00" + key
    return b"\x01" + key[:LONGEST_WHOLE] + hashlib.sha256(key).digest()


def encode(key: bytes, order: int, value: bytes) -> bytes:
    """The stored value of an entry."""
    long = b"" if len(key) <= LONGEST_WHOLE else _LENGTH.pack(len(key)) + key
    body = _HEAD.pack(FORMAT, order) + long + value
    return body + _LENGTH.pack(crc32(body, crc32(key)))


def encode_all(keys: Iterable[bytes], entries: Iterable[tuple[int, bytes] | None]) -> list[tuple[bytes, bytes]]:
    """The stored keys and values of entries, in one loop; those that are None are left out."""
    head, tail, packed = _HEAD.pack, _LENGTH.pack, []
    for key, entry in zip(keys, entries, strict=True):
        if entry is None:
            continue
        order, value = entry
        if len(key) > LONGEST_WHOLE:
            packed.append((stored_key(key), encode(key, order, value)))
        else:
            body = head(FORMAT, order) + value
            packed.append((b"\x00" + key, body + tail(crc32(body, crc32(key)))))
    return packed


def decode_all(keys: Iterable[bytes], stored: Iterable[bytes | None], where: object) -> list[tuple[int, bytes] | None]:
    """As `decode`, in one loop; None where nothing is stored."""
    found: list[tuple[int, bytes] | None] = []
    add, unpack, check = found.append, _unpack, crc32
    for key, value in zip(keys, stored, strict=True):
        if value is None:
            add(None)
        elif len(key) <= LONGEST_WHOLE and check(value, check(key)) == RESIDUE and len(value) >= 13 and value[0] == FORMAT:
            add((unpack(value)[1], value[9:-4]))
        else:
            add(decode(key, value, where))
    return found


def encode_changed(
    keys: Iterable[bytes], orders: Iterable[int], old: Iterable[bytes | None], new: Iterable[bytes | None]
) -> tuple[list[bytes], list[bytes]]:
    """The stored keys and values of those entries that change, each under the next order; None leaves one as it is."""
    tail, check, unders, stored = _LENGTH.pack, crc32, list[bytes](), list[bytes]()
    head, of_order = b"", None
    for key, order, before, value in zip(keys, orders, old, new, strict=True):
        if value is None or value == before:
            continue
        if len(key) > LONGEST_WHOLE:
            unders.append(stored_key(key))
            stored.append(encode(key, order + 1, value))
            continue
        if order != of_order:  # most are alike
            head, of_order = _HEAD.pack(FORMAT, order + 1), order
        body = head + value
        unders.append(b"\x00" + key)
        stored.append(body + tail(check(body, check(key))))
    return unders, stored


def decode_apart(keys: Iterable[bytes], stored: Iterable[bytes | None], where: object) -> tuple[list[int], list[bytes | None]]:
    """As `decode_all`, orders and values apart, 0 and None where nothing is stored: no object is made of both."""
    unpack, check, orders, values = _unpack, crc32, list[int](), list[bytes | None]()
    for key, value in zip(keys, stored, strict=True):
        if value is None:
            orders.append(0)
            values.append(None)
        elif len(key) <= LONGEST_WHOLE and check(value, check(key)) == RESIDUE and len(value) >= _SHORTEST and value[0] == FORMAT:
            orders.append(unpack(value)[1])
            values.append(value[9:-4])
        else:
            order, whole = decode(key, value, where)
            orders.append(order)
            values.append(whole)
    return orders, values


def check_together(prefix: bytes) -> Callable[[Sequence[bytes], Sequence[bytes]], bool]:
    """A function that tells whether what is stored under many keys is whole, each under its own; faster than one by one.

    Keys stand behind the prefix and are kept whole. The CRC-32 runs once over all. Four bytes behind each entry bring it from where
    it is after a whole one to where it has to begin; what is not whole changes all that follows, as it would its own.
    """
    seed, format_of = crc32(prefix), itemgetter(0)
    back = _bytes_between(RESIDUE, seed)

    def whole(keys: Sequence[bytes], stored: Sequence[bytes]) -> bool:
        parts = [back] * (3 * len(keys))
        parts[0::3], parts[1::3] = keys, stored
        return crc32(b"".join(parts), seed) == seed and set(map(format_of, stored)) == {FORMAT}

    return whole


def _bytes_between(before: int, after: int) -> bytes:
    """The four bytes that bring a CRC-32 from one value to another: its register run backwards."""
    register = after ^ _ALL
    for _ in range(32):
        register = ((register ^ _POLYNOMIAL) << 1 | 1) if register >> 31 else register << 1
    return (register ^ before ^ _ALL).to_bytes(4, "little")


def decode(key: bytes, stored: bytes, where: object) -> tuple[int, bytes]:
    """The order and the value behind a key; CorruptError if they are not what was stored under it."""
    if crc32(stored, crc32(key)) == RESIDUE and len(stored) >= _SHORTEST:
        form, order = _unpack(stored)
        if form == FORMAT:
            return order, stored[9:-4] if len(key) <= LONGEST_WHOLE else stored[13 + len(key) : -4]
    raise CorruptError(
        f"{where}: the entry of key {key[:80]!r} is damaged",
        hint="delete the key and write it again; intonaco fsck lists what is damaged",
    )


def key_of(stored: bytes, value: bytes, where: object) -> bytes:
    """The key that is kept under these bytes."""
    if stored[:1] == b"\x00":
        return stored[1:]
    if stored[:1] == b"\x01" and len(value) >= 13:
        (length,) = _LENGTH.unpack_from(value, 9)
        key = value[13 : 13 + length]
        if stored_key(key) == stored:
            return key
    raise CorruptError(f"{where}: the key {stored[:80]!r} is damaged", hint="intonaco fsck lists what is damaged")
