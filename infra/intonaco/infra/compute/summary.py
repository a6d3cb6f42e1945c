"""Summaries of columns by partitions of rows, which merge: pieces that are summarized one by one give what the whole would give.

Numbers keep their count, mean, squared distances from it, ends and a DDSketch of their values, categories the most frequent of
them, and both a HyperLogLog of how many differ. Quantiles are within 1.6 % of a value, distinct counts within about 5 %.

References
----------
Chan, Golub & LeVeque, "Algorithms for computing the sample variance", The American Statistician 37(3), 1983 (how means and
squared distances merge). The sketches are those of `compute.sketches`.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
from attrs import field, frozen
from numpy.typing import NDArray

from intonaco.infra.compute.measures import Measure
from intonaco.infra.compute.sketches import finalize_bins, merge_bins, middle_of

__all__ = ["BUCKETS", "KEPT", "REGISTERS", "Summary", "merged", "together"]

_PRECISION, _BITS = 9, 5
#: The sketches of how many values differ, and of how they are spread.
REGISTERS, BUCKETS = Measure("", "registers", parameter=_PRECISION), Measure("", "buckets", parameter=_BITS)
#: Of so many texts the rows are counted.
KEPT = 30

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


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
        buckets=_merged_words(BUCKETS, [each.buckets for each in some]),
        registers=_merged_words(REGISTERS, [each.registers for each in some]),
        top=dict(sorted(top.items(), key=lambda each: (-each[1], each[0]))[:KEPT]),
    )


def _merged_words(measure: Measure, words: Sequence[Ints]) -> Ints:
    every = np.concatenate(words)
    return merge_bins(measure, np.zeros(len(every), np.int64), every)[1]
