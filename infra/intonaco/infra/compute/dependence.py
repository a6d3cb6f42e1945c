"""How much columns tell of each other, whatever their types: mutual information of their bins, and rank correlation.

Numbers are put into bins of about equal counts, so few that a pair of bins has five rows on average, text and bools into a bin
for each of the most frequent values; rows without a value have a bin of their own, so that a value's absence may tell
something. With counts over such bins

- the mutual information is `I(x; y) = H(x) + H(y) - H(x, y)` in bits, minus the bias that sampling gives it, which is about
  `(K_xy - K_x - K_y + 1) / (2 n ln 2)` for the numbers of bins that hold something (Miller & Madow); neither is ever below 0.
- the symmetric uncertainty is `2 I(x; y) / (H(x) + H(y))`, in [0, 1]: 1 where each tells the other fully.
- the rank correlation is Spearman's, of the ranks that numbers have among their own, over the rows where both are there.

References
----------
Miller, "Note on the bias of information estimates", in Information Theory in Psychology, 1955. Press, Teukolsky, Vetterling &
Flannery, Numerical Recipes, 2nd ed., section 14.4 (the symmetric uncertainty).
"""

import math

import numpy as np
import pyarrow.compute as pc
from attrs import define, field
from numpy.typing import NDArray

from intonaco.core.columns import Column, Masked, Ragged, present
from intonaco.infra.compute.distributions import floats, kind_of, texts

__all__ = ["Rated", "information", "rank_correlation", "rated", "uncertainty"]

_BINS = 16
_ROWS_A_PAIR = 5

Codes = NDArray[np.int64]


@define(eq=False)
class Rated:
    """A column in bins, and its ranks if it holds numbers.

    Parameters
    ----------
    codes : shape (rows,)
        The bin of each row.
    ranks : shape (rows,)
        NaN where there is no value; None for categories.
    """

    name: str
    codes: Codes = field(repr=False)
    ranks: NDArray[np.float64] | None = field(repr=False)
    bins: int = field(init=False)
    entropy: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        counts = np.bincount(self.codes)
        self.bins, self.entropy = len(counts), _entropy(counts)


def rated(name: str, column: Column) -> Rated | None:
    """A column ready to be compared with others; None if it holds tensors, bytes or rows of different lengths."""
    if isinstance(column, Ragged):
        return None
    values = column.values if isinstance(column, Masked) else column
    if values.dtype.kind == "M":
        moments = np.where(np.isnat(values) | ~present(column), np.nan, values.astype("datetime64[us]").astype(np.int64))
        return Rated(name, _number_codes(moments), _ranks(moments))
    kind = kind_of(column)
    if kind == "number":
        numbers = floats(column)
        return Rated(name, _number_codes(numbers), _ranks(numbers))
    return Rated(name, _category_codes(column), _bool_ranks(column)) if kind == "category" else None


def information(one: Rated, other: Rated) -> float:
    """The mutual information of two columns in bits.

    Examples
    --------
    >>> coin = rated("coin", np.array([0.0, 1.0] * 500))
    >>> round(information(coin, coin), 3)
    1.0
    """
    joint = np.bincount(one.codes * other.bins + other.codes)
    n = int(joint.sum())
    if not n:
        return 0.0
    held = [int((np.bincount(codes) > 0).sum()) for codes in (one.codes, other.codes)]
    bias = (int((joint > 0).sum()) - sum(held) + 1) / (2 * n * np.log(2))
    return float(max(one.entropy + other.entropy - _entropy(joint) - max(bias, 0.0), 0.0))


def uncertainty(one: Rated, other: Rated, shared: float | None = None) -> float:
    """The symmetric uncertainty of two columns; `shared` is their mutual information, if it is known."""
    total = one.entropy + other.entropy
    return float(min(2 * (information(one, other) if shared is None else shared) / total, 1.0)) if total else 0.0


def rank_correlation(one: Rated, other: Rated) -> float:
    """Spearman's rank correlation in [-1, 1]; NaN where one holds categories, or does not vary."""
    if one.ranks is None or other.ranks is None:
        return float("nan")
    both = ~(np.isnan(one.ranks) | np.isnan(other.ranks))
    x, y = one.ranks[both], other.ranks[both]
    if len(x) < 2 or x.min() == x.max() or y.min() == y.max():
        return float("nan")
    return float(np.clip(np.corrcoef(x, y)[0, 1], -1.0, 1.0))


def _entropy(counts: NDArray[np.intp]) -> float:
    held = counts[counts > 0]
    shares = held / held.sum() if len(held) else held
    return float(-(shares * np.log2(shares)).sum())


def _most_bins(rows: int) -> int:
    return max(2, min(_BINS, math.isqrt(rows // _ROWS_A_PAIR)))


def _number_codes(values: NDArray[np.float64]) -> Codes:
    """Bins of about equal counts; a value that is frequent has a bin alone. Missing values have the last."""
    held = np.sort(values[~np.isnan(values)])
    ends = np.linspace(0, len(held) - 1, _most_bins(len(values)) + 1)[1:].round().astype(np.intp)
    edges = np.unique(held[ends]) if len(held) else np.zeros(0)
    codes = np.searchsorted(edges, values, side="left")
    codes[np.isnan(values)] = len(edges) + 1
    return codes.astype(np.int64)


def _category_codes(column: Column) -> Codes:
    """A bin for each of the most frequent values, one for the others, the last for missing ones."""
    encoded = pc.dictionary_encode(texts(column))
    indices = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    counts = np.bincount(indices[indices >= 0], minlength=len(encoded.dictionary))
    kept = np.argsort(-counts, kind="stable")[: 2 * _most_bins(len(indices))]
    place = np.full(len(counts) + 1, len(kept), dtype=np.int64)
    place[kept] = np.arange(len(kept))
    place[-1] = len(kept) + 1
    found: Codes = place[indices]
    return found


def _bool_ranks(column: Column) -> NDArray[np.float64] | None:
    values = column.values if isinstance(column, Masked) else column
    assert not isinstance(values, Ragged)
    return _ranks(np.where(present(column), values.astype(np.float64), np.nan)) if values.dtype.kind == "b" else None


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rank of each value among those that are there; equal values share the middle of theirs."""
    ranks = np.full(len(values), np.nan)
    held = ~np.isnan(values)
    _, places, counts = np.unique(values[held], return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks[held] = (ends - (counts - 1) / 2)[places]
    return ranks
