"""Examples from a table alone, for tasks whose features come with the request."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import evolve
from numpy.typing import NDArray

from intonaco.core.errors import InvalidError, SchemaError
from intonaco.core.references import Reference
from intonaco.core.schema import Field, Schema, suggestion
from intonaco.infra.compute.arrays import times
from intonaco.infra.features.offline.examples import Examples
from intonaco.infra.lineage.runs.steps import step
from intonaco.infra.storage.arrow import from_arrow, schema_of
from intonaco.infra.storage.tables import Snapshot
from intonaco.infra.workspace import Workspace

__all__ = ["table_examples", "table_snapshot"]


def table_snapshot(workspace: Workspace, name: str, project: str = "") -> Snapshot:
    """The version of a table that a reference names, `flights` or `flights@3`; the newest by default."""
    reference = Reference.parse(name, kind="table", project=project or workspace.settings.project)
    if reference.version and not reference.version.isdigit():
        raise InvalidError(f"{reference.version!r} is not the version of a table", hint="versions count from 0: flights@3")
    return workspace.tables.snapshot(f"{reference.project}/{reference.name}", int(reference.version) if reference.version else None)


@step
def table_examples(
    workspace: Workspace,
    table: Snapshot,
    labels: tuple[str, ...],
    at: str = "",
    aside: tuple[str, ...] = (),
    categories: tuple[str, ...] = (),
) -> Examples:
    """All columns of a table as features, but for its labels, its moments and what is set aside.

    Parameters
    ----------
    labels
        Columns to be told, texts among them from the values found here; rows in which one is null are left out.
    at
        The column of moments, by which held-out rows are those that came last.
    aside
        Columns that no model sees, but by which an evaluation may be cut.
    categories
        Text columns whose values, as found here, are all that there are.
    """
    rows = workspace.tables.read(table)
    for name in (*labels, *filter(None, (at,)), *aside, *categories):
        if name not in rows.column_names:
            raise SchemaError(f"{table.reference} has no column {name!r}", hint=suggestion(name, rows.column_names), field=name)
    kept = rows.filter(_labelled(rows, labels))
    features = [name for name in kept.column_names if name not in {*labels, at, *aside}]
    schema = Schema(tuple(_field(kept, each, (*labels, *categories)) for each in schema_of(kept.select([*features, *labels]))))
    return Examples(
        columns=from_arrow(kept.select(schema.names)),
        schema=schema,
        labels=labels,
        at_us=times(kept, at, table.reference)[0] if at else None,
        source=table.reference,
        segments=from_arrow(kept.select(aside)),
    )


def _labelled(rows: pa.Table, labels: Iterable[str]) -> NDArray[np.bool_]:
    known = [np.asarray(pc.is_valid(rows[name])) for name in labels]
    return np.logical_and.reduce(known, initial=True) if known else np.ones(rows.num_rows, np.bool_)


def _field(rows: pa.Table, given: Field, categories: Iterable[str]) -> Field:
    """The field as it is in these rows: nullable where a value is missing."""
    found = given.categories
    if given.dtype == "str" and given.name in categories and not found:
        found = tuple(sorted(value for value in pc.unique(rows[given.name]).to_pylist() if value is not None))
    return evolve(given, nullable=rows[given.name].null_count > 0, categories=found)
