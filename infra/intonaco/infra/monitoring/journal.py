"""The journal of alerts: one JSON object a line, for people and programs that follow a file."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intonaco.infra.monitoring.alerts import Alert

__all__ = ["JOURNAL", "write"]

#: Where it lies, in the workspace's home.
JOURNAL = Path("log") / "alerts.jsonl"


def write(alert: "Alert", home: Path) -> None:
    """Append an alert; the catalog holds it too, so the line is not synced."""
    path = home / JOURNAL
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(alert.to_json()) + "\n")  # one write of a short line, so that lines of two processes do not mix
