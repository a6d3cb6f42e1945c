"""Columns of one row, read by the function that is compiled for rows: what servers ask for that take one request at a time."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import define, field

from intonaco.core.columns import Column, Columns
from intonaco.core.errors import UnavailableError
from intonaco.infra.features.online.answer import Answer
from intonaco.infra.features.online.compiled import RowFunction, compile_row
from intonaco.infra.features.online.fetching import Source
from intonaco.infra.features.online.plan import ReadPlan
from intonaco.infra.features.online.row import Row
from intonaco.infra.features.online.viewreader import ViewReader

__all__ = ["OneRow"]


@define(eq=False)
class OneRow:
    """Reads one row of a plan whose features all are floats of views, unless there is something unusual about it."""

    names: tuple[str, ...]
    inputs: tuple[str, ...]
    plan: ReadPlan = field(repr=False)
    views: tuple[ViewReader, ...] = field(repr=False)
    source: Source = field(repr=False)
    _read: RowFunction | None = field(default=None, init=False, repr=False)
    _asked: bool = field(default=False, init=False, repr=False)

    @classmethod
    def of(cls, plan: ReadPlan, views: tuple[ViewReader, ...], source: Source) -> "OneRow | None":
        """The reader of a plan; None if the plan is not such a one."""
        outputs = [output for view in plan.views for output in view.outputs]
        plain = all(output.dtype == "float64" and output.kind != "last_k" for output in outputs)
        names = tuple(output.name for output in outputs)
        if not outputs or not plain or names != plan.features.names:
            return None
        return cls(names, plan.inputs.names, plan, views, source)

    def read(self, columns: Columns, at_us: int, deadline_s: float | None) -> Answer | list[bytes | None] | None:
        """The answer; what is stored for each view if the rest is left to those who read any rows; None if all is.

        Raises
        ------
        UnavailableError
            The store did not answer.
        """
        read, given = self._read or self._compiled(), _plain(columns, self.inputs)
        row = None if read is None or given is None else read(given, at_us, deadline_s)
        if not isinstance(row, Row):
            return row
        values, names = np.array(row.values, dtype=np.float64).reshape(-1, 1), self.names
        if any(row.statuses):
            statuses = dict(zip(names, np.array(row.statuses, dtype=np.uint8).reshape(-1, 1), strict=True))
        else:
            statuses = dict.fromkeys(names, np.zeros(1, dtype=np.uint8))
        if len(self.views) == 1:
            ages = dict.fromkeys(names, np.array(row.ages[:1], dtype=np.int64))
        else:
            ages = dict(zip(names, np.array(row.ages, dtype=np.int64).reshape(-1, 1), strict=True))
        return Answer(columns=dict(zip(names, values, strict=True)), statuses=statuses, ages=ages)

    def _compiled(self) -> RowFunction | None:
        """The compiled function, from the second read on: a reader that is made for one read is quicker without."""
        if self._asked:
            self._read = compile_row(self.plan, self.views, self.source, _left)
        self._asked = True
        return self._read


def _plain(columns: Mapping[str, Column], names: tuple[str, ...]) -> dict[str, Any] | None:
    """The one value of each column."""
    given = {}
    for name in names:
        column = columns.get(name)
        if not isinstance(column, np.ndarray) or column.dtype.kind not in "OUiub" or column.shape != (1,):
            return None
        given[name] = column.item()
    return given


def _left(keys: Any, at_us: int, deadline_s: float | None, found: Any = None, error: UnavailableError | None = None) -> Any:
    """Gives back what is stored of an unusual row, so that it is not read twice; a store that did not answer is not asked again."""
    if error is not None:
        raise error
    return found
