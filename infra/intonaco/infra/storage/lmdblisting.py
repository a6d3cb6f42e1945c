"""Looking at every entry of an LMDB environment, damaged ones too."""

from collections.abc import Iterator
from pathlib import Path

from intonaco.core.errors import CorruptError
from intonaco.infra.storage.entries import decode, key_of
from intonaco.infra.storage.environments import STATE_KEY, Environment, explained_lmdb

__all__ = ["listed"]

_CHUNK = 1000


def listed(environment: Environment, path: Path) -> Iterator[tuple[bytes, str]]:
    """Every key, as far as it can be told, with what is wrong with its entry; chunk by chunk, so that no reader stays open."""
    before = b""
    while chunk := _chunk(environment, path, before):
        for stored, value in chunk:
            if stored != STATE_KEY:
                yield _looked_at(stored, value, path, ordered=stored > before)
            before = stored


def _chunk(environment: Environment, path: Path, before: bytes) -> list[tuple[bytes, bytes]]:
    with explained_lmdb(path), environment.handle.begin() as transaction:
        cursor = transaction.cursor()
        more = cursor.set_range(before + b"\x00") if before else cursor.first()
        chunk: list[tuple[bytes, bytes]] = []
        while more and len(chunk) < _CHUNK:
            chunk.append(cursor.item())
            more = cursor.next()
    return chunk


def _looked_at(stored: bytes, value: bytes, path: Path, *, ordered: bool) -> tuple[bytes, str]:
    key = stored
    try:
        key = key_of(stored, value, path)
        decode(key, value, path)
    except CorruptError as error:
        return key, error.message
    return key, "" if ordered else f"{path}: the key {key[:80]!r} is out of order"
