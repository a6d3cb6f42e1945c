"""`intonaco ledger`: what an endpoint predicted."""

from typing import TYPE_CHECKING, Any

import click

from intonaco.infra.platform.answers import Answer, answering
from intonaco.infra.platform.cli import open_workspace
from intonaco.infra.platform.moments import moment

if TYPE_CHECKING:
    from intonaco.infra.serving.ledger.ledger import Ledger
    from intonaco.infra.workspace import Workspace

__all__ = ["ledger"]

_SHOWN = ("prediction_id", "prediction_row", "predicted_at", "model_version")


@click.command()
@click.argument("endpoint")
@click.option("--since", "since_us", type=moment, help="Only predictions as of this moment or later.")
@click.option("--until", "until_us", type=moment, help="Only predictions as of earlier moments.")
@click.option("--limit", default=10, show_default=True, type=click.IntRange(min=0), help="How many rows to show, the last ones.")
@answering
def ledger(endpoint: str, since_us: int | None, until_us: int | None, limit: int) -> Answer:
    """Count an endpoint's predictions and show the last ones."""
    from attrs import asdict

    from intonaco.infra.serving.ledger.ledger import Ledger

    with open_workspace() as workspace:
        kept = Ledger(workspace, workspace.settings.project)
        _check_known(workspace, kept, endpoint)
        matching, rows = _read(kept, endpoint, since_us, until_us, limit)
        progress = asdict(kept.progress(endpoint))
    lines = [f"{progress['rows']:,} rows, {progress['waiting']:,} records waiting, {progress['dropped']:,} rows dropped past the limit."]
    lines += [f"{matching:,} lie in the time asked for."] if since_us is not None or until_us is not None else []
    shown = [{name: value for name, value in row.items() if name in _SHOWN or name.startswith("output.")} for row in rows]
    following = (
        f"intonaco ledger {endpoint} --json for what was given and read" if rows else f"intonaco predict {endpoint} JSON, or intonaco serve"
    )
    return Answer(data={**progress, "matching": matching, "last": rows}, lines=lines, rows=shown, next=following)


def _check_known(workspace: "Workspace", ledger: "Ledger", endpoint: str) -> None:
    from intonaco.core.errors import MissingError
    from intonaco.core.schema import suggestion
    from intonaco.infra.serving.endpoints.deployments import Deployments

    known = {*ledger.endpoints(), *(each.endpoint for each in Deployments(workspace, ledger.project).wanted())}
    if endpoint not in known:
        raise MissingError(f"no endpoint {endpoint!r} in project {ledger.project!r}", hint=suggestion(endpoint, known), field=endpoint)


def _read(ledger: "Ledger", endpoint: str, since_us: int | None, until_us: int | None, limit: int) -> tuple[int, list[dict[str, Any]]]:
    """How many rows lie in the time, and the last of them."""
    from intonaco.core.errors import MissingError

    try:
        found = ledger.read(endpoint, since_us, until_us)
    except MissingError:  # it is known, but has predicted nothing yet
        return 0, []
    return found.num_rows, [_plain(row) for row in found.slice(max(0, found.num_rows - limit)).to_pylist()]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    import base64
    from datetime import datetime

    def shown(value: Any) -> Any:
        if isinstance(value, bytes):
            return base64.b64encode(value).decode()
        return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value

    return {name: shown(value) for name, value in row.items()}
