"""Summaries of columns by partitions of rows, which merge: pieces that are summarized one by one give what the whole would give.

Numbers keep their count, mean, squared distances from it, ends and a DDSketch of their values, categories the most frequent of
them, and both a HyperLogLog of how many differ. Quantiles are within 1.6 % of a value, distinct counts within about 5 %.

References
----------
Chan, Golub & LeVeque, "Algorithms for computing the sample variance", The American Statistician 37(3), 1983 (how means and
squared distances merge). The sketches are those of `compute.sketches`.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import field, frozen
from numpy.typing import NDArray

from intonaco.infra.compute.measures import Measure
from intonaco.infra.compute.sketches import bins_of, finalize_bins, merge_bins, middle_of

__all__ = ["SUMMARY", "Summary", "merged", "summaries"]

_PRECISION, _BITS = 9, 5
_REGISTERS, _BUCKETS = Measure("", "registers", parameter=_PRECISION), Measure("", "buckets", parameter=_BITS)
_KEPT, _TOLD = 30, 10
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


def _ints(given: Sequence[int] | Ints) -> Ints:
    return np.asarray(given, dtype=np.int64)


@frozen(kw_only=True, eq=False)
class Summary:
    """What some rows of one column look like.

    Parameters
    ----------
    rows, nulls
        All rows, and those without a value; NaN is none.
    mean, squares
        Of the values that are there, and the sum of their squared distances from the mean.
    buckets, registers
        Words of the sketches.
    top
        The most frequent texts with their rows.
    """

    kind: Literal["number", "category", "private"]
    rows: int
    nulls: int
    mean: float = 0.0
    squares: float = 0.0
    least: float = float("inf")
    greatest: float = float("-inf")
    buckets: Ints = field(default=(), converter=_ints, repr=False)
    registers: Ints = field(default=(), converter=_ints, repr=False)
    top: Mapping[str, int] = field(factory=dict)

    @property
    def n(self) -> int:
        """Rows with a value."""
        return self.rows - self.nulls

    @property
    def null_share(self) -> float:
        """The share of rows without a value."""
        return self.nulls / self.rows if self.rows else 0.0

    @property
    def std(self) -> float:
        """The standard deviation (of the population) of the values."""
        return float(np.sqrt(self.squares / self.n)) if self.n else float("nan")

    @property
    def distinct(self) -> int:
        """About how many different values there are."""
        return int(finalize_bins("distinct", (_PRECISION,), np.zeros(len(self.registers), np.int64), self.registers, 1)[0][0])

    def quantile(self, q: float) -> float:
        """The value below which about this share of the values lies; NaN where there is none, or no number."""
        values, held = finalize_bins("quantile", (q, _BITS), np.zeros(len(self.buckets), np.int64), self.buckets, 1)
        return float(np.clip(values[0], self.least, self.greatest)) if held[0] else float("nan")

    def shares(self, edges: Floats) -> Floats:
        """The share of values between each edge and the next, by the sketch, whose buckets count as even; shape (edges - 1,)."""
        if not len(self.buckets):
            return np.zeros(len(edges) - 1)
        middles = middle_of(self.buckets >> 32, _BITS)
        half = np.ldexp(1.0, np.frexp(middles)[1] - 2 - _BITS)
        ends = np.clip(np.stack([middles - half, middles + half], axis=1), self.least, self.greatest)
        counted = np.cumsum(self.buckets & 0xFFFF_FFFF) / max(self.n, 1)
        reached = np.stack([np.append(0.0, counted[:-1]), counted], axis=1)
        return np.asarray(np.diff(np.interp(edges, ends.ravel(), reached.ravel())))


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


def merged(rows: pa.Table) -> dict[str, dict[int, Summary]]:
    """The summary of each column and partition, of rows of which several may belong to one."""
    held: dict[tuple[str, int], list[Summary]] = {}
    for row in rows.to_pylist():
        top = dict(zip(row["top"], row["top_rows"], strict=True))
        shared = {name: row[name] for name in ("kind", "rows", "nulls", "mean", "squares", "least", "greatest", "buckets", "registers")}
        held.setdefault((row["column"], row["part"]), []).append(Summary(**shared, top=top))
    found: dict[str, dict[int, Summary]] = {}
    for (column, part), some in sorted(held.items()):
        found.setdefault(column, {})[part] = together(some)
    return found


def together(some: Sequence[Summary]) -> Summary:
    """The summary of all rows of several summaries of one column."""
    if len(some) == 1:
        return some[0]
    n = np.array([each.n for each in some], dtype=np.float64)
    means = np.array([each.mean for each in some])
    total = max(n.sum(), 1.0)
    mean = float((n * means).sum() / total)
    top: dict[str, int] = {}
    for each in some:
        for text, count in each.top.items():
            top[text] = top.get(text, 0) + count
    return Summary(
        kind=some[0].kind,
        rows=sum(each.rows for each in some),
        nulls=sum(each.nulls for each in some),
        mean=mean,
        squares=float(sum(each.squares for each in some) + (n * (means - mean) ** 2).sum()),
        least=min(each.least for each in some),
        greatest=max(each.greatest for each in some),
        buckets=_merged_words(_BUCKETS, [each.buckets for each in some]),
        registers=_merged_words(_REGISTERS, [each.registers for each in some]),
        top=dict(sorted(top.items(), key=lambda each: (-each[1], each[0]))[:_KEPT]),
    )


def _merged_words(measure: Measure, words: Sequence[Ints]) -> Ints:
    every = np.concatenate(words)
    return merge_bins(measure, np.zeros(len(every), np.int64), every)[1]


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
        "registers": _register_words(bins_of(_REGISTERS, x, np.ones(len(x), np.bool_)), part, len(known)),
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
    registers = bins_of(_REGISTERS, hashes, np.ones(len(hashes), np.bool_))[places_of] if len(pairs) else pairs
    order = np.lexsort([-counts, owners])
    rank = np.arange(len(order)) - np.searchsorted(owners[order], owners[order])
    kept = order[rank < _KEPT]
    sizes = np.bincount(owners[kept], minlength=len(known))
    columns = {
        "top": _lists(pa.array([words[place] for place in places_of[kept].tolist()], pa.string()), sizes),
        "top_rows": _lists(pa.array(counts[kept]), sizes),
        "registers": _register_words(registers, owners, len(known)),
    }
    return _table(name, "category", known, np.bincount(places, minlength=len(known)), np.bincount(part, minlength=len(known)), columns)


def _bucket_words(values: Floats, part: Ints, parts: int) -> pa.Array:
    """The DDSketch of each partition; sorting packed integers is several times as fast as sorting pairs."""
    buckets = bins_of(_BUCKETS, values, np.ones(len(values), np.bool_)) >> 32
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
