"""`intonaco predict`: ask an endpoint, in this process."""

import click

from intonaco.infra.platform.answers import Answer, answering
from intonaco.infra.platform.cli import open_workspace

__all__ = ["predict"]


@click.command()
@click.argument("endpoint")
@click.argument("rows", metavar="JSON")
@click.option("--at", default=None, help="As of this moment, ISO 8601 with an offset; now by default.")
@answering
def predict(endpoint: str, rows: str, at: str | None) -> Answer:
    """Predict for rows: a JSON object, a list of them, or @FILE."""
    from intonaco.infra.platform.platform import Platform
    from intonaco.infra.serving.requests import microseconds

    given = _rows(rows)
    with Platform(open_workspace()) as platform:
        answers = platform.predict(endpoint, given, at=None if at is None else microseconds(at))
        versions = [route.version for route in platform.deployments.get(endpoint).deployment.routes]
    data = {"endpoint": endpoint, "versions": versions, "predictions": answers}
    return Answer(data=data, rows=answers, next="intonaco serve answers the same over HTTP")


def _rows(text: str) -> list[dict[str, object]]:
    from pathlib import Path

    from intonaco.core.errors import InvalidError
    from intonaco.infra.serving.strictjson import parse

    if text.startswith("@"):
        path = Path(text[1:])
        if not path.is_file():
            raise InvalidError(f"there is no file {path}", hint="give JSON, or @ and the path of a file that holds it")
        text = path.read_text(encoding="utf-8")
    parsed = parse(text.encode())
    rows = parsed if isinstance(parsed, list) else [parsed]
    if not all(isinstance(row, dict) for row in rows):
        raise InvalidError("rows are JSON objects", hint='{"origin": "JFK", "dep_delay": 12}')
    return rows
