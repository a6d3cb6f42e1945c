"""What the words of results and of events say, one at a time."""

from struct import Struct
from typing import Any

import numpy as np

from intonaco.infra.compute.scalars import unordered_one
from intonaco.infra.compute.timeline import NEVER
from intonaco.infra.features.defined.layout import Aggregate, Kept
from intonaco.infra.features.entries.shape import TEXTS, holds_floats

__all__ = ["bytes_at", "of_code", "result_of"]

_LENGTH = 0xFFFF_FFFF
_INTEGER, _FLOAT = Struct("<q"), Struct("<d")


def bytes_at(word: int, whole: bytes, words: int) -> bytes | None:
    """The bytes behind an entry's words that a word tells the place of; None where null."""
    start = 8 * words + (word >> 32)
    return None if word == NEVER else whole[start : start + (word & _LENGTH)]


def result_of(kind: Kept | Aggregate, word: int, whole: bytes, words: int) -> Any:
    """The value of a result; None where null."""
    if holds_floats(kind):
        value = _FLOAT.unpack(_INTEGER.pack(word))[0]
        return value if value == value else None
    if isinstance(kind, Aggregate) and kind.kind == "last_k":
        listed = np.frombuffer(bytes_at(word, whole, words) or b"", dtype=np.int64)
        return tuple((listed.view(np.float64) if kind.floats else listed).tolist())
    if isinstance(kind, Kept) and kind.dtype in TEXTS:
        return bytes_at(word, whole, words)
    return None if word == NEVER else word


def of_code(kept: Kept, code: int, whole: bytes, words: int) -> Any:
    """The value of a column of an event, where floats are ordered codes."""
    if code == NEVER:
        return None
    return unordered_one(code) if holds_floats(kept) else result_of(kept, code, whole, words)
