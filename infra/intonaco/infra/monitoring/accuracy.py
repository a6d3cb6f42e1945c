"""Accuracy over time and by segment, as far as outcomes are known."""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

import numpy as np
from attrs import evolve, field, frozen
from numpy.typing import NDArray

from intonaco.core.columns import Column, Masked, Ragged
from intonaco.core.errors import NotRegisteredError, SchemaError
from intonaco.core.schema import suggestion
from intonaco.infra.lineage.cells import Cell, Cells
from intonaco.infra.lineage.measures import mean_cells
from intonaco.infra.monitoring.buckets import Buckets
from intonaco.infra.monitoring.outcomes import Outcome, Outcomes

__all__ = ["METRICS", "AccuracySeries", "Bucket", "accuracy", "rowwise"]

Values = NDArray[Any]


def _difference(predicted: Values, truth: Values) -> NDArray[np.float64]:
    return np.asarray(predicted, dtype=np.float64) - np.asarray(truth, dtype=np.float64)


def _wrong(predicted: Values, truth: Values) -> NDArray[np.float64]:
    return np.asarray(predicted != truth, dtype=np.float64)


#: Names, the same as evaluations use, to what a row adds to their mean. `base_mae` is what the label leaves if nothing is
#: predicted: the error of an existing estimator, where the label is that error.
METRICS: Mapping[str, Callable[[Values, Values], NDArray[np.float64]]] = {
    "mae": lambda predicted, truth: np.abs(_difference(predicted, truth)),
    "bias": _difference,
    "mse": lambda predicted, truth: _difference(predicted, truth) ** 2,
    "base_mae": lambda _, truth: np.abs(np.asarray(truth, dtype=np.float64)),
    "error_rate": _wrong,
    "accuracy": lambda predicted, truth: 1.0 - _wrong(predicted, truth),
}


@frozen(kw_only=True)
class Bucket:
    """What is known of the predictions of one stretch of time.

    Parameters
    ----------
    known, pending, absent
        How many predictions have an outcome, wait for one, and will have none.
    """

    from_us: int
    to_us: int
    known: int
    pending: int
    absent: int
    cells: Cells = field(converter=Cells)

    @property
    def n(self) -> int:
        """All predictions."""
        return self.known + self.pending + self.absent

    @property
    def pending_share(self) -> float:
        """The share of the predictions, those that will have an outcome, that still wait for it."""
        expected = self.known + self.pending
        return self.pending / expected if expected else 0.0

    def cell(self, metric: str, segment: str = "") -> Cell | None:
        """The cell of a metric in a segment; None if it was not measured here."""
        return next((cell for cell in self.cells if cell.metric == metric and cell.segment == segment), None)


def _buckets(given: Iterable[Bucket]) -> tuple[Bucket, ...]:
    return tuple(given)


@frozen(kw_only=True)
class AccuracySeries:
    """Buckets in order of time; those without predictions too."""

    buckets: tuple[Bucket, ...] = field(converter=_buckets)

    def values(self, metric: str, segment: str = "") -> list[float | None]:
        """The metric in each bucket; None where it was not measured."""
        cells = (bucket.cell(metric, segment) for bucket in self.buckets)
        return [None if cell is None else cell.value for cell in cells]


def accuracy(
    predicted: Column,
    outcomes: Outcomes,
    at_us: NDArray[np.int64],
    *,
    metrics: Iterable[str] = ("mae",),
    segments: Mapping[str, Column] | None = None,
    every: str | int | timedelta = "1d",
) -> AccuracySeries:
    """Metrics of predictions whose outcome is known, by the time of the prediction and by segment.

    Parameters
    ----------
    predicted
        The output that the labels are the truth of, row for row with the outcomes.
    at_us : shape (rows,)
        The moments as of which was predicted.
    metrics
        Names of `METRICS`.
    segments
        Columns by which to cut.
    """
    if len(predicted) != len(outcomes):
        raise SchemaError(f"{len(predicted)} predictions cannot be measured by {len(outcomes)} outcomes")
    values = {metric: rowwise(metric, predicted, outcomes) for metric in metrics}
    cuts = {name: _plain(column, f"segment {name!r}") for name, column in (segments or {}).items()}
    buckets = Buckets.of(at_us, every)
    known = [rows[outcomes.known[rows]] for rows in buckets.split()]
    counted = zip(_counted(buckets, outcomes), known, strict=True)
    return AccuracySeries(buckets=(evolve(bucket, cells=_cells(values, cuts, rows)) for bucket, rows in counted))


def rowwise(metric: str, predicted: Column, outcomes: Outcomes) -> NDArray[np.float64]:
    """What each row adds to the mean that the metric is; NaN where the outcome is not known."""
    if metric not in METRICS:
        raise NotRegisteredError(f"no metric named {metric!r} can be followed over time", hint=suggestion(metric, METRICS), field=metric)
    given, truth = _plain(predicted, "the prediction"), _plain(outcomes.values, "the label")
    values = np.full(len(outcomes), np.nan)
    values[outcomes.known] = METRICS[metric](given[outcomes.known], truth[outcomes.known])
    return values


def _plain(column: Column, what: str) -> Values:
    if isinstance(column, Ragged) or (isinstance(column, np.ndarray) and column.ndim != 1):
        raise SchemaError(f"{what} holds several values a row, expected one")
    return column.values if isinstance(column, Masked) else column


def _counted(buckets: Buckets, outcomes: Outcomes) -> list[Bucket]:
    counts = [buckets.count(outcomes.states == state) for state in (Outcome.known, Outcome.pending, Outcome.absent)]
    columns = (each.tolist() for each in (buckets.from_us, buckets.to_us, *counts))
    return [
        Bucket(from_us=start, to_us=end, known=known, pending=pending, absent=absent, cells=())
        for start, end, known, pending, absent in zip(*columns, strict=True)
    ]


def _cells(values: Mapping[str, Values], cuts: Mapping[str, Values], rows: NDArray[np.intp]) -> list[Cell]:
    if not len(rows):
        return []
    here = {name: column[rows] for name, column in cuts.items()}
    return [cell for metric, each in values.items() for cell in mean_cells(metric, each[rows], here)]
