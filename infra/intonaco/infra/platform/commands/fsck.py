"""`intonaco fsck`: whether what is stored is what was acknowledged."""

import click
from attrs import asdict

from intonaco.infra.platform.answers import Answer, answering, say
from intonaco.infra.platform.cli import open_workspace

__all__ = ["fsck"]


@click.command()
@answering
def fsck() -> Answer:
    """Read every byte of every store and name each damaged object; exit code 4 if there is one."""
    from intonaco.infra.lineage.upkeep.verify import verify

    with open_workspace() as workspace:
        found = verify(workspace, lambda store: say(f"reading {store}"))
    read = ", ".join(f"{count} in {store}" for store, count in found.checked.items())
    lines = [f"Objects read: {read}.", "Nothing is damaged." if found.sound else f"{len(found.damages)} are damaged."]
    rows = [asdict(damage) for damage in found.damages]
    after = "intonaco status" if found.sound else "restore what is damaged from a copy, or make it anew"
    return Answer(data=found.to_json(), lines=lines, rows=rows, next=after, exit_code=0 if found.sound else 4)
