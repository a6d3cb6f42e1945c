"""What windows must hold, by plain loops over the rule of time and the definitions of the aggregates: slow, and easy to check."""

import hashlib
import math
import struct
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from attrs import frozen

__all__ = ["Event", "aggregate", "held_in", "rank_of", "usable"]

_MASK = (1 << 64) - 1


@frozen
class Event:
    """An event as the reference sees it: a key, times in microseconds, and values by column; None is null."""

    key: str | None
    time: int | None
    created: int | None
    values: Mapping[str, Any]


def usable(events: Sequence[Event], key: str | None, at: int, delay: int) -> list[Event]:
    """The events of the key that may be seen: event time + delay < at."""
    return [each for each in events if key is not None and each.key == key and each.time is not None and each.time + delay < at]


def held_in(events: Sequence[Event], at: int, delay: int, over: int, hop: int) -> list[Event]:
    """Of usable events those in the window: from the start of the hop that holds its tail on."""
    return [each for each in events if each.time is not None and each.time >= (at - delay - over) // hop * hop]


def aggregate(kind: str, column: str, inside: Sequence[Event], resolution: float, parameters: Sequence[float]) -> Any:
    """The aggregate of the events of a window, as it is to be answered; None is null."""
    if not column:
        return float(len(inside))
    held = [each for each in inside if each.values[column] is not None]
    values = [each.values[column] for each in held]
    if kind == "count":
        return float(len(values))
    if kind == "sum":
        return _sum(values, resolution)
    if kind == "distinct":
        return _cardinality([_hash(value) for value in values], int(parameters[0]))
    if kind == "last_k":
        return [value for _, value in _by_time(held, column)[::-1]][: int(parameters[0])]
    if not values:
        return None
    if kind in ("mean", "variance"):
        return _moment(kind, values, resolution)
    if kind == "quantile":
        return _quantile([float(_whole(value)) for value in values], parameters[0], int(parameters[1])) * _unit(values[0])
    ordered = sorted(values, key=rank_of)
    by_time = _by_time(held, column)
    return _answered({"minimum": ordered[0], "maximum": ordered[-1], "first": by_time[0][1], "last": by_time[-1][1]}[kind])


def rank_of(value: Any) -> tuple[Any, float]:
    """In the order of values, the negative zero before the positive."""
    return value, math.copysign(1.0, value) if isinstance(value, float) else 0.0


def _by_time(held: Sequence[Event], column: str) -> list[tuple[tuple[Any, ...], Any]]:
    """Values by event time, then creation time, then value."""
    found = []
    for each in held:
        value = each.values[column]
        created = -math.inf if each.created is None else each.created
        found.append(((each.time, created, *rank_of(value)), _answered(value)))
    return sorted(found)


def _answered(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else value


def _unit(value: Any) -> float:
    """What one whole number is worth."""
    return 10.0 ** int(value.as_tuple().exponent) if isinstance(value, Decimal) else 1.0


def _whole(value: Any) -> Any:
    return int(value.scaleb(-int(value.as_tuple().exponent))) if isinstance(value, Decimal) else value


def _fixed(value: Any, resolution: float) -> int:
    return round(Fraction(value) / Fraction(resolution)) if isinstance(value, float) else int(_whole(value))


def _sum(values: Sequence[Any], resolution: float) -> Any:
    total = sum(_fixed(value, resolution) for value in values)
    if any(isinstance(value, float) for value in values):
        return float(total) * resolution
    decimals = [value for value in values if isinstance(value, Decimal)]
    return Decimal(total).scaleb(int(decimals[0].as_tuple().exponent)) if decimals else total


def _moment(kind: str, values: Sequence[Any], resolution: float) -> float:
    step = resolution if isinstance(values[0], float) else _unit(values[0])
    whole = [_fixed(value, resolution) for value in values]
    if kind == "mean":
        return float(sum(whole)) / float(len(whole)) * step
    return (len(whole) * sum(each * each for each in whole) - sum(whole) ** 2) / len(whole) ** 2 * step * step


def _quantile(values: list[float], q: float, bits: int) -> float:
    """The middle of the bucket of the value of rank floor(q (n - 1)): 2^bits buckets between two powers of two."""
    value = sorted(values)[math.floor(q * float(len(values) - 1))]
    if value == 0.0:
        return 0.0
    mantissa, exponent = math.frexp(abs(value))
    bucket = math.floor((2.0 * mantissa - 1.0) * 2**bits)
    return math.copysign(math.ldexp(1.0 + (bucket + 0.5) / 2**bits, exponent - 1), value)


def _hash(value: Any) -> int:
    """Of texts BLAKE2b, of numbers their bits; both through the finalizer of SplitMix64."""
    if isinstance(value, str):
        bits = int.from_bytes(hashlib.blake2b(value.encode(), digest_size=8).digest(), "little")
    elif isinstance(value, float):
        bits = int.from_bytes(struct.pack("<d", value + 0.0), "little")
    else:
        bits = int(_whole(value)) & _MASK
    mixed = (bits + 0x9E3779B97F4A7C15) & _MASK
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & _MASK
    return mixed ^ (mixed >> 31)


def _cardinality(hashes: Sequence[int], precision: int) -> float:
    """Ertl's algorithm 6 over the registers of HyperLogLog."""
    width = 64 - precision
    registers: dict[int, int] = {}
    for each in hashes:
        rank = width + 1 - (each & ((1 << width) - 1)).bit_length()
        registers[each >> width] = max(rank, registers.get(each >> width, 0))
    size = 1 << precision
    counts = [sum(1 for rank in registers.values() if rank == k) for k in range(width + 2)]
    total = size * _tau(1.0 - counts[width + 1] / size)
    for k in range(width, 0, -1):
        total = 0.5 * (total + counts[k])
    total += size * _sigma(1.0 - len(registers) / size)
    return float(round(0.7213475204444817 * size * size / total))


def _sigma(x: float) -> float:
    if x == 1.0:
        return math.inf
    total, weight, before = x, 1.0, math.nan
    while total != before:
        x, before = x * x, total
        total, weight = total + x * weight, weight + weight
    return total


def _tau(x: float) -> float:
    if x in (0.0, 1.0):
        return 0.0
    total, weight, before = 1.0 - x, 1.0, math.nan
    while total != before:
        x, weight, before = math.sqrt(x), 0.5 * weight, total
        total -= (1.0 - x) * (1.0 - x) * weight
    return total / 3.0
