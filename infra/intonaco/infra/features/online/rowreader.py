"""Reading one row, whatever its state: what the compiled function leaves to others."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import define, field, frozen

from intonaco.core.columns import Column, present
from intonaco.core.errors import UnavailableError
from intonaco.core.fields import Field, decimal_digits
from intonaco.infra.compute.decimals import as_objects
from intonaco.infra.compute.timeline import NEVER
from intonaco.infra.features.defined.functions import AT, apply
from intonaco.infra.features.entries.keys import entity_key
from intonaco.infra.features.entries.shape import TEXTS
from intonaco.infra.features.online.answer import NO_AGE
from intonaco.infra.features.online.fetching import Source
from intonaco.infra.features.online.onecolumn import column_of_one
from intonaco.infra.features.online.plan import Output, ReadPlan
from intonaco.infra.features.online.row import Row
from intonaco.infra.features.online.status import Status
from intonaco.infra.features.online.viewcolumns import limit_of, text_of
from intonaco.infra.features.online.viewreader import ViewReader
from intonaco.infra.storage.entries import VALUE

__all__ = ["RowReader"]

_PRESENT, _NULL, _MISSING, _EXPIRED, _DEFAULTED = (int(status) for status in Status)


@frozen(eq=False)
class _Made:
    """How a feature is made of the results of its view."""

    slot: int
    limit: int
    output: Output


@define(eq=False)
class RowReader:
    """Reads one row of a plan."""

    plan: ReadPlan
    views: tuple[ViewReader, ...]
    source: Source
    degrade: bool
    _made: tuple[tuple[_Made, ...], ...] = field(init=False)
    _read: list[str] = field(init=False)
    _requested: tuple[str, ...] = field(init=False)
    _fields: dict[str, Field] = field(init=False)
    _order: tuple[int, ...] | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._made = tuple(
            tuple(_Made(slot, limit_of(view, output), output) for slot, output in zip(view.slots, view.plan.outputs, strict=True))
            for view in self.views
        )
        read = self._read = [output.name for view in self.plan.views for output in view.outputs]
        computed = {function.name for function in self.plan.functions}
        self._requested = tuple(name for name in self.plan.features.names if name not in {*read, *computed})
        names = [*read, *self._requested, *(function.name for function in self.plan.functions)]
        arguments = {name for function in self.plan.functions for name in function.arguments} - computed
        fields = {field.name: field for field in (*self.plan.features, *self.plan.inputs)}
        self._fields = {name: fields[name] for name in sorted(arguments - {AT})}
        wanted = self.plan.features.names
        self._order = None if tuple(names) == wanted else tuple(names.index(name) for name in wanted)

    def __call__(
        self,
        keys: Mapping[str, Any],
        at_us: int,
        deadline_s: float | None = None,
        found: Sequence[bytes | None] | None = None,
        error: UnavailableError | None = None,
    ) -> Row:
        """The features of one row.

        Parameters
        ----------
        keys
            The plan's inputs: keys and request columns, as plain values; times in microseconds since 1970.
        found, error
            What is stored for all views, or why there are none, if the store was asked already.
        """
        self._check(keys)
        degraded: tuple[str, ...] = ()
        if found is None:
            try:
                if error is not None:
                    raise error
                found = self._entries(keys, deadline_s)
            except UnavailableError as failure:
                reason = self.source.failed(failure)
                if not self.degrade:
                    raise
                found, degraded = [None] * len(self.views), (reason,)
        values: list[Any] = []
        statuses: list[int] = []
        ages: list[int] = []
        for view, made, entry in zip(self.views, self._made, found, strict=True):
            self._view(view, made, entry, at_us, (values, statuses, ages))
        return self.completed(keys, at_us, values, statuses, ages, degraded)

    def completed(
        self, keys: Mapping[str, Any], at_us: int, values: list[Any], statuses: list[int], ages: list[int], degraded: tuple[str, ...] = ()
    ) -> Row:
        """The row of the views' features, with request columns and functions added, in the order of the plan."""
        if self._requested or self.plan.functions:
            self._add(keys, at_us, (values, statuses, ages))
        if self._order is not None:
            values, statuses, ages = ([each[place] for place in self._order] for each in (values, statuses, ages))
        return Row(tuple(values), tuple(statuses), tuple(ages), degraded)

    def _check(self, keys: Mapping[str, Any]) -> None:
        if len(keys) != len(self.plan.inputs) or any(name not in keys for name in self.plan.inputs.names):
            self.plan.inputs.check_names(keys, "the request")

    def _entries(self, keys: Mapping[str, Any], deadline_s: float | None) -> list[bytes | None]:
        made = []
        for view in self.views:
            names, dtypes = zip(*view.plan.keys, strict=True)
            made.append(entity_key(view.prefix, [keys[name] for name in names], dtypes, names))
        stored = iter(self.source.within(deadline_s)([key for key in made if key is not None]))
        return [None if key is None else next(stored) for key in made]

    def _view(
        self,
        view: ViewReader,
        made: Sequence[_Made],
        entry: bytes | None,
        at_us: int,
        into: tuple[list[Any], list[int], list[int]],
    ) -> None:
        results, newest = (None, NEVER) if entry is None else view.values(entry[VALUE], at_us)
        age = NO_AGE if newest == NEVER else at_us - newest
        for each in made:
            value = None if results is None else results[each.slot]
            status = _MISSING if age == NO_AGE else _EXPIRED if age > each.limit else _NULL if value is None else _PRESENT
            value = plain(each.output, value) if status == _PRESENT else () if each.output.kind == "last_k" else None
            if status != _PRESENT and each.output.default is not None:
                status, value = _DEFAULTED, each.output.default
            into[0].append(value)
            into[1].append(status)
            into[2].append(age)

    def _add(self, keys: Mapping[str, Any], at_us: int, into: tuple[list[Any], list[int], list[int]]) -> None:
        """Add request columns and functions."""
        known = dict(zip(self._read, into[0], strict=True)) | dict(keys)
        for name in self._requested:
            value = column_of_one(keys[name], self.plan.inputs[name])
            into[0].append(keys[name] if present(value)[0] else None)
        if self.plan.functions:
            moment, columns = np.array([at_us], dtype=np.int64), self._arguments(known)
            for function in self.plan.functions:
                value = columns[function.name] = apply(function, columns, moment)
                into[0].append(None if np.isnan(value[0]) else float(value[0]))
        added = into[0][len(into[1]) :]
        into[1].extend(_NULL if value is None else _PRESENT for value in added)
        into[2].extend([NO_AGE] * len(added))

    def _arguments(self, known: Mapping[str, Any]) -> dict[str, Column]:
        """What functions take, each a column of one row."""
        return {name: column_of_one(known[name], self._fields[name]) for name in self._fields}


def plain(output: Output, value: Any) -> Any:
    """A value as people have it."""
    if decimal_digits(output.dtype):
        given = value if output.kind == "last_k" else (value,)
        made = tuple(as_objects(np.array(given, dtype=np.int64), output.dtype).tolist())
        return made if output.kind == "last_k" else made[0]
    if output.kind == "last_k":
        return value
    if output.dtype in TEXTS:
        return text_of(value, output.dtype)
    return bool(value) if output.dtype == "bool" else value
