"""`intonaco features`: definitions applied, events materialized, features read."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from intonaco.infra.platform.answers import Answer, answering, say
from intonaco.infra.platform.cli import open_workspace
from intonaco.infra.platform.commands.consistency import consistency
from intonaco.infra.platform.commands.search import search
from intonaco.infra.platform.commands.select import select
from intonaco.infra.platform.commands.show import show
from intonaco.infra.platform.groups import Commands
from intonaco.infra.platform.moments import iso, moment

if TYPE_CHECKING:
    from intonaco.infra.features.materialization import Materialized
    from intonaco.infra.features.registry import Step
    from intonaco.infra.features.store import FeatureStore
    from intonaco.infra.features.views import FeatureView
    from intonaco.infra.workspace import Workspace

__all__ = ["features"]


#: What may be done to a definition, and what is shown of it to people.
_ACTIONS = ("add", "change", "describe", "same", "rename", "gone")
_SHOWN = ("kind", "name", "action", "version", "rows", "detail")


@click.group(cls=Commands)
def features() -> None:
    """Plan and apply definitions; materialize, read, show, search and measure features."""


for _each in (show, search, consistency, select):
    features.add_command(_each)


@features.command()
@answering
def plan() -> Answer:
    """Show what `apply` would add, change, rename, rebuild or break."""
    return _defined("plan")


@features.command()
@click.option("--force", is_flag=True, help="Also where a set or a model reads a feature that goes away.")
@answering
def apply(force: bool) -> Answer:
    """Record what the modules of definitions hold, all or none."""
    return _defined("apply", force=force)


@features.command()
@click.argument("name", metavar="SET_OR_VIEW")
@click.option("--until", "until_us", type=moment, help="Only events before this moment; now by default.")
@answering
def materialize(name: str, until_us: int | None) -> Answer:
    """Store the events of a view, or of all views of a set, that are not stored yet."""
    import time

    from intonaco.infra.platform.qualityalerts import alerting

    end_us = time.time_ns() // 1000 if until_us is None else until_us
    with open_workspace() as workspace:
        store = _store(workspace)
        views = _views(store, name)
        with alerting(workspace, {view.source.table for view in views}):
            done = [_materialized(store, view, end_us) for view in views]
    rows, seconds = sum(each["rows"] for each in done), sum(each["seconds"] for each in done)
    lines = [f"{rows:,} events were stored in {seconds:.1f} s; a later run goes on from each view's watermark."]
    lines += [warning for each in done for warning in each["warnings"]]
    data = {"name": name, "until": iso(end_us), "rows": rows, "seconds": seconds, "views": done}
    shown = [{key: value for key, value in each.items() if key != "warnings"} for each in done]
    return Answer(data=data, lines=lines, rows=shown, next=f"intonaco features show {name}")


@features.command()
@click.argument("name", metavar="SET")
@click.option("--keys", required=True, metavar="JSON", help="Keys and request columns: an object, a list of them, or @FILE.")
@click.option("--at", "at_us", type=moment, help="As of this moment; now by default.")
@click.option("--offline", is_flag=True, help="From the tables of events, as of any moment.")
@answering
def get(name: str, keys: str, at_us: int | None, offline: bool) -> Answer:
    """Read the features of a set, each with its status and age."""
    import time

    from intonaco.infra.serving.featurerows import key_columns, read_answer
    from intonaco.infra.serving.plainrows import rows_of_text

    asked_us = time.time_ns() // 1000 if at_us is None else at_us
    with open_workspace() as workspace:
        store = _store(workspace)
        given = rows_of_text(keys)
        columns = key_columns(store.read_plan(name), given)
        found = (store.read_offline if offline else store.read)(name, columns, [asked_us] * len(given))
    data = read_answer(name, given, asked_us, found, offline=offline)
    following = f"intonaco features show {name}" if offline else "the same with --offline reads the tables of events, as of any moment"
    return Answer(data=data, rows=_flat(data["rows"]), next=following)


def _store(workspace: "Workspace") -> "FeatureStore":
    from intonaco.infra.features.store import FeatureStore

    return FeatureStore(workspace, workspace.settings.project)


def _defined(verb: str, **options: bool) -> Answer:
    """Plan or apply the definitions."""
    from attrs import asdict

    from intonaco.infra.platform.declared import declared

    with open_workspace() as workspace:
        definitions = declared(workspace)
        steps: Sequence[Step] = getattr(_store(workspace), verb)(definitions, complete=True, **options)
    rows = [asdict(step) for step in steps]
    changes = [{name: row[name] for name in _SHOWN} for row in rows if row["action"] != "same"]
    counts = {action: sum(row["action"] == action for row in rows) for action in _ACTIONS}
    lines = [", ".join(f"{action}: {count}" for action, count in counts.items() if count or action in _ACTIONS[:4])]
    lines += [f"breaks {broken}" for row in rows for broken in row["breaks"]]
    return Answer(data={"steps": rows, "counts": counts}, lines=lines, rows=changes, next=_after(verb, rows, bool(changes)))


def _after(verb: str, steps: Sequence[Mapping[str, Any]], changes: bool) -> str:
    if not steps:
        return "add views and sets to DEFINITIONS in the module of definitions"
    if verb == "plan" and changes:
        return "intonaco features apply"
    names = {step["kind"]: step["name"] for step in reversed(steps)}
    return f"intonaco features materialize {names.get('set') or names.get('view') or 'VIEW'}"


def _views(store: "FeatureStore", name: str) -> "Sequence[FeatureView]":
    """The view of this name, or the views of the set of this name."""
    from intonaco.core.errors import MissingError
    from intonaco.core.schema import suggestion
    from intonaco.infra.features.views import FeatureView

    kinds: tuple[str, ...] = ("view", "set")
    found = next((each for kind in kinds if (each := store.registry.find(kind, name)) is not None), None)
    if found is None:
        known = {each.name for each in store.registry.search() if each.kind in kinds}
        hint = suggestion(name, known) if known else "intonaco features apply records the definitions"
        raise MissingError(f"no feature view or set {name!r} is applied in project {store.project!r}", hint=hint, field=name)
    return [found.definition] if isinstance(found.definition, FeatureView) else store.feature_set(name).views


def _materialized(store: "FeatureStore", view: "FeatureView", until_us: int) -> dict[str, Any]:
    done: Materialized = store.materialize(view, until_us)[0]
    say(f"{done.view}: {done.rows:,} events in {done.seconds:.1f} s")
    return {
        "view": done.view,
        "version": done.version,
        "rows": done.rows,
        "watermark": iso(done.until_us),
        "source": done.source,
        "seconds": round(done.seconds, 3),
        "warnings": list(done.warnings),
    }


def _flat(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One line a feature, for people."""
    return [{"row": number, "feature": name, **each} for number, row in enumerate(rows) for name, each in row["features"].items()]
