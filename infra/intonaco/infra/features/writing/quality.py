"""What views expect of events, held where events come in: in a write to their table, in a push, and in materialization.

Rows are kept aside where they come in, and nowhere else: those that are in the table already take effect online as they do
offline, so that both answer alike, and materialization tells of them.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from intonaco.infra.features.defined.sources import QuerySource
from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.storage.arrowtypes import PRIVATE
from intonaco.infra.storage.checks import Check
from intonaco.infra.storage.quality.expectations import Expectation, as_expectations
from intonaco.infra.storage.quality.gates import Gate

if TYPE_CHECKING:
    from intonaco.infra.workspace import Workspace

__all__ = ["gates", "table_gate", "view_gate"]


def gates(workspace: "Workspace", project: str, views: Iterable[FeatureView], by: str) -> dict[str, Gate]:
    """For each table that views read, a gate with all that they expect of its rows; none for tables of which nothing is expected."""
    by_table: dict[str, list[FeatureView]] = {}
    for view in views:
        by_table.setdefault(view.source.table, []).append(view)
    found = {table: table_gate(workspace, project, table, some, by) for table, some in by_table.items()}
    return {table: gate for table, gate in found.items() if gate.expectations}


def table_gate(
    workspace: "Workspace", project: str, table: str, views: Iterable[FeatureView], by: str, also: Iterable[Check | Expectation] = ()
) -> Gate:
    """The gate of one table: what the views that read it expect, and what is expected beside."""
    readers = [view for view in views if view.source.table == table]
    held = dict.fromkeys([*as_expectations(also), *(each for view in readers for each in _of_rows(view))])
    return _gate(workspace, f"{project}/{table}", held, readers, by)


def view_gate(workspace: "Workspace", project: str, view: FeatureView, version: int) -> Gate:
    """The gate of events as a view sees them: what it expects of the columns that it uses."""
    held = [each for each in view.expectations if set(each.check.names) <= set(view.used)]
    return _gate(workspace, f"{project}/{view.source.table}", held, [view], f"materialize {view.name}@{version}")


def _of_rows(view: FeatureView) -> list[Expectation]:
    """What a view expects of its table's rows; of a query's results nothing is known before they are computed."""
    computed = set(view.source.select) if isinstance(view.source, QuerySource) else set()
    return [each for each in view.expectations if not computed & set(each.check.names)]


def _gate(workspace: "Workspace", table: str, held: Iterable[Expectation], views: Iterable[FeatureView], by: str) -> Gate:
    private = frozenset(each.name for view in views for each in view.source.columns if PRIVATE in each.tags)
    expected = tuple(held)
    return Gate(workspace.tables, table, expected, by=by, stream=workspace.stream if expected else None, hidden=private)
