"""`intonaco features search`: definitions by text, kind, tag, owner and use."""

from typing import Any

import click

from intonaco.infra.platform.answers import Answer, answering
from intonaco.infra.platform.cli import open_workspace

__all__ = ["search"]


@click.command()
@click.argument("text", default="")
@click.option("--kind", type=click.Choice(["entity", "view", "set", "labels"]), default=None, help="Only these.")
@click.option("--tag", default="", help="Only what has this tag, or has a feature or column of this tag.")
@click.option("--owner", default="", help="Only what is theirs.")
@click.option("--used-by", default="", metavar="SET_OR_MODEL", help="Only what this reads: a set, or model:NAME@VERSION.")
@answering
def search(text: str, kind: str | None, tag: str, owner: str, used_by: str) -> Answer:
    """Find definitions whose name, description or body holds TEXT."""
    from intonaco.infra.features.store import FeatureStore

    with open_workspace() as workspace:
        registry = FeatureStore(workspace, workspace.settings.project).registry
        found = registry.search(text, kind=kind or "", tag=tag, owner=owner, used_by=used_by)
        uses = registry.use_counts()
    facts = [(each, each.definition) for each in found]
    rows: list[dict[str, Any]] = [
        {
            "kind": each.kind,
            "name": each.name,
            "version": each.version,
            "owner": given.owner,
            "tags": list(getattr(given, "tags", ())),
            "uses": uses.get((each.kind, each.name), 0) if each.kind == "view" else None,
            "description": given.description,
        }
        for each, given in facts
    ]
    lines = [] if rows else ["Nothing applied fits."]
    shown = [{**row, "tags": ", ".join(row["tags"])} for row in rows]
    return Answer(data={"found": rows}, lines=lines, rows=shown, next="intonaco features show NAME" if rows else "intonaco features plan")
