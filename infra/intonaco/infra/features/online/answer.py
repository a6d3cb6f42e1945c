"""What a read answers: values with their status and age."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from intonaco.core.columns import Column, Columns, Masked, Ragged
from intonaco.infra.features.defined.functions import apply
from intonaco.infra.features.online.plan import ReadPlan
from intonaco.infra.features.online.status import Status

__all__ = ["Answer", "complete", "defaulted", "settle", "status_codes", "without"]

Codes = NDArray[np.uint8]
Bools = NDArray[np.bool_]
#: The age of what was never seen.
NO_AGE = -1


@frozen(kw_only=True, eq=False)
class Answer:
    """Features of some rows.

    Parameters
    ----------
    columns
        What a model sees, in the order of the plan's features.
    statuses
        For each of these columns the rows' status codes (`Status`).
    ages
        For each feature of a view the age in microseconds of the newest event behind it; -1 where there is none.
    degraded
        Which store could not be read, and why; empty if all was read. What it would have told is `defaulted` or `missing`.
    """

    columns: dict[str, Column]
    statuses: dict[str, Codes]
    ages: dict[str, NDArray[np.int64]] = field(factory=dict)
    degraded: tuple[str, ...] = ()


def settle(column: Column, seen: Bools, expired: Bools, default: Any) -> tuple[Column, Codes]:
    """The column with its default where it has no value, and the status of each row.

    Parameters
    ----------
    column
        Values, missing wherever there is none.
    seen
        Where any usable event of the entity is known.
    expired
        Where the newest is too old.
    """
    return defaulted(column, status_codes(_missing(column), seen, expired), default)


def status_codes(missing: Bools, seen: Bools, expired: Bools) -> Codes:
    """Why each cell holds what it holds, before defaults; any shape."""
    codes = missing.astype(np.uint8)  # null is 1
    codes[expired] = Status.expired
    codes[~seen] = Status.missing
    return codes


def defaulted(column: Column, codes: Codes, default: Any) -> tuple[Column, Codes]:
    """The column with its default where the codes say that it has no value, and the codes that say so."""
    if default is None:
        return column, codes
    absent = codes != Status.present
    return _filled(column, absent, default), np.where(absent, np.uint8(Status.defaulted), codes)


def _missing(column: Column) -> Bools:
    if isinstance(column, Masked):
        return column.missing
    if isinstance(column, Ragged):
        return np.zeros(len(column), dtype=np.bool_)
    return np.isnan(column) if column.dtype.kind == "f" else np.zeros(len(column), dtype=np.bool_)


def without(column: Column, gone: Bools) -> Column:
    """The column with no values there."""
    if not gone.any():
        return column
    if isinstance(column, Ragged):
        return Ragged.from_rows([row[:0] if no else row for row, no in zip(column, gone.tolist(), strict=True)])
    if isinstance(column, Masked):
        return Masked(column.values, column.missing | gone)
    return np.where(gone, np.nan, column).astype(column.dtype) if column.dtype.kind == "f" else Masked(column, gone)


def _filled(column: Column, missing: Bools, default: Any) -> Column:
    assert not isinstance(column, Ragged)
    values = (column.values if isinstance(column, Masked) else column).copy()
    values[missing] = default
    return values


def complete(plan: ReadPlan, read: Answer, request: Columns, at_us: NDArray[np.int64]) -> Answer:
    """The answer of the views, with request columns and functions added, in the order of the plan."""
    names = plan.features.names
    added: dict[str, Column] = {name: request[name] for name in names if name in request and name not in read.columns}
    available: Mapping[str, Column] = {**request, **read.columns}
    for function in plan.functions:
        added[function.name] = apply(function, available, at_us)
    columns = {**read.columns, **added}
    statuses = {**read.statuses, **{name: _missing(column).astype(np.uint8) for name, column in added.items()}}
    if tuple(columns) != names:
        columns, statuses = {name: columns[name] for name in names}, {name: statuses[name] for name in names}
    return Answer(columns=columns, statuses=statuses, ages=read.ages, degraded=read.degraded)
