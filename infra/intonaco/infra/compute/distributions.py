"""Distributions of columns, and how far two of them are apart, as effect sizes.

With shares `q` of a reference and `p` of other rows over the same bins,

- the population stability index is `PSI = sum((p - q) * ln(p / q))`. A share that is empty on one side counts as half a row
  of that side; a bin that is empty on both counts nothing. Were both drawn from the same distribution, its expectation would
  be about `(B - 1) * (1 / n + 1 / m)` for B bins, n and m rows: that much is subtracted, and what falls below 0 is 0.
- the distance is Kolmogorov and Smirnov's for numbers, the greatest difference of the two distribution functions at the
  edges of the reference's fine bins, and the total variation `sum(|p - q|) / 2` for categories. Both lie in [0, 1].

By the rule of thumb that credit scoring uses, a PSI under 0.1 is no drift worth a look and one above 0.25 is a great one.

References
----------
Siddiqi, Credit Risk Scorecards, Wiley 2006 (PSI and the rule of thumb). Yurdakul & Naranjo, Statistical properties of the
population stability index, Journal of Risk Model Validation 14(4), 2020 (its expectation). Jeffreys, Proc. R. Soc. Lond. A
186, 1946 (the divergence that PSI is).
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import field, frozen
from numpy.typing import NDArray

from intonaco.core.columns import Column, Masked, Ragged, present
from intonaco.core.errors import SchemaError

__all__ = ["Distribution", "distribution", "floats", "kind_of", "psi", "texts"]

#: Fine bins, at whose edges distribution functions are compared, and coarse ones, over which PSI is summed.
_FINE = 200
_COARSE = 10
_MOST_CATEGORIES = 50


def _array(given: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray(given, dtype=np.int64)


def _numbers(given: Iterable[float]) -> tuple[float, ...]:
    return tuple(given)


def _words(given: Iterable[str]) -> tuple[str, ...]:
    return tuple(given)


@frozen(kw_only=True, eq=False)
class Distribution:
    """The distribution of one column's values, small enough to be kept.

    Parameters
    ----------
    edges
        Of a number: rising; bin i holds the values above `edges[i - 1]` and up to `edges[i]`, the last bin those above all.
    categories
        Of a category: the most frequent ones, a bin each; the last bin is for all others.
    tally : shape (bins,)
        Rows in each bin.
    nulls
        Rows without a value.
    """

    name: str
    kind: Literal["number", "category"]
    edges: tuple[float, ...] = field(default=(), converter=_numbers)
    categories: tuple[str, ...] = field(default=(), converter=_words)
    tally: NDArray[np.int64] = field(converter=_array)
    nulls: int = 0

    @property
    def n(self) -> int:
        """Rows with a value."""
        return int(self.tally.sum())

    @property
    def null_share(self) -> float:
        """The share of rows without a value."""
        rows = self.n + self.nulls
        return self.nulls / rows if rows else 0.0

    def codes(self, column: Column) -> NDArray[np.intp]:
        """The bin of each row; the number of bins where there is no value."""
        if kind_of(column) != self.kind:
            raise SchemaError(f"column {self.name!r} is no {self.kind}, as it was in the reference", field=self.name)
        if self.kind == "number":
            values = floats(column)
            codes = np.searchsorted(self.edges, values, side="left")
            codes[np.isnan(values)] = len(self.tally)
            return codes
        return _category_codes(column, self.categories)

    def coarse(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Counts in fine bins, shape (windows, bins), put together to about ten bins of equal shares of the reference."""
        if self.kind == "category" or len(self.edges) <= _COARSE:
            return counts
        ends = np.cumsum(self.tally)[:-1] / max(self.n, 1)
        cuts = np.unique(np.searchsorted(ends, np.arange(1, _COARSE) / _COARSE - 1e-12))
        starts = np.unique(np.concatenate([[0], cuts[cuts < len(ends)] + 1]))
        return np.add.reduceat(counts, starts, axis=1)

    def distances(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """How far rows are from this distribution, by their counts in the bins, shape (windows, bins); NaN for a window without rows."""
        with np.errstate(divide="ignore", invalid="ignore"):
            difference = counts / counts.sum(axis=1, keepdims=True) - self.tally / self.n
        if self.kind == "number":
            return np.asarray(np.abs(np.cumsum(difference, axis=1)).max(axis=1))
        return np.asarray(np.abs(difference).sum(axis=1) / 2)

    def psis(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """The population stability index of rows against this distribution, as `distances`."""
        return psi(self.coarse(counts), self.coarse(self.tally[None])[0])


def psi(counts: NDArray[np.int64], reference: NDArray[np.int64]) -> NDArray[np.float64]:
    """The population stability index of windows against a reference, without the part that chance alone would give.

    Parameters
    ----------
    counts : shape (windows, bins)
        Rows of each window in each bin.
    reference : shape (bins,)
        Rows of the reference in the same bins.

    Returns
    -------
    NDArray
        A number for each window, at least 0; NaN for a window without rows.

    Examples
    --------
    >>> psi(np.array([[500, 500], [900, 100]]), np.array([5000, 5000])).round(3)
    array([0.   , 0.878])
    """
    n, m = counts.sum(axis=1, keepdims=True), np.float64(reference.sum())
    used = (counts > 0) | (reference > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.where(counts > 0, counts, 0.5) / n
        q = np.where(reference > 0, reference, 0.5) / m
        raw = np.where(used, (p - q) * np.log(p / q), 0.0).sum(axis=1)
        chance = (used.sum(axis=1) - 1) * (1 / n[:, 0] + 1 / m)
        return np.asarray(np.maximum(raw - chance, 0.0), dtype=np.float64)


def kind_of(column: Column) -> Literal["number", "category", ""]:
    """How a column is counted: as numbers, as categories, or not at all."""
    values = column.values if isinstance(column, Masked) else column
    if isinstance(values, Ragged) or values.ndim != 1:
        return ""
    if values.dtype.kind in "iuf":
        return "number"
    if values.dtype.kind in "bU":
        return "category"
    first = next((value for value in values if value is not None), "") if values.dtype.kind == "O" else None
    return "category" if isinstance(first, str) else ""


def distribution(name: str, column: Column) -> Distribution:
    """The distribution of a column; SchemaError if it holds neither numbers nor text of one value a row."""
    kind = kind_of(column)
    if not kind:
        raise SchemaError(f"column {name!r} holds neither numbers nor text of one value a row, so it has no distribution", field=name)
    return _number(name, column) if kind == "number" else _category(name, column)


def _number(name: str, column: Column) -> Distribution:
    values = np.sort(floats(column))  # NaN goes last
    held = values[: len(values) - int(np.isnan(values).sum())]
    edges = np.unique(held[np.linspace(0, len(held) - 1, _FINE + 1).round().astype(np.intp)]) if len(held) else np.zeros(0)
    edges = edges[np.isfinite(edges)]
    edges = np.concatenate([np.nextafter(edges[:1], -np.inf), edges])  # what is below all that was seen has a bin of its own
    upto = np.searchsorted(held, edges, side="right")
    return Distribution(
        name=name, kind="number", edges=edges.tolist(), tally=np.diff(upto, prepend=0, append=len(held)), nulls=len(values) - len(held)
    )


def _category(name: str, column: Column) -> Distribution:
    counted = pc.value_counts(texts(column)).to_pylist()
    known = [(each["values"], each["counts"]) for each in counted if each["values"] is not None]
    known.sort(key=lambda pair: (-pair[1], pair[0]))
    kept, others = known[:_MOST_CATEGORIES], known[_MOST_CATEGORIES:]
    tally = [*(count for _, count in kept), sum(count for _, count in others)]
    return Distribution(name=name, kind="category", categories=[text for text, _ in kept], tally=tally, nulls=len(column) - sum(tally))


def _category_codes(column: Column, categories: Sequence[str]) -> NDArray[np.intp]:
    encoded = pc.dictionary_encode(texts(column))
    places = {text: place for place, text in enumerate(categories)}
    table = np.array([places.get(text, len(places)) for text in encoded.dictionary.to_pylist()] + [len(places) + 1], dtype=np.intp)
    indices = encoded.indices.fill_null(len(table) - 1).to_numpy(zero_copy_only=False)
    codes: NDArray[np.intp] = table[indices]
    return codes


def texts(column: Column) -> pa.Array:
    """The values as text, null where there is none."""
    values = column.values if isinstance(column, Masked | Ragged) else column
    if values.dtype.kind == "b":
        return pa.array(values, mask=~present(column)).cast(pa.string())
    return pa.array(values, pa.string(), mask=~present(column) if isinstance(column, Masked) else None)


def floats(column: Column) -> NDArray[np.float64]:
    """The values, NaN where there is none."""
    values = np.asarray(column.values if isinstance(column, Masked | Ragged) else column, dtype=np.float64)
    if isinstance(column, Masked):
        return np.where(column.missing, np.nan, values)
    return values
