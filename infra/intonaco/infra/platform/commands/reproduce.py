"""`intonaco reproduce`: whether a version can be made again."""

from typing import TYPE_CHECKING, Any

import click

from intonaco.infra.platform.answers import Answer, answering, say
from intonaco.infra.platform.cli import open_workspace

if TYPE_CHECKING:
    from intonaco.infra.lineage.reproduce import Node

__all__ = ["reproduce"]


@click.command()
@click.argument("reference")
@answering
def reproduce(reference: str) -> Answer:
    """Run again every step behind a version, each in a process of its own, and compare."""
    from intonaco.infra.lineage.reproduce import reproduce as repeat

    with open_workspace() as workspace:
        found = repeat(workspace, reference, lambda node: say(f"{node.function}: {node.verdict} ({node.seconds:.1f} s)"))
    lines = [f"{found.version}: {found.verdict}."]
    return Answer(data=found.to_json(), lines=lines, rows=[_row(node) for node in found.nodes], next=f"intonaco models show {reference}")


def _row(node: "Node") -> dict[str, Any]:
    name = node.function.rpartition(":")[2]
    return {
        "step": name,
        "verdict": node.verdict,
        "reason": node.reason,
        "changed": "; ".join(node.changes),
        "seconds": round(node.seconds, 1),
    }
