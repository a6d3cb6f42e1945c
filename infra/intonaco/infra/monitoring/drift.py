"""Drift: how far columns have moved away from the training reference, as effect sizes.

Numbers
-------
With shares `q` of the reference and `p` of a window over the same bins,

- the population stability index is `PSI = sum((p - q) * ln(p / q))`. A share that is empty on one side counts as half a row
  of that side; a bin that is empty on both counts nothing. Were both drawn from the same distribution, its expectation would
  be about `(B - 1) * (1 / n + 1 / m)` for B bins, n and m rows: that much is subtracted, and what falls below 0 is 0.
- the distance is Kolmogorov and Smirnov's for numbers, the greatest difference of the two distribution functions at the
  edges of the reference's fine bins, and the total variation `sum(|p - q|) / 2` for categories. Both lie in [0, 1].
- the null change is the window's share of nulls minus the reference's.

Rows without a value count for the null change alone. By the rule of thumb that credit scoring uses, a PSI under 0.1 is no
drift worth a look and one above 0.25 is a great one.

References
----------
Siddiqi, Credit Risk Scorecards, Wiley 2006 (PSI and the rule of thumb). Yurdakul & Naranjo, Statistical properties of the
population stability index, Journal of Risk Model Validation 14(4), 2020 (its expectation). Jeffreys, Proc. R. Soc. Lond. A
186, 1946 (the divergence that PSI is).
"""

from collections.abc import Iterable, Sequence

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from intonaco.core.columns import Columns, rows_of
from intonaco.core.errors import MissingError, SchemaError
from intonaco.core.schema import suggestion
from intonaco.infra.monitoring.buckets import Buckets
from intonaco.infra.monitoring.reference import ColumnReference, Reference

__all__ = ["AT_LEAST", "DriftSeries", "drift", "psi"]

#: A bucket with fewer values has no drift that could be told from chance.
AT_LEAST = 200

Matrix = NDArray[np.float64]


def _words(given: Iterable[str]) -> tuple[str, ...]:
    return tuple(given)


@frozen(kw_only=True, eq=False)
class DriftSeries:
    """Drift of several columns over time; arrays of shape (columns, buckets), NaN where there are too few values.

    Parameters
    ----------
    psi, distance, null_change
        As the module says.
    n
        Rows with a value.
    """

    columns: tuple[str, ...] = field(converter=_words)
    buckets: Buckets
    psi: Matrix
    distance: Matrix
    null_change: Matrix
    n: NDArray[np.int64]

    def of(self, column: str, measure: str = "psi") -> NDArray[np.float64]:
        """One measure of one column, a number for each bucket."""
        if column not in self.columns:
            raise MissingError(f"the drift of {column!r} was not measured", hint=suggestion(column, self.columns), field=column)
        values: NDArray[np.float64] = getattr(self, measure)[self.columns.index(column)]
        return values


def drift(
    reference: Reference, columns: Columns, buckets: Buckets | None = None, *, names: Sequence[str] = (), at_least: int = AT_LEAST
) -> DriftSeries:
    """How far the reference's columns have moved in each bucket; without buckets, in all rows together.

    Parameters
    ----------
    names
        The columns to measure; all that both sides have, if empty.
    at_least
        Buckets with fewer values of a column give NaN.

    Raises
    ------
    MissingError
        A name is not one of the reference's.
    SchemaError
        A column is not there, or holds numbers where the reference holds categories.
    """
    everything = _everything(rows_of(columns)) if buckets is None else buckets
    chosen = [reference[name] for name in names] or [each for each in reference.columns if each.name in columns]
    measured = np.array([_measured(each, columns, everything, max(at_least, 1)) for each in chosen])
    psis, distances, changes, n = measured.reshape(len(chosen), 4, len(everything)).swapaxes(0, 1)
    names = tuple(each.name for each in chosen)
    return DriftSeries(columns=names, buckets=everything, psi=psis, distance=distances, null_change=changes, n=n.astype(np.int64))


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


def _measured(each: ColumnReference, columns: Columns, buckets: Buckets, at_least: int) -> Matrix:
    """PSI, distance, null change and count in each bucket; shape (4, buckets)."""
    if each.name not in columns:
        hint = suggestion(each.name, columns)
        raise SchemaError(f"the rows have no column {each.name!r}, whose drift is to be measured", hint=hint, field=each.name)
    counts, nulls = _tally(each, columns, buckets)
    n = counts.sum(axis=1)
    moved = np.stack([psi(each.coarse(counts), each.coarse(each.tally[None])[0]), _distance(each, counts)])
    with np.errstate(invalid="ignore"):
        change = nulls / (n + nulls) - each.null_share
    return np.vstack([np.where(n < at_least, np.nan, moved), np.where(n + nulls < at_least, np.nan, change), n])


def _tally(each: ColumnReference, columns: Columns, buckets: Buckets) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows in each bucket and bin, shape (buckets, bins), and nulls in each bucket."""
    codes = each.codes(columns[each.name])
    width = len(each.tally) + 1  # a bin of its own for the nulls, behind the others
    cells = np.bincount(buckets.rows * width + codes, minlength=len(buckets) * width).reshape(len(buckets), width)
    return cells[:, :-1], cells[:, -1]


def _distance(each: ColumnReference, counts: NDArray[np.int64]) -> Matrix:
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = counts / counts.sum(axis=1, keepdims=True) - each.tally / each.n
    if each.kind == "number":
        return np.asarray(np.abs(np.cumsum(difference, axis=1)).max(axis=1))
    return np.asarray(np.abs(difference).sum(axis=1) / 2)


def _everything(rows: int) -> Buckets:
    return Buckets(length_us=2**62, from_us=np.zeros(1, dtype=np.int64), rows=np.zeros(rows, dtype=np.intp))
