"""How a key and its entry are laid out as bytes, for stores that keep them as such.

This layout is final: format 1.

Stored key
    `00` + key, or, for a key longer than 400 bytes, `01` + its first 400 bytes + its SHA-256. Keys keep their order up to there.
Stored value
    The format, `01`; the order (8 bytes, signed); for a long key its length (4 bytes) and the key; the value; CRC-32 (4
    bytes) of the key and all this. Numbers are little-endian.
"""

import hashlib
from struct import Struct
from zlib import crc32

from intonaco.core.errors import CorruptError

__all__ = ["LONGEST_WHOLE", "decode", "encode", "key_of", "stored_key"]

LONGEST_WHOLE = 400
FORMAT = 1
_HEAD = Struct("<Bq")
_LENGTH = Struct("<I")
#: The CRC-32 of any bytes with their own CRC-32 behind them.
_RESIDUE = 0x2144DF1C

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


def decode(key: bytes, stored: bytes, where: object) -> tuple[int, bytes]:
    """The order and the value behind a key; CorruptError if they are not what was stored under it."""
    if crc32(stored, crc32(key)) == _RESIDUE and len(stored) >= 13:
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
