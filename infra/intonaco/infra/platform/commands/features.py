"""`intonaco features`: definitions applied, events materialized, features read."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from intonaco.infra.platform.answers import Answer, answering, say
from intonaco.infra.platform.cli import open_workspace
from intonaco.infra.platform.commands.consistency import consistency
from intonaco.infra.platform.commands.select import select
from intonaco.infra.platform.groups import Commands
from intonaco.infra.platform.moments import iso, moment

if TYPE_CHECKING:
    from intonaco.infra.features.materialization import Materialized
    from intonaco.infra.features.registry import Step
    from intonaco.infra.features.store import FeatureStore
    from intonaco.infra.features.views import FeatureView
    from intonaco.infra.workspace import Workspace

__all__ = ["features"]

#: What to do with a definition that was shown.
_NEXT = {
    "view": "intonaco features materialize {}",
    "set": "intonaco features get {} --keys JSON",
    "entity": "intonaco features search {}",
    "labels": "intonaco train PLATFORM.TASK --set SET --labels {}",
}


@click.group(cls=Commands)
def features() -> None:
    """Plan and apply definitions; materialize, read, show, search and measure features."""


for _each in (consistency, select):
    features.add_command(_each)


@features.command()
@answering
def plan() -> Answer:
    """Show what `apply` would add or change."""
    return _defined("plan")


@features.command()
@answering
def apply() -> Answer:
    """Record what the modules of definitions hold, all or none."""
    return _defined("apply")


@features.command()
@click.argument("name", metavar="SET_OR_VIEW")
@click.option("--until", "until_us", type=moment, help="Only events before this moment; now by default.")
@answering
def materialize(name: str, until_us: int | None) -> Answer:
    """Store the events of a view, or of all views of a set, that are not stored yet."""
    import time

    end_us = time.time_ns() // 1000 if until_us is None else until_us
    with open_workspace() as workspace:
        store = _store(workspace)
        done = [_materialized(store, view, end_us) for view in _views(store, name)]
    rows, seconds = sum(each["rows"] for each in done), sum(each["seconds"] for each in done)
    lines = [f"{rows:,} events were stored in {seconds:.1f} s; a later run goes on from each view's watermark."]
    data = {"name": name, "until": iso(end_us), "rows": rows, "seconds": seconds, "views": done}
    return Answer(data=data, lines=lines, rows=done, next=f"intonaco features show {name}")


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


@features.command()
@click.argument("name", metavar="NAME")
@answering
def show(name: str) -> Answer:
    """Show a view, a set, an entity or labels: NAME, or NAME@VERSION."""
    from intonaco.infra.platform.featurepages import page

    with open_workspace() as workspace:
        shown = page(_store(workspace), name)
    kind, rows = shown["kind"], shown["features"] or shown["keys"]
    lines = [f"{kind} {shown['name']}, version {shown['version']}: {shown['description'] or 'without a description'}"]
    lines += [f"{word}: {shown[word]}" for word in ("owner", "source", "watermark") if shown.get(word)]
    return Answer(data=shown, lines=lines, rows=rows, next=_NEXT[kind].format(shown["name"]))


@features.command()
@click.argument("text", default="")
@click.option("--kind", type=click.Choice(["entity", "view", "set", "labels"]), default=None, help="Only these.")
@click.option("--tag", default="", help="Only what has this tag.")
@click.option("--owner", default="", help="Only what is theirs.")
@answering
def search(text: str, kind: str | None, tag: str, owner: str) -> Answer:
    """Find definitions whose name, description or body holds TEXT."""
    with open_workspace() as workspace:
        found = _store(workspace).registry.search(text, kind=kind or "", tag=tag, owner=owner)
    facts = [(each, each.definition) for each in found]
    rows = [
        {"kind": each.kind, "name": each.name, "version": each.version, "owner": given.owner, "description": given.description}
        for each, given in facts
    ]
    lines = [] if rows else ["Nothing applied fits."]
    return Answer(data={"found": rows}, lines=lines, rows=rows, next="intonaco features show NAME" if rows else "intonaco features plan")


def _store(workspace: "Workspace") -> "FeatureStore":
    from intonaco.infra.features.store import FeatureStore

    return FeatureStore(workspace, workspace.settings.project)


def _defined(verb: str) -> Answer:
    """Plan or apply the definitions."""
    from attrs import asdict

    from intonaco.infra.platform.declared import declared

    with open_workspace() as workspace:
        definitions = declared(workspace)
        steps: Sequence[Step] = getattr(_store(workspace), verb)(definitions)
    rows = [asdict(step) for step in steps]
    changes = [row for row in rows if row["action"] != "same"]
    counts = {action: sum(row["action"] == action for row in rows) for action in ("add", "change", "describe", "same")}
    lines = [", ".join(f"{action}: {count}" for action, count in counts.items())]
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
    }


def _flat(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One line a feature, for people."""
    return [{"row": number, "feature": name, **each} for number, row in enumerate(rows) for name, each in row["features"].items()]
