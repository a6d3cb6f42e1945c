"""What views expect of events, held where events come in: in a write to their table, in a push, and in materialization.

Rows are kept aside where they come in, and nowhere else: those that are in the table already take effect online as they do
offline, so that both answer alike, and materialization tells of them.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from intonaco.infra.features.sources import QuerySource
from intonaco.infra.features.views import FeatureView
from intonaco.infra.storage.checks import Check
from intonaco.infra.storage.expectations import Expectation, as_expectations
from intonaco.infra.storage.gates import Gate

if TYPE_CHECKING:
    from intonaco.infra.workspace import Workspace

__all__ = ["gates", "table_gate", "view_gate"]


def gates(workspace: "Workspace", project: str, views: Iterable[FeatureView], by: str) -> dict[str, Gate]:
    """For each table that views read, a gate with all that they expect of its rows; none for tables of which nothing is expected."""
    wanted: dict[str, list[Expectation]] = {}
    for view in views:
        held = wanted.setdefault(view.source.table, [])
        held += [each for each in _of_rows(view) if each not in held]
    return {table: _gate(workspace, project, table, held, by) for table, held in wanted.items() if held}


def table_gate(
    workspace: "Workspace", project: str, table: str, views: Iterable[FeatureView], by: str, also: Iterable[Check | Expectation] = ()
) -> Gate:
    """The gate of one table: what the views that read it expect, and what is expected beside."""
    held = [each for view in views if view.source.table == table for each in _of_rows(view)]
    return _gate(workspace, project, table, list(dict.fromkeys([*as_expectations(also), *held])), by)


def view_gate(workspace: "Workspace", project: str, view: FeatureView, version: int) -> Gate:
    """The gate of events as a view sees them: what it expects of the columns that it uses."""
    held = [each for each in view.expectations if set(each.check.names) <= set(view.used)]
    return _gate(workspace, project, view.source.table, held, f"materialize {view.name}@{version}")


def _of_rows(view: FeatureView) -> list[Expectation]:
    """What a view expects of its table's rows; of a query's results nothing is known before they are computed."""
    computed = set(view.source.select) if isinstance(view.source, QuerySource) else set()
    return [each for each in view.expectations if not computed & set(each.check.names)]


def _gate(workspace: "Workspace", project: str, table: str, held: list[Expectation], by: str) -> Gate:
    return Gate(workspace.tables, f"{project}/{table}", held, by=by, stream=workspace.stream if held else None)
