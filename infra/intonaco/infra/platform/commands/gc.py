"""`intonaco gc`: what nothing refers to any more."""

import click

from intonaco.infra.platform.answers import Answer, answering
from intonaco.infra.platform.cli import open_workspace

__all__ = ["gc"]

_DAY_S = 86_400.0


@click.command()
@click.option("--apply", is_flag=True, help="Remove it; without this, only say what would go.")
@click.option("--older-than-hours", default=1.0, show_default=True, type=click.FloatRange(min=0), help="Leave what is younger.")
@click.option(
    "--tables-older-than-days", type=click.FloatRange(min=0), help="Let old versions of tables go that no registered model was made from."
)
@answering
def gc(apply: bool, older_than_hours: float, tables_older_than_days: float | None) -> Answer:
    """Say what nothing refers to any more, and why; with --apply, remove it."""
    from intonaco.infra.lineage.upkeep.collect import collect, plan_collection

    tables_s = None if tables_older_than_days is None else tables_older_than_days * _DAY_S
    with open_workspace() as workspace:
        found = (collect if apply else plan_collection)(workspace, older_than_s=older_than_hours * 3600, tables_older_than_s=tables_s)
    rows = [{"what": each.what, "name": f"{each.store}: {each.name}", "bytes": each.size_bytes, "why": each.why} for each in found.removals]
    verb = "went" if apply else "would go"
    kept = ", ".join(f"{count} by {what}" for what, count in found.kept.items()) or "nothing"
    lines = [f"{len(rows)} objects {verb}, {found.size_bytes:,} bytes. Kept: {kept}."]
    tables = "" if tables_older_than_days is None else f" --tables-older-than-days {tables_older_than_days:g}"
    following = f"intonaco gc --apply --older-than-hours {older_than_hours:g}{tables}" if rows and not apply else "intonaco status"
    return Answer(data=found.to_json(), lines=lines, rows=rows, next=following)
