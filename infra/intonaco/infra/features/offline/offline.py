"""Reading features offline: point in time, for many rows at once, from the tables of events."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from intonaco.core.columns import Column, Ragged
from intonaco.core.schema import Field, Schema
from intonaco.infra.compute.tables import AsofColumns, Events, TableEngine, WindowColumn, Windows
from intonaco.infra.compute.timeline import is_expired
from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.features.online.answer import NO_AGE, Answer, settle, without
from intonaco.infra.features.online.plan import Output, ViewPlan
from intonaco.infra.storage.arrow import from_arrow
from intonaco.infra.storage.tables import Snapshot

__all__ = ["read_offline"]

#: The names of ages in an engine's answer; no feature is named like this.
_AGE = "age of view {}"


def read_offline(engine: TableEngine, plans: list[tuple[ViewPlan, FeatureView, Snapshot | pa.Table]], rows: pa.Table, at: str) -> Answer:
    """Features of views for rows of keys and moments.

    Parameters
    ----------
    plans
        For each use of a view its plan, its definition, and its events.
    at
        The timestamp column of the rows.
    """
    windows = [_windows(*plan, _AGE.format(number)) for number, plan in enumerate(plans)]
    joins = [_joins(*plan, _AGE.format(number)) for number, plan in enumerate(plans)]
    found = {name: column for table in (_run(engine, rows, at, windows, joins)) for name, column in _named(table)}
    columns: dict[str, Column] = {}
    statuses: dict[str, NDArray[np.uint8]] = {}
    ages: dict[str, NDArray[np.int64]] = {}
    for number, (plan, _, _) in enumerate(plans):
        age, seen = _age(found[_AGE.format(number)])
        for output in plan.outputs:
            expired = is_expired(age, plan.limit_us(output))
            column = without(_column(found.pop(output.name), output), expired)
            columns[output.name], statuses[output.name] = settle(column, seen, expired, output.default)
            ages[output.name] = age
    return Answer(columns=columns, statuses=statuses, ages=ages)


def _run(engine: TableEngine, rows: pa.Table, at: str, windows: list[Windows], joins: list[AsofColumns]) -> list[pa.Table]:
    windows, joins = [each for each in windows if each.columns], [each for each in joins if each.columns]
    tables = [pa.concat_tables(engine.window_aggregates(rows, at, windows))] if windows else []
    return tables + ([pa.concat_tables(engine.asof_join(rows, at, joins))] if joins else [])


def _named(table: pa.Table) -> list[tuple[str, pa.ChunkedArray]]:
    return list(zip(table.column_names, table.columns, strict=True))


def _events(plan: ViewPlan, view: FeatureView, data: Snapshot | pa.Table) -> Events:
    return Events(
        data=data,
        keys=view.entity.keys.names,
        row_keys=tuple(name for name, _ in plan.keys),
        time=view.source.time,
        created=view.source.created,
        delay_us=view.delay,
    )


def _windows(plan: ViewPlan, view: FeatureView, data: Snapshot | pa.Table, age: str) -> Windows:
    shared = ("name", "kind", "column", "over_us", "hop_us", "resolution", "floats", "measures", "parameters", "dtype")
    columns = [WindowColumn(**{name: getattr(output, name) for name in shared}) for output in plan.outputs if output.kind != "column"]
    return Windows(events=_events(plan, view, data), columns=tuple(columns), valid_for_us=plan.valid_for_us, age=age)


def _joins(plan: ViewPlan, view: FeatureView, data: Snapshot | pa.Table, age: str) -> AsofColumns:
    columns = tuple((output.column, output.name) for output in plan.outputs if output.kind == "column")
    ties = tuple(kept.column for kept in plan.layout.columns)
    return AsofColumns(events=_events(plan, view, data), columns=columns, ties=ties, valid_for_us=plan.valid_for_us, age=age)


def _age(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    seen = column.is_valid().to_numpy()
    return (column.fill_null(NO_AGE) if column.null_count else column).to_numpy(), seen


def _column(column: pa.ChunkedArray, output: Output) -> Column:
    if output.kind == "last_k":
        return _lists(column.combine_chunks(), output)
    schema = Schema((Field(output.name, output.dtype, nullable=True),))
    return from_arrow(pa.table({output.name: column}), schema)[output.name]


def _lists(column: pa.ListArray, output: Output) -> Column:
    """A list is never null: one of nothing is empty."""
    sizes = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    flat = pa.table({output.name: column.flatten()})
    values = from_arrow(flat, Schema((Field(output.name, output.dtype),)))[output.name]
    assert isinstance(values, np.ndarray)
    return Ragged(values, np.append(0, np.cumsum(sizes)))
