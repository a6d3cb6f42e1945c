"""Metrics that are means over rows, measured for all rows and for each segment, with intervals."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intonaco.core.errors import SchemaError
from intonaco.infra.lineage.cells import Cell

__all__ = ["mean_cells"]

_SMALLEST_SEGMENT = 30
_WIDTH = 1.959963984540054  # of a 95 % interval, in standard errors of a normal variable


def mean_cells(metric: str, values: NDArray[Any], segments: Mapping[str, NDArray[Any]] | None = None, *, at_least: int = _SMALLEST_SEGMENT) -> list[Cell]:
    """The mean of one value per row: of all rows, then of each segment.

    Parameters
    ----------
    values : shape (rows,)
        Such as absolute errors, or 1.0 where a prediction was right; NaN does not count.
    segments : each of shape (rows,)
        Names of segment columns to each row's segment.
    at_least
        Segments with fewer rows are left out.

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
        for value, rows in _groups(column[counted]):
            if len(rows) >= at_least:
                cells.append(_cell(f"{name}={value}", metric, numbers[counted][rows]))
    return cells


def _groups(column: NDArray[Any]) -> Iterator[tuple[Any, NDArray[np.intp]]]:
    unique, codes = np.unique(column.astype(str) if column.dtype == object else column, return_inverse=True)
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(unique)))
    yield from zip(unique, np.split(order, ends[:-1]), strict=True)


def _cell(segment: str, metric: str, values: NDArray[np.float64]) -> Cell:
    n = len(values)
    if n == 0:
        return Cell(segment, metric, 0.0, n=0)
    mean = float(values.mean())
    half = _WIDTH * float(values.std(ddof=1)) / n**0.5 if n > 1 else None
    return Cell(segment, metric, mean, *((mean - half, mean + half) if half is not None else (None, None)), n=n)
