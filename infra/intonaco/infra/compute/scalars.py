"""The algebra of one value at a time, for reads too small for arrays: bit for bit what `algebra` gives."""

from collections.abc import Sequence

from intonaco.infra.compute.measures import NONE

__all__ = ["finalize_one", "unordered_one", "wrapped"]

from struct import Struct

_INTEGER, _FLOAT = Struct("<q"), Struct("<d")
_BITS = 0x7FFF_FFFF_FFFF_FFFF
_ROUND = 1 << 64


def wrapped(word: int) -> int:
    """The word modulo 2^64, as int64: differences of running sums that wrapped around."""
    return word if -(1 << 63) <= word < 1 << 63 else (word + (1 << 63)) % _ROUND - (1 << 63)


def unordered_one(code: int) -> float:
    """The float behind `ordered`."""
    value: float = _FLOAT.unpack(_INTEGER.pack(code if code >= 0 else code ^ _BITS))[0]
    return value


def finalize_one(kind: str, words: Sequence[int], resolution: float, floats: bool) -> float | int | None:
    """The aggregate of merged words, None where there is none: one element of `algebra.finalize`."""
    word = words[0]
    if kind == "count":
        return float(word)
    if kind == "sum":
        return float(word) * resolution if floats else word
    if kind == "mean":
        return float(word) / float(words[1]) * resolution if words[1] > 0 else None
    if kind == "variance":
        return _variance(words, resolution) if words[1] > 0 else None
    if word == NONE:
        return None
    code = ~word if kind in ("minimum", "first") else word
    return unordered_one(code) if floats else code


def _variance(words: Sequence[int], resolution: float) -> float:
    total, count, high, mixed, low = words
    squares = high * (1 << 40) + mixed * (1 << 21) + low
    return (count * squares - total * total) / (count * count) * resolution * resolution
