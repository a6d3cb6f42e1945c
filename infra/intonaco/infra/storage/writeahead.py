"""Damage to SQLite's write-ahead log, which SQLite itself takes for the end of the log.

When nobody closed a database, its newest transactions stand in `PATH-wal` alone. Opening it, SQLite goes on up to the first
frame whose checksum is wrong and forgets the rest: right for a write that was cut short, but a flipped bit makes it lose what
was acknowledged. A transaction is begun only after the one before was synced, so a wrong frame with a later transaction behind
it was not cut short; nor was one that a single other bit would make right. Greater damage to the very last transaction looks
like a write that was cut short.

The format: https://www.sqlite.org/fileformat2.html#walformat
"""

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intonaco.core.errors import CorruptError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["check_write_ahead"]

_HEADER = struct.Struct(">8I")
_FRAME_HEAD = 24
_MAGIC = 0x377F0682
_MASK = 0xFFFFFFFF
_TRIES = 3

_Pair = tuple[int, int]
_Matrix = tuple[_Pair, _Pair]


def check_write_ahead(database: Path) -> None:
    """Raise CorruptError if the log of the database has lost transactions that were acknowledged; nothing is changed."""
    log = database.with_name(f"{database.name}-wal")
    for _ in range(_TRIES):  # what another process was just writing has been written when it is read again
        if not _is_damaged(log):
            return
    raise CorruptError(
        f"{database} is damaged: its newest transactions cannot be read from {log.name}",
        hint=f"restore both files from a copy, or remove {log.name} to go on without them",
    )


def _is_damaged(log: Path) -> bool:
    try:
        data = log.read_bytes()
    except OSError:  # it is not there, or SQLite will say why it cannot be read
        return False
    if len(data) <= _HEADER.size + _FRAME_HEAD:
        return False
    magic, _, page, _, salt_1, salt_2, sum_1, sum_2 = _HEADER.unpack_from(data)
    order = ">" if magic & 1 else "<"
    if magic & ~1 != _MAGIC or _checksum(data[:24], order, (0, 0)) != (sum_1, sum_2):
        return True
    return _loses_transactions(data[_HEADER.size :], page, order, (salt_1, salt_2), (sum_1, sum_2))


def _loses_transactions(frames: bytes, page: int, order: str, salts: _Pair, seed: _Pair) -> bool:
    import numpy as np

    size = _FRAME_HEAD + page
    table = np.frombuffer(frames, np.uint8, len(frames) // size * size).reshape(-1, size)
    heads = np.ascontiguousarray(table[:, :_FRAME_HEAD]).view(">u4").astype(np.uint64)
    summed = np.ascontiguousarray(np.delete(table, np.s_[8:_FRAME_HEAD], axis=1)).view(f"{order}u4").astype(np.uint64)
    weights, carried = _weights(summed.shape[1] // 2)
    given, expected = heads[:, 2:].tolist(), _expected(summed @ weights, carried, heads, salts, seed)
    whole = next((number for number, pair in enumerate(zip(given, expected, strict=True)) if pair[0] != pair[1]), len(given))
    if whole == len(given):
        return False
    ours = (heads[whole:, 2] == salts[0]) & (heads[whole:, 3] == salts[1])
    commits = np.flatnonzero(ours & (heads[whole:, 1] != 0))
    return bool(len(commits) and ours[commits[0] + 1 :].any()) or _is_one_bit_off(given[whole], expected[whole], weights)


def _expected(
    parts: "NDArray[Any]",
    carried: _Matrix,
    heads: "NDArray[Any]",
    salts: tuple[int, int],
    seed: tuple[int, int],
) -> list[list[int]]:
    """Salts and sums that SQLite expects in each frame, given that those before it are whole."""
    states = [seed, *((first, second) for first, second in heads[:, 4:].tolist())]
    pairs = zip(parts.tolist(), states, strict=False)  # a whole frame bears the state that the next one starts from
    return [[*salts, (_carry(carried[0], state) + part[0]) & _MASK, (_carry(carried[1], state) + part[1]) & _MASK] for part, state in pairs]


def _is_one_bit_off(given: list[int], expected: list[int], weights: "NDArray[Any]") -> bool:
    import numpy as np

    if sum((have ^ want).bit_count() for have, want in zip(given, expected, strict=True)) == 1:
        return True  # in the salts or sums themselves
    if given[:2] != expected[:2]:
        return False
    changes = (weights[:, None, :] << np.arange(32, dtype=np.uint64)[None, :, None]) & _MASK
    off = np.array([expected[2] - given[2], expected[3] - given[3]])
    return bool((changes == off & _MASK).all(axis=2).any() or (changes == -off & _MASK).all(axis=2).any())


def _carry(row: _Pair, state: _Pair) -> int:
    return row[0] * state[0] + row[1] * state[1]


def _weights(pairs: int) -> tuple["NDArray[Any]", _Matrix]:
    """What each word adds to the two sums in the end, shape (2 pairs, 2), and what the sums before become; all modulo 2^32.

    A pair (x, y) takes the sums (s, t) to (s + t + x, s + 2t + x + y): linear, so words can be weighed all at once.
    """
    import numpy as np

    weights = np.empty((2 * pairs, 2), np.uint64)
    (a, b), (c, d) = (1, 0), (0, 1)
    for pair in reversed(range(pairs)):
        weights[2 * pair], weights[2 * pair + 1] = ((a + b) & _MASK, (c + d) & _MASK), (b, d)
        (a, b), (c, d) = ((a + b) & _MASK, (a + 2 * b) & _MASK), ((c + d) & _MASK, (c + 2 * d) & _MASK)
    return weights, ((a, b), (c, d))


def _checksum(data: bytes, order: str, state: _Pair) -> _Pair:
    first, second = state
    for x, y in struct.iter_unpack(f"{order}2I", data):
        first = (first + x + second) & _MASK
        second = (second + y + first) & _MASK
    return first, second
