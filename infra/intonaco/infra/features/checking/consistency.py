"""Consistency: what was read online beside what the tables of events say of the same moments.

Of each feature the rows are counted whose value is there on both sides and has the same bits, or is there on neither for the
same reason (`equal`); is there on both sides and differs, or is absent for different reasons (`mismatch`); is there on one side
only (`missing_online`, `missing_offline`). Rows whose moment lies behind what the tables are known to hold are not compared.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from attrs import field, frozen
from numpy.typing import NDArray

from intonaco.core.columns import Column, Masked, Ragged
from intonaco.infra.compute.timeline import duration
from intonaco.infra.features.online.answer import NO_AGE, Answer
from intonaco.infra.features.online.status import Status
from intonaco.infra.lineage.cells import Cell, Cells

__all__ = ["AGES", "COUNTS", "Consistency", "compare"]

COUNTS = ("compared", "equal", "mismatch", "missing_online", "missing_offline")
#: Counts of values that were older, or newer, online than the tables say.
AGES = ("older", "newer")
_SUMS = ("difference", "differences", "age_difference_s", "ages")
_GREATEST = ("greatest_difference", "greatest_age_difference_s")
_HOUR_US = duration("1h")

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@frozen(kw_only=True, eq=False)
class Consistency:
    """How far online reads and the tables of events agree.

    Parameters
    ----------
    series
        One row for each feature and bucket of time that has rows: `feature`, `from_us`, counts, sums and greatest differences.
    rows
        Reads that were looked at.
    not_yet
        For each feature the rows whose moment the tables do not cover yet.
    others
        Rows that other versions of the views had read.
    dropped
        Rows that the log could not keep.
    """

    name: str
    series: pa.Table = field(repr=False)
    rows: int
    not_yet: Mapping[str, int]
    others: int = 0
    dropped: int = 0
    every_us: int = _HOUR_US

    @property
    def features(self) -> dict[str, dict[str, float]]:
        """For each feature its counts, and mean and greatest absolute differences of values and ages."""
        rows: dict[str, list[Mapping[str, Any]]] = {name: [] for name in self.not_yet}
        for row in self.series.to_pylist():
            rows[row["feature"]].append(row)
        return {name: {**_totals(rows[name]), "not_yet": self.not_yet[name]} for name in self.not_yet}

    @property
    def counts(self) -> dict[str, int]:
        """The counts of all features together."""
        return {name: int(sum(self.series[name].to_pylist())) for name in COUNTS}

    @property
    def share(self) -> float | None:
        """The share of compared values that are equal; None where nothing could be compared."""
        counts = self.counts
        return counts["equal"] / counts["compared"] if counts["compared"] else None

    @property
    def cells(self) -> Cells:
        """The same as cells: of all features, of each, and of each in each bucket of time."""
        total = [] if self.share is None else [Cell("", "equal", self.share, n=self.counts["compared"])]
        each = [cell for name, told in self.features.items() for cell in _cells(f"feature={name}", told)]
        rows = self.series.to_pylist()
        shares = [
            Cell(f"feature={row['feature']},from_us={row['from_us']}", "equal", row["equal"] / row["compared"], n=row["compared"])
            for row in rows
        ]
        return Cells([*total, *each, *shares])


def compare(
    name: str,
    online: Answer,
    offline: Answer,
    at_us: NDArray[np.int64],
    comparable: Mapping[str, Bools],
    *,
    every_us: int = _HOUR_US,
    others: int = 0,
    dropped: int = 0,
) -> Consistency:
    """Two answers to the same rows.

    Parameters
    ----------
    comparable
        The features to compare, and for each the rows whose moments the offline data cover; shape (rows,).
    """
    parts = [_compared(feature, online, offline, at_us, rows, every_us) for feature, rows in comparable.items()]
    series = pa.concat_tables([_table({}, "", np.zeros(0, np.int64)), *parts])
    not_yet = {feature: int((~rows).sum()) for feature, rows in comparable.items()}
    return Consistency(name=name, series=series, rows=len(at_us), not_yet=not_yet, others=others, dropped=dropped, every_us=every_us)


def _compared(feature: str, online: Answer, offline: Answer, at_us: NDArray[np.int64], rows: Bools, every_us: int) -> pa.Table:
    starts, places = np.unique(at_us[rows] // every_us * every_us, return_inverse=True)
    codes = [answer.statuses[feature][rows] for answer in (online, offline)]
    here, there = (each == Status.present for each in codes)
    difference = _difference(online.columns[feature], offline.columns[feature])[rows]
    same = (here & there & (difference == 0)) | (~here & ~there & (codes[0] == codes[1]))
    ages = _age_difference(online, offline, feature, len(at_us))[rows]
    aged = {"older": ages > 0, "newer": ages < 0}
    flags = {
        "compared": np.ones(len(here), np.bool_),
        "equal": same,
        "mismatch": ~same & (here == there),
        "missing_online": ~here & there,
        "missing_offline": here & ~there,
    }
    counted = {name: np.bincount(places, found, len(starts)).astype(np.int64) for name, found in (flags | aged).items()}
    values = np.where(here & there & np.isfinite(difference), difference, np.nan)
    measured = {
        **_summed("difference", "differences", values, places, len(starts)),
        **_summed("age_difference_s", "ages", np.abs(ages), places, len(starts)),
    }
    return _table({**counted, **measured}, feature, starts)


def _summed(total: str, count: str, values: Floats, places: NDArray[np.intp], size: int) -> dict[str, NDArray[Any]]:
    held = ~np.isnan(values)
    greatest = np.zeros(size)
    np.maximum.at(greatest, places[held], values[held])
    sums = np.bincount(places[held], values[held], size)
    return {total: sums, count: np.bincount(places[held], minlength=size).astype(np.int64), f"greatest_{total}": greatest}


def _table(columns: Mapping[str, NDArray[Any]], feature: str, starts: NDArray[np.int64]) -> pa.Table:
    def column(name: str, dtype: type) -> NDArray[Any]:
        return np.asarray(columns.get(name, np.zeros(len(starts))), dtype=dtype)

    counts = {name: column(name, np.int64) for name in (*COUNTS, "differences", "ages", *AGES)}
    numbers = {name: column(name, np.float64) for name in ("difference", "age_difference_s", *_GREATEST)}
    return pa.table({"feature": pa.array([feature] * len(starts), pa.string()), "from_us": starts, **counts, **numbers})


def _difference(one: Column, other: Column) -> Floats:
    """The absolute difference of each pair of values: 0 where they have the same bits, infinite where they differ and are no numbers."""
    if isinstance(one, Ragged) or isinstance(other, Ragged):
        return np.array([0.0 if _listed(one, row) == _listed(other, row) else np.inf for row in range(len(one))])
    first, second = (each.values if isinstance(each, Masked) else each for each in (one, other))
    assert not isinstance(first, Ragged)
    assert not isinstance(second, Ragged)
    same = first == second
    if first.dtype.kind not in "iufb" or first.ndim > 1:
        return np.where(same if first.ndim == 1 else same.reshape(len(first), -1).all(axis=1), 0.0, np.inf)
    with np.errstate(invalid="ignore"):
        gap = np.abs(first.astype(np.float64) - second.astype(np.float64))
    both_nan = (first != first) & (second != second)
    return np.where(same | both_nan, 0.0, np.where(np.isnan(gap), np.inf, np.maximum(gap, np.nextafter(0.0, 1.0))))


def _listed(column: Column, row: int) -> list[Any]:
    assert isinstance(column, Ragged)
    found: list[Any] = np.asarray(column.values[column.offsets[row] : column.offsets[row + 1]]).tolist()
    return found


def _age_difference(online: Answer, offline: Answer, feature: str, rows: int) -> Floats:
    """How much older the online value is than the tables say, in seconds, negative where it is newer; NaN where an age is not known."""
    if feature not in online.ages or feature not in offline.ages:
        return np.full(rows, np.nan)
    first, second = online.ages[feature], offline.ages[feature]
    return np.where((first == NO_AGE) | (second == NO_AGE), np.nan, (first - second) / 1e6)


def _totals(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    counts = {name: sum(row[name] for row in rows) for name in (*COUNTS, *AGES)}
    means = {f"mean_{name}": _ratio(rows, name, count) for name, count in zip(_SUMS[::2], _SUMS[1::2], strict=True)}
    greatest = {name: max((row[name] for row in rows), default=0.0) for name in _GREATEST}
    return {**counts, **means, **greatest}


def _ratio(rows: Sequence[Mapping[str, Any]], total: str, count: str) -> float:
    n = sum(row[count] for row in rows)
    return sum(row[total] for row in rows) / n if n else 0.0


def _cells(segment: str, told: Mapping[str, float]) -> list[Cell]:
    n = int(told["compared"])
    if not n:
        return []
    shares = [Cell(segment, name, told[name] / n, n=n) for name in COUNTS[1:]]
    names = ("mean_difference", "greatest_difference", "mean_age_difference_s", "greatest_age_difference_s")
    return [*shares, *(Cell(segment, name, told[name], n=n) for name in names)]
