"""`intonaco predict`: ask an endpoint, in this process."""

import click

from intonaco.infra.platform.answers import Answer, answering
from intonaco.infra.platform.cli import open_platform
from intonaco.infra.platform.moments import moment

__all__ = ["predict"]


@click.command()
@click.argument("endpoint")
@click.argument("rows", metavar="JSON")
@click.option("--at", "at_us", type=moment, help="As of this moment; now by default.")
@answering
def predict(endpoint: str, rows: str, at_us: int | None) -> Answer:
    """Predict for rows: a JSON object, a list of them, @FILE, or - for standard input."""
    from intonaco.infra.serving.protocol.plainrows import rows_of_text

    given = rows_of_text(rows)
    with open_platform() as platform:
        answers = platform.predict(endpoint, given, at=at_us)
        versions = [route.version for route in platform.deployments.get(endpoint).deployment.routes]
    data = {"endpoint": endpoint, "versions": versions, "predictions": answers}
    return Answer(data=data, rows=answers, next="intonaco serve answers the same over HTTP")
