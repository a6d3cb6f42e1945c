"""`intonaco features select`: which features tell of a target, and which of them tell the same."""

from pathlib import Path

import click

from intonaco.infra.platform.answers import Answer, answering
from intonaco.infra.platform.cli import open_workspace

__all__ = ["select"]


@click.command()
@click.argument("name", metavar="SET")
@click.option("--target", required=True, metavar="LABELS", help="Applied labels: what is to be told.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write one self-contained page there.")
@answering
def select(name: str, target: str, html: Path | None) -> Answer:
    """Rate a set's features: what each tells of the target, and which are redundant."""
    from intonaco.infra.features.store import FeatureStore

    with open_workspace() as workspace:
        store = FeatureStore(workspace, workspace.settings.project)
        found = store.selection(store.training_set(name, labels=target))
    rows = found.table()
    if html:
        found.report().save(html)
    lines = [f"{found.rows:,} examples; {found.target} holds {found.target_bits:.2f} bits. In the order in which features would be chosen:"]
    data = {"set": name, "target": found.target, "target_bits": found.target_bits, "rows": found.rows, "features": rows}
    more = {"left_out": found.left_out, "file": str(html.absolute()) if html else None}
    following = f"open {html} in a browser" if html else f"intonaco features select {name} --target {target} --html selection.html"
    return Answer(data={**data, **more}, lines=lines, rows=rows, next=following)
