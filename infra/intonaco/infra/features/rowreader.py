"""Reading one row, whatever its state: what the compiled function leaves to others."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import define, field, frozen

from intonaco.core.errors import SchemaError, UnavailableError
from intonaco.core.fields import decimal_digits
from intonaco.infra.compute.decimals import as_objects
from intonaco.infra.compute.timeline import NEVER
from intonaco.infra.features.answer import NO_AGE
from intonaco.infra.features.fetching import Source
from intonaco.infra.features.functions import apply
from intonaco.infra.features.keys import entity_key
from intonaco.infra.features.plan import Output, ReadPlan
from intonaco.infra.features.row import Row
from intonaco.infra.features.shape import TEXTS
from intonaco.infra.features.status import Status
from intonaco.infra.features.viewcolumns import limit_of, text_of
from intonaco.infra.features.viewreader import ViewReader
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
    _requested: tuple[str, ...] = field(init=False)
    _order: tuple[int, ...] | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._made = tuple(
            tuple(_Made(slot, limit_of(view, output), output) for slot, output in zip(view.slots, view.plan.outputs, strict=True))
            for view in self.views
        )
        read = [output.name for view in self.plan.views for output in view.outputs]
        computed = {function.name for function in self.plan.functions}
        self._requested = tuple(name for name in self.plan.features.names if name not in {*read, *computed})
        names = [*read, *self._requested, *(function.name for function in self.plan.functions)]
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
        if self._requested or self.plan.functions:
            self._complete(keys, at_us, (values, statuses, ages))
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

    def _complete(self, keys: Mapping[str, Any], at_us: int, into: tuple[list[Any], list[int], list[int]]) -> None:
        """Add request columns and functions."""
        values, statuses, ages = into
        for name in self._requested:
            values.append(keys[name])
            statuses.append(_PRESENT if keys[name] is not None else _NULL)
            ages.append(NO_AGE)
        if not self.plan.functions:
            return
        known = dict(zip((output.name for view in self.plan.views for output in view.outputs), values, strict=False)) | dict(keys)
        moment = np.array([at_us], dtype=np.int64)
        for function in self.plan.functions:
            given = {name: _array(known[name], name) for name in function.arguments if name in known}
            value = float(apply(function, given, moment)[0])
            values.append(None if value != value else value)
            statuses.append(_NULL if value != value else _PRESENT)
            ages.append(NO_AGE)
            known[function.name] = values[-1]


def _array(value: Any, name: str) -> Any:
    if value is not None and not isinstance(value, int | float):
        raise SchemaError(f"column {name!r} is a {type(value).__name__}, expected numbers or times", field=name)
    return np.array([np.nan if value is None else value], dtype=np.float64)


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
