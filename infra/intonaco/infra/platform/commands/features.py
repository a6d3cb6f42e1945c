"""`intonaco features`: definitions applied, events materialized, features read."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from intonaco.core.errors import RefusedError
from intonaco.infra.platform.answers import Answer, answering, hinted
from intonaco.infra.platform.cli import open_workspace
from intonaco.infra.platform.commands.certify import certify
from intonaco.infra.platform.commands.consistency import consistency
from intonaco.infra.platform.commands.featurestream import consume, dead
from intonaco.infra.platform.commands.materialize import materialize
from intonaco.infra.platform.commands.search import search
from intonaco.infra.platform.commands.select import select
from intonaco.infra.platform.commands.show import show
from intonaco.infra.platform.groups import Commands
from intonaco.infra.platform.moments import moment

if TYPE_CHECKING:
    from intonaco.infra.features.recorded.registry import Step
    from intonaco.infra.features.store import FeatureStore
    from intonaco.infra.workspace import Workspace

__all__ = ["features"]


#: What may be done to a definition, and what is shown of it to people.
_ACTIONS = ("add", "change", "describe", "same", "rename", "gone")
#: What to do where a change breaks readers.
_KEEP = "keep what is read, name the changed view anew, or leave its readers on the version before"
_SHOWN = ("kind", "name", "action", "version", "rows", "detail")


@click.group(cls=Commands)
def features() -> None:
    """Plan and apply definitions; materialize, consume, read, show, search and measure features."""


for _each in (materialize, certify, consume, dead, show, search, consistency, select):
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
@click.argument("name", metavar="SET")
@click.option(
    "--keys", required=True, metavar="JSON", help="Keys and request columns: an object, a list of them, @FILE, or - (standard input)."
)
@click.option("--at", "at_us", type=moment, help="As of this moment; now by default.")
@click.option("--offline", is_flag=True, help="From the tables of events, as of any moment.")
@answering
def get(name: str, keys: str, at_us: int | None, offline: bool) -> Answer:
    """Read the features of a set, each with its status and age."""
    import time

    from intonaco.infra.features.online.past import PastError
    from intonaco.infra.serving.features.featurerows import key_columns, read_answer
    from intonaco.infra.serving.protocol.plainrows import rows_of_text

    asked_us = time.time_ns() // 1000 if at_us is None else at_us
    with open_workspace() as workspace:
        store = _store(workspace)
        given = rows_of_text(keys, "--keys")
        columns = key_columns(store.read_plan(name), given)
        with hinted(PastError, "the same with --offline reads the tables of events, as of any moment"):
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

    with open_workspace() as workspace, hinted(RefusedError, f"{_KEEP}: intonaco features apply --force"):
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
    if verb == "plan" and any(step["breaks"] for step in steps):
        return f"{_KEEP}: intonaco features apply --force"
    if verb == "plan" and changes:
        return "intonaco features apply"
    names = {step["kind"]: step["name"] for step in reversed(steps)}
    return f"intonaco features materialize {names.get('set') or names.get('view') or 'VIEW'}"


def _flat(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One line a feature, for people."""
    return [{"row": number, "feature": name, **each} for number, row in enumerate(rows) for name, each in row["features"].items()]
