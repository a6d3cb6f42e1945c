"""Training sets: the features of many rows, each as of its moment, beside what happened."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import evolve

from intonaco.core.errors import SchemaError
from intonaco.core.schema import Schema, suggestion
from intonaco.infra.compute.arrays import column_of, times
from intonaco.infra.compute.entitycodes import EntityCodes
from intonaco.infra.compute.tables import TableEngine
from intonaco.infra.features.defined.labels import Labels
from intonaco.infra.features.defined.sets import FeatureSet
from intonaco.infra.features.offline.asked import check_asked, check_columns, request_columns
from intonaco.infra.features.offline.events import event_data
from intonaco.infra.features.offline.examples import Examples
from intonaco.infra.features.offline.offline import read_offline
from intonaco.infra.features.offline.rows import Rows
from intonaco.infra.features.online.answer import Answer, complete
from intonaco.infra.features.online.plan import ReadPlan
from intonaco.infra.storage.arrow import from_arrow, to_arrow
from intonaco.infra.storage.tables import Snapshot, TableStore

__all__ = ["answers", "labelled_rows", "training_set", "with_features"]


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
    entities, known = EntityCodes.of(known_keys)
    wanted = entities.find(row_keys)
    place = np.full(entities.bound + 1, -1, dtype=np.int64)  # the last is that of rows without a key
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
    check_columns(table, labels)
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


def with_features(rows: pa.Table, plan: ReadPlan, answer: Answer) -> pa.Table:
    """The rows with the features that they do not hold themselves, as requests do, beside them."""
    schema = Schema(tuple(each for each in plan.features if each.name not in rows.column_names))
    made = to_arrow({name: answer.columns[name] for name in schema.names}, schema)
    for each in made.schema:
        rows = rows.append_column(each, made[each.name])
    return rows


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
    check_columns(rows, [at])
    check_asked(plan, rows)
    events = {view.name: event_data(engine, tables, view, sources) for view in features.views}
    uses = [(view, use.view, events[use.view.name]) for view, use in zip(plan.views, features.features, strict=True)]
    keys = list(dict.fromkeys(name for view in plan.views for name, _ in view.keys))
    read = read_offline(engine, uses, rows.select([at, *(key for key in keys if key != at)]), at)
    return complete(plan, read, request_columns(plan, rows), times(rows, at, "the rows")[0])
