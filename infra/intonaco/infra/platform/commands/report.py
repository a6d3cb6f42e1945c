"""`intonaco report`: the evaluation of a version, in the terminal or as a page."""

from pathlib import Path

import click

from intonaco.infra.platform.answers import Answer, answering
from intonaco.infra.platform.cli import open_workspace

__all__ = ["report"]


@click.command()
@click.argument("reference")
@click.option("--name", default="evaluation", show_default=True, help="Which of the version's reports.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write one self-contained page there.")
@answering
def report(reference: str, name: str, html: Path | None) -> Answer:
    """Show how a version did on held-out rows."""
    from intonaco.core.errors import MissingError
    from intonaco.core.schema import suggestion
    from intonaco.infra.lineage.artifacts import Artifacts
    from intonaco.infra.lineage.registry.registry import Registry

    with open_workspace() as workspace:
        version = Registry(workspace).version(reference)
        if name not in version.reports:
            raise MissingError(f"{version.reference} has no report {name!r}", hint=suggestion(name, version.reports), field=name)
        found = Artifacts(workspace, version.project).load(version.reports[name])
    data = {"version": version.reference, "title": found.title, "file": str(html.absolute()) if html else None, "blocks": len(found.blocks)}
    if html:
        found.save(html)
        return Answer(data=data, lines=[f"Wrote {html}."], next=f"open {html} in a browser")
    return Answer(data=data, picture=found.text(), next=f"intonaco report {version.short} --html report.html")
