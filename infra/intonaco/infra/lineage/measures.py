"""Metrics that are means over rows, measured for all rows and for each segment, with intervals."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from intonaco.core.columns import Column, Columns, Masked, Ragged
from intonaco.core.errors import SchemaError
from intonaco.infra.lineage.cells import Cell

__all__ = ["mean_cells"]

_SMALLEST_SEGMENT = 30
_MOST_SEGMENTS = 64
_WIDTH = 1.959963984540054  # of a 95 % interval, in standard errors of a normal variable


def mean_cells(
    metric: str, values: NDArray[Any], segments: Columns | None = None, *, at_least: int = _SMALLEST_SEGMENT, at_most: int = _MOST_SEGMENTS
) -> list[Cell]:
    """The mean of one value per row: of all rows, then of each segment.

    Parameters
    ----------
    values : shape (rows,)
        Such as absolute errors, or 1.0 where a prediction was right; NaN does not count.
    segments : each of shape (rows,)
        Names of columns to each row's segment. Texts, whole numbers and bools make segments; other columns do not.
    at_least
        Segments with fewer rows are left out.
    at_most
        Columns with more different values make no segments.

    Notes
    -----
    The interval is that of the normal approximation, mean ± 1.96 standard errors.
    """
    numbers = np.asarray(values, dtype=np.float64)
    counted = ~np.isnan(numbers)
    cells = [_cell("", metric, numbers[counted])]
    for name, column in (segments or {}).items():
        if len(column) != len(numbers):
            raise SchemaError(f"segment {name!r} has {len(column)} rows, the metric {metric!r} {len(numbers)}", field=name)
        groups = _groups(column, counted, at_most)
        cells += [_cell(f"{name}={value}", metric, numbers[counted][rows]) for value, rows in groups if len(rows) >= at_least]
    return cells


def _groups(column: Column, counted: NDArray[np.bool_], at_most: int) -> list[tuple[Any, NDArray[np.intp]]]:
    """Each value of a column, and the rows, among those that count, that hold it."""
    values, missing = (column.values, column.missing) if isinstance(column, Masked) else (column, None)
    if isinstance(values, Ragged) or values.ndim > 1 or values.dtype.kind not in "OUbiu":
        return []
    texts = values if values.dtype.kind in "biu" and missing is None else values.astype(str)
    named = texts[counted] if missing is None else np.where(missing, "missing", texts)[counted]
    unique, codes = np.unique(named, return_inverse=True)
    if len(unique) > at_most:
        return []
    ends = np.cumsum(np.bincount(codes, minlength=len(unique)))
    return list(zip(unique, np.split(np.argsort(codes, kind="stable"), ends[:-1]), strict=True))


def _cell(segment: str, metric: str, values: NDArray[np.float64]) -> Cell:
    n = len(values)
    if n == 0:
        return Cell(segment, metric, 0.0, n=0)
    mean = float(values.mean())
    half = _WIDTH * float(values.std(ddof=1)) / n**0.5 if n > 1 else None
    return Cell(segment, metric, mean, None if half is None else mean - half, None if half is None else mean + half, n)
