"""`intonaco status`: what there is, and what to do next."""

from typing import TYPE_CHECKING, Any

import click

from intonaco.infra.platform.answers import Answer, answering
from intonaco.infra.platform.cli import open_workspace

if TYPE_CHECKING:
    from intonaco.infra.workspace import Workspace

__all__ = ["status"]


@click.command()
@answering
def status() -> Answer:
    """Show what there is in the workspace and what to do next."""
    with open_workspace() as workspace:
        data = _counts(workspace)
        endpoints = _endpoints(workspace)
    rows = [{"what": name.replace("_", " "), "count": count} for name, count in data.items()]
    lines = [f"{each['endpoint']} serves {', '.join(each['versions'])}: {each['state']} {each['reason']}".rstrip() for each in endpoints]
    return Answer(data={**data, "endpoints": endpoints}, lines=lines, rows=rows, next=_next(data, endpoints))


def _counts(workspace: "Workspace") -> dict[str, int]:
    from intonaco.infra.features.recorded.applied import newest
    from intonaco.infra.lineage.registry.registry import Registry
    from intonaco.infra.lineage.runs.runs import Runs

    with workspace.catalog.read() as connection:
        definitions = sum(1 for _ in newest(connection, workspace.settings.project))
    return {
        "plugins": len(workspace.plugins.loaded),
        "tables": len(workspace.tables.names(workspace.settings.project)),
        "definitions": definitions,
        "runs": len(Runs(workspace).list(limit=10_000)),
        "models": len(Registry(workspace).models()),
    }


def _endpoints(workspace: "Workspace") -> list[dict[str, Any]]:
    from intonaco.infra.serving.endpoints.deployments import Deployments

    return [
        {
            "endpoint": each.deployment.endpoint,
            "versions": [f"{route.model}@{route.version}" for route in each.deployment.routes],
            "state": each.state,
            "reason": each.reason,
            "servers": [server.url for server in each.servers],
        }
        for each in Deployments(workspace, workspace.settings.project).list()
    ]


def _next(counts: dict[str, int], endpoints: list[dict[str, Any]]) -> str:
    if not counts["models"]:
        return "intonaco train --help" if counts["tables"] else "intonaco tables ingest NAME FILE, or intonaco demo to see a whole job"
    if not endpoints:
        return "intonaco deploy ENDPOINT"
    return "intonaco serve" if any(each["state"] == "waiting" for each in endpoints) else "intonaco ledger ENDPOINT"
