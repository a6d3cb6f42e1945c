"""`intonaco reproduce`: whether a version can be made again."""

from typing import TYPE_CHECKING, Any

import click

from intonaco.infra.platform.answers import Answer, answering, say
from intonaco.infra.platform.cli import open_workspace

if TYPE_CHECKING:
    from intonaco.infra.lineage.runs.reproduce import Node

__all__ = ["reproduce"]

_SHOWN = 5


@click.command()
@click.argument("reference")
@answering
def reproduce(reference: str) -> Answer:
    """Run again every step behind a version, and compare.

    Each runs in a process of its own; the exit code is 4 if one gives something else, or cannot be run.
    """
    from intonaco.infra.lineage.runs.reproduce import reproduce as repeat

    with open_workspace() as workspace:
        found = repeat(workspace, reference, lambda node: say(f"{node.function}: {node.verdict} ({node.seconds:.1f} s)"))
    lines = [f"{found.version}: {found.verdict}."]
    rows, sound = [_row(node) for node in found.nodes], found.verdict in ("identical", "equal")
    following = f"intonaco models show {reference}" if sound else f"intonaco why {found.nodes[-1].run} tells what the steps were made of"
    return Answer(data=found.to_json(), lines=lines, rows=rows, next=following, exit_code=0 if sound else 4)


def _row(node: "Node") -> dict[str, Any]:
    name, more = node.function.rpartition(":")[2], len(node.changes) - _SHOWN
    return {
        "step": name,
        "verdict": node.verdict,
        "reason": node.reason,
        "changed": "; ".join([*node.changes[:_SHOWN], *([f"and {more} more (--json)"] if more > 0 else [])]),
        "seconds": round(node.seconds, 1),
    }
