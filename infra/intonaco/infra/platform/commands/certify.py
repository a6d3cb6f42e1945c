"""`intonaco features certify`: views tried on generated streams, batch, writes and requests alike."""

from typing import TYPE_CHECKING, Any

import click

from intonaco.core.errors import CorruptError
from intonaco.infra.platform.answers import Answer, answering, say
from intonaco.infra.platform.cli import open_workspace
from intonaco.infra.platform.featureviews import views_named

if TYPE_CHECKING:
    from intonaco.infra.features.checking.certificates import Certificate

__all__ = ["certify"]


@click.command()
@click.argument("name", metavar="SET_OR_VIEW")
@click.option("--examples", type=click.IntRange(min=1), default=100, help="Streams to try for each view.")
@click.option("--seed", type=int, default=0, help="Another one tries other streams.")
@click.option("--limit-s", type=click.FloatRange(min=0.1), default=20.0, help="The longest that a view may take.")
@answering
def certify(name: str, examples: int, seed: int, limit_s: float) -> Answer:
    """Try whether views answer alike in a batch, by writes and at a request, and keep the outcome with their versions."""
    from intonaco.infra.features.store import FeatureStore

    made = []
    with open_workspace() as workspace:
        store = FeatureStore(workspace, workspace.settings.project)
        for view in views_named(store, name):
            say(f"{view.name}: up to {examples} streams")
            made += store.certify(view, examples=examples, seed=seed, limit_s=limit_s)
    failed = next((each for each in made if not each.passed), None)
    if failed is not None:
        hint = f"the certificate of {failed.view} has the smallest stream that shows it: intonaco features show {failed.view} --json"
        raise CorruptError(f"feature view {failed.view}@{failed.version} does not answer alike: {failed.difference}", hint=hint)
    rows = [_row(each) for each in made]
    return Answer(data={"name": name, "certificates": rows}, rows=rows, next=f"intonaco features show {name}")


def _row(certificate: "Certificate") -> dict[str, Any]:
    facts = ("view", "version", "passed", "examples", "seed", "seconds")
    return {fact: getattr(certificate, fact) for fact in facts}
