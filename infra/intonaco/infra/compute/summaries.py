"""The rows of summaries that columns of a table give, one for each column and partition; `compute.summary` says what they hold."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from intonaco.infra.compute.sketches import bins_of
from intonaco.infra.compute.summary import BUCKETS, KEPT, REGISTERS

__all__ = ["SUMMARY", "summaries"]

#: Bits for a bucket, or for a register and its rank, when they are packed behind the partition.
_SHIFT = 20
_MIDDLE = 1 << (_SHIFT - 1)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SUMMARY = pa.schema(
    [
        ("column", pa.string()),
        ("kind", pa.string()),
        ("part", pa.int64()),
        ("rows", pa.int64()),
        ("nulls", pa.int64()),
        ("mean", pa.float64()),
        ("squares", pa.float64()),
        ("least", pa.float64()),
        ("greatest", pa.float64()),
        ("buckets", pa.list_(pa.int64())),
        ("registers", pa.list_(pa.int64())),
        ("top", pa.list_(pa.string())),
        ("top_rows", pa.list_(pa.int64())),
    ]
)


def summaries(data: pa.Table, columns: Sequence[str], parts: Ints) -> pa.Table:
    """One row of `SUMMARY` for each column and partition that has rows; columns that are neither numbers nor categories are left out.

    Parameters
    ----------
    parts : shape (rows,)
        The number of each row's partition, such as its day.
    """
    known, places = np.unique(parts, return_inverse=True)
    tables = [found for name in columns if (found := _summarized(name, data[name], known, places)) is not None]
    return pa.concat_tables([SUMMARY.empty_table(), *tables])


def _summarized(name: str, column: pa.ChunkedArray, known: Ints, places: Ints) -> pa.Table | None:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _of_numbers(name, column, known, places)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_boolean(kind):
        return _of_categories(name, column, known, places)
    return None


def _of_numbers(name: str, column: pa.ChunkedArray, known: Ints, places: Ints) -> pa.Table:
    values = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    held = np.isfinite(values)
    x, part = (values, places) if held.all() else (values[held], places[held])
    n = np.bincount(part, minlength=len(known))
    mean = np.bincount(part, x, len(known)) / np.maximum(n, 1)
    least, greatest = np.full(len(known), np.inf), np.full(len(known), -np.inf)
    np.minimum.at(least, part, x)
    np.maximum.at(greatest, part, x)
    with np.errstate(over="ignore", invalid="ignore"):  # values near the end of the floats have an infinite spread
        squares = np.bincount(part, (x - mean[part]) ** 2, len(known))
    columns = {
        "mean": mean,
        "squares": squares,
        "least": least,
        "greatest": greatest,
        "buckets": _bucket_words(x, part, len(known)),
        "registers": _register_words(bins_of(REGISTERS, x, np.ones(len(x), np.bool_)), part, len(known)),
    }
    return _table(name, "number", known, np.bincount(places, minlength=len(known)), n, columns)


def _of_categories(name: str, column: pa.ChunkedArray, known: Ints, places: Ints) -> pa.Table:
    texts = column.cast(pa.string()) if not pa.types.is_string(column.type) else column
    encoded = pc.dictionary_encode(texts.combine_chunks())
    codes = np.asarray(encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int64)
    words = encoded.dictionary.to_pylist()
    held = codes >= 0
    code, part = codes[held], places[held]
    pairs, counts = np.unique(part * max(len(words), 1) + code, return_counts=True)
    owners, places_of = np.divmod(pairs, max(len(words), 1))
    hashes = np.array([int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "little", signed=True) for word in words], np.int64)
    registers = bins_of(REGISTERS, hashes, np.ones(len(hashes), np.bool_))[places_of] if len(pairs) else pairs
    order = np.lexsort([-counts, owners])
    rank = np.arange(len(order)) - np.searchsorted(owners[order], owners[order])
    kept = order[rank < KEPT]
    sizes = np.bincount(owners[kept], minlength=len(known))
    columns = {
        "top": _lists(pa.array([words[place] for place in places_of[kept].tolist()], pa.string()), sizes),
        "top_rows": _lists(pa.array(counts[kept]), sizes),
        "registers": _register_words(registers, owners, len(known)),
    }
    return _table(name, "category", known, np.bincount(places, minlength=len(known)), np.bincount(part, minlength=len(known)), columns)


def _bucket_words(values: Floats, part: Ints, parts: int) -> pa.Array:
    """The DDSketch of each partition; sorting packed integers is several times as fast as sorting pairs."""
    buckets = bins_of(BUCKETS, values, np.ones(len(values), np.bool_)) >> 32
    packed, counts = np.unique(part << _SHIFT | (buckets + _MIDDLE), return_counts=True)
    words = ((packed & ((1 << _SHIFT) - 1)) - _MIDDLE) << 32 | counts
    return _lists(pa.array(words), np.bincount(packed >> _SHIFT, minlength=parts))


def _register_words(words: Ints, part: Ints, parts: int) -> pa.Array:
    """The HyperLogLog of each partition: of each register its greatest rank."""
    packed = np.sort(part << _SHIFT | (words >> 32) << 6 | (words & 63))
    last = np.append(packed[1:] >> 6 != packed[:-1] >> 6, True) if len(packed) else np.zeros(0, np.bool_)
    kept = packed[last]
    found = (kept & ((1 << _SHIFT) - 1)) >> 6 << 32 | (kept & 63)
    return _lists(pa.array(found), np.bincount(kept >> _SHIFT, minlength=parts))


def _lists(values: pa.Array, sizes: NDArray[np.intp]) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(np.concatenate([[0], np.cumsum(sizes)]), pa.int32()), values)


def _table(name: str, kind: str, known: Ints, rows: Ints, n: Ints, columns: Mapping[str, object]) -> pa.Table:
    size = len(known)
    shared = {"column": [name] * size, "kind": [kind] * size, "part": known, "rows": rows, "nulls": rows - n}
    given = {**shared, **columns}
    arrays = [pa.array(given[each.name], each.type) if each.name in given else _blank(each, size) for each in SUMMARY]
    return pa.Table.from_arrays(arrays, schema=SUMMARY)


def _blank(each: pa.Field, size: int) -> pa.Array:
    if pa.types.is_list(each.type):
        return pa.array([[]] * size, each.type)
    return pa.array({"least": np.full(size, np.inf), "greatest": np.full(size, -np.inf)}.get(each.name, np.zeros(size)), each.type)
