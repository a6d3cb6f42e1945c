"""Training sets: the features of many rows, each as of its moment, beside what happened."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import evolve, frozen

from intonaco.core.columns import Column, Columns, Masked, Ragged
from intonaco.core.errors import SchemaError
from intonaco.core.schema import Field, Schema, suggestion
from intonaco.infra.compute.arrays import column_of, entity_codes, times
from intonaco.infra.compute.tables import TableEngine
from intonaco.infra.features.answer import Answer, complete
from intonaco.infra.features.events import event_data
from intonaco.infra.features.examples import Examples
from intonaco.infra.features.labels import Labels
from intonaco.infra.features.offline import read_offline
from intonaco.infra.features.plan import ReadPlan
from intonaco.infra.features.sets import FeatureSet
from intonaco.infra.storage.arrow import from_arrow, schema_of, to_arrow
from intonaco.infra.storage.tables import Snapshot, TableStore

__all__ = ["Rows", "answers", "columns_table", "labelled_rows", "training_set"]


@frozen(kw_only=True)
class Rows:
    """Rows in Arrow, their schema, and the reference of their table if they have one."""

    table: pa.Table
    schema: Schema
    source: str = ""

    @classmethod
    def of(cls, data: "Columns | pa.Table", source: str = "") -> "Rows":
        """Rows from columns or an Arrow table."""
        table = data if isinstance(data, pa.Table) else columns_table(data)
        return cls(table=table, schema=schema_of(table), source=source)


def columns_table(columns: Columns) -> pa.Table:
    """Columns as an Arrow table, whatever their types."""
    return to_arrow(columns, Schema(tuple(_field(name, column) for name, column in columns.items())))


def _field(name: str, column: Column) -> Field:
    values = np.asarray(column.values if isinstance(column, Masked | Ragged) else column)
    dtype = {"M": "timestamp", "O": "str"}.get(values.dtype.kind, str(values.dtype))
    if values.dtype.kind == "O":
        first = next((value for value in values if value is not None), "")
        dtype = "bytes" if isinstance(first, bytes) else "str"
    if isinstance(column, Ragged):
        return Field(name, dtype, shape=(-1, *values.shape[1:]))
    return Field(name, dtype, nullable=True, shape=values.shape[1:])


def labelled_rows(labels: Labels, outcomes: pa.Table, source: str, rows: Rows | None) -> Rows:
    """Rows that have an outcome: those of the labels' table, or those given, joined to it by the labels' keys."""
    for name in (*labels.keys, labels.value):
        if name not in outcomes.column_names:
            raise SchemaError(
                f"the table of labels {labels.name!r} lacks {name!r}", hint=suggestion(name, outcomes.column_names), field=name
            )
    known = outcomes.filter(pc.is_valid(outcomes[labels.value]))
    if rows is None:
        return evolve(Rows.of(known), source=source)
    joined = _joined(rows.table, known.select([*labels.keys, labels.value]), labels)
    return evolve(Rows.of(joined), source=" ".join(filter(None, (rows.source, source))))


def _joined(rows: pa.Table, outcomes: pa.Table, labels: Labels) -> pa.Table:
    """The rows that have an outcome, in their order, with it."""
    known_keys = [column_of(outcomes, name, f"the table of labels {labels.name!r}") for name in labels.keys]
    row_keys = [column_of(rows, name, "the rows") for name in labels.keys]
    known, wanted, bound = entity_codes(known_keys, row_keys)
    place = np.full(bound + 1, -1, dtype=np.int64)  # the last is that of rows without a key
    place[known] = np.arange(len(known))
    place[-1] = -1
    if np.bincount(known[known >= 0], minlength=1).max() > 1:
        hint = "keys name one thing each"
        raise SchemaError(f"labels {labels.name!r} have two outcomes for one of {labels.keys}", hint=hint, field=labels.name)
    found = place[wanted]
    kept = rows.drop_columns([labels.value]) if labels.value in rows.column_names else rows
    held = found >= 0
    values = column_of(outcomes, labels.value, f"the table of labels {labels.name!r}").take(pa.array(found[held]))
    return kept.filter(pa.array(held)).append_column(outcomes.schema.field(labels.value), values)


def training_set(
    engine: TableEngine,
    tables: TableStore,
    features: FeatureSet,
    plan: ReadPlan,
    rows: Rows,
    sources: Mapping[str, Snapshot],
    *,
    labels: Sequence[str],
    at: str,
) -> Examples:
    """Examples of a set for rows of keys, moments, request columns and labels."""
    table = rows.table
    _check_columns(table, labels)
    answer = answers(engine, tables, features, plan, table, sources, at)
    at_us, _ = times(table, at, "the rows")
    others = [name for name in table.column_names if name != at and name not in labels]
    outcomes = from_arrow(table.select(list(labels)))
    references = [rows.source, *(snapshot.reference for snapshot in sources.values())]
    return Examples(
        columns={**answer.columns, **outcomes},
        schema=Schema((*plan.features, *rows.schema.select(labels))),
        labels=tuple(labels),
        at_us=at_us,
        plan=plan,
        source=" ".join(sorted(filter(None, references))),
        segments=from_arrow(table.select(others)),
        statuses=answer.statuses,
    )


def answers(
    engine: TableEngine,
    tables: TableStore,
    features: FeatureSet,
    plan: ReadPlan,
    rows: pa.Table,
    sources: Mapping[str, Snapshot],
    at: str,
) -> Answer:
    """The features of a set for rows of keys, moments and request columns, with their statuses and ages."""
    _check_columns(rows, (at, *plan.inputs.names))
    events = {view.name: event_data(engine, tables, view, sources) for view in features.views}
    uses = [(view, use.view, events[use.view.name]) for view, use in zip(plan.views, features.features, strict=True)]
    keys = list(dict.fromkeys(name for view in plan.views for name, _ in view.keys))
    read = read_offline(engine, uses, rows.select([at, *(key for key in keys if key != at)]), at)
    request = [name for name in plan.inputs.names if name in plan.features or _argument(plan, name)]
    return complete(plan, read, from_arrow(rows.select(request), plan.inputs.select(request)), times(rows, at, "the rows")[0])


def _check_columns(rows: pa.Table, names: Iterable[str]) -> None:
    for name in names:
        if name not in rows.column_names:
            raise SchemaError(f"the rows lack the column {name!r}", hint=suggestion(name, rows.column_names), field=name)


def _argument(plan: ReadPlan, name: str) -> bool:
    return any(name in function.arguments for function in plan.functions)
