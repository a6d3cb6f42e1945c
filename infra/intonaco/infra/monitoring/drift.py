"""Drift: how far columns have moved away from the training reference, as effect sizes.

The effect sizes, PSI and the distance, are those of `compute.distributions`; the null change is the window's share of nulls
minus the reference's. Rows without a value count for the null change alone.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from intonaco.core.columns import Columns, rows_of
from intonaco.core.errors import MissingError, SchemaError
from intonaco.core.schema import suggestion
from intonaco.infra.compute.distributions import Distribution
from intonaco.infra.monitoring.buckets import Buckets
from intonaco.infra.monitoring.reference import Reference

__all__ = ["AT_LEAST", "DriftSeries", "drift"]

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


def _measured(each: Distribution, columns: Columns, buckets: Buckets, at_least: int) -> Matrix:
    """PSI, distance, null change and count in each bucket; shape (4, buckets)."""
    if each.name not in columns:
        hint = suggestion(each.name, columns)
        raise SchemaError(f"the rows have no column {each.name!r}, whose drift is to be measured", hint=hint, field=each.name)
    counts, nulls = _tally(each, columns, buckets)
    n = counts.sum(axis=1)
    moved = np.stack([each.psis(counts), each.distances(counts)])
    with np.errstate(invalid="ignore"):
        change = nulls / (n + nulls) - each.null_share
    return np.vstack([np.where(n < at_least, np.nan, moved), np.where(n + nulls < at_least, np.nan, change), n])


def _tally(each: Distribution, columns: Columns, buckets: Buckets) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows in each bucket and bin, shape (buckets, bins), and nulls in each bucket."""
    codes = each.codes(columns[each.name])
    width = len(each.tally) + 1  # a bin of its own for the nulls, behind the others
    cells = np.bincount(buckets.rows * width + codes, minlength=len(buckets) * width).reshape(len(buckets), width)
    return cells[:, :-1], cells[:, -1]


def _everything(rows: int) -> Buckets:
    return Buckets(length_us=2**62, from_us=np.zeros(1, dtype=np.int64), rows=np.zeros(rows, dtype=np.intp))
