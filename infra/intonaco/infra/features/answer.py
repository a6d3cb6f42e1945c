"""What a read answers: values with their status and age."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from intonaco.core.columns import Column, Columns, Masked, Ragged
from intonaco.core.schema import Schema
from intonaco.infra.features.functions import apply
from intonaco.infra.features.plan import ReadPlan
from intonaco.infra.features.status import Status

__all__ = ["Answer", "complete", "settle"]

Codes = NDArray[np.uint8]
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
    """

    columns: dict[str, Column]
    statuses: dict[str, Codes]
    ages: dict[str, NDArray[np.int64]] = field(factory=dict)


def settle(column: Column, seen: NDArray[np.bool_], expired: NDArray[np.bool_], default: Any) -> tuple[Column, Codes]:
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
    missing = _missing(column)
    codes = np.zeros(len(seen), dtype=np.uint8)
    codes[missing] = Status.null
    codes[expired] = Status.expired
    codes[~seen] = Status.missing
    if default is None:
        return column, codes
    codes[codes != Status.present] = Status.defaulted
    return _filled(column, missing, default), codes


def _missing(column: Column) -> NDArray[np.bool_]:
    if isinstance(column, Masked):
        return column.missing
    assert not isinstance(column, Ragged)
    return np.isnan(column) if column.dtype.kind == "f" else np.zeros(len(column), dtype=np.bool_)


def _filled(column: Column, missing: NDArray[np.bool_], default: Any) -> Column:
    assert not isinstance(column, Ragged)
    values = (column.values if isinstance(column, Masked) else column).copy()
    values[missing] = default
    return values


def complete(plan: ReadPlan, read: Answer, request: Columns, at_us: NDArray[np.int64]) -> Answer:
    """The answer of the views, with request columns and functions added, in the order of the plan."""
    columns, statuses = dict(read.columns), dict(read.statuses)
    available: Mapping[str, Column] = {**request, **columns}
    for name in plan.features.names:
        if name in columns:
            continue
        function = next((each for each in plan.functions if each.name == name), None)
        columns[name] = request[name] if function is None else apply(function, available, at_us)
        statuses[name] = _missing(columns[name]).astype(np.uint8) * np.uint8(Status.null)
    return Answer(
        columns=_in_order(columns, plan.features), statuses={name: statuses[name] for name in plan.features.names}, ages=read.ages
    )


def _in_order(columns: Mapping[str, Column], schema: Schema) -> dict[str, Column]:
    return {name: columns[name] for name in schema.names}
