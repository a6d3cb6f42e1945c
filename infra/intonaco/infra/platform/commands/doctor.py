"""`intonaco doctor`: whether everything that the settings name can be opened."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from intonaco.infra.platform.answers import Answer, answering
from intonaco.infra.platform.cli import open_workspace

if TYPE_CHECKING:
    from intonaco.infra.workspace import Workspace

__all__ = ["doctor"]

_STORES = ("blobs", "tables", "keyvalue", "stream", "catalog", "tasks", "engine")


@click.command()
@answering
def doctor() -> Answer:
    """Check that everything the settings name can be opened."""
    with open_workspace() as workspace:
        findings = [_python(), _room(workspace), *(_opened(workspace, name) for name in _STORES), *_plugins(workspace)]
    bad = [finding for finding in findings if not finding["ok"]]
    lines = [f"{len(findings) - len(bad)} of {len(findings)} checks are well."]
    return Answer(
        data={"ok": not bad, "findings": findings},
        lines=lines,
        rows=findings,
        next=bad[0]["do"] if bad else "intonaco status",
        exit_code=5 if bad else 0,
    )


def _python() -> dict[str, Any]:
    version = ".".join(map(str, sys.version_info[:3]))
    return _finding("python", sys.version_info >= (3, 11), version, "install Python 3.11 or newer")


def _room(workspace: "Workspace") -> dict[str, Any]:
    import shutil

    free_mb = shutil.disk_usage(workspace.root).free // 2**20
    return _finding("disk", free_mb > 512, f"{free_mb} MB free in {workspace.root}", "free some space")


def _opened(workspace: "Workspace", name: str) -> dict[str, Any]:
    from intonaco.core.errors import IntonacoError

    what: Callable[[], str] = lambda: type(getattr(workspace, name)).__name__  # noqa: E731
    try:
        return _finding(name, True, what(), "")
    except IntonacoError as error:
        return _finding(name, False, error.message, error.hint or f"mend the setting stores.{name}")


def _plugins(workspace: "Workspace") -> list[dict[str, Any]]:
    failures = workspace.plugins.failures
    return [
        _finding(f"plugin {each.name}", False, each.reason, f"pip install --upgrade {each.distribution}, or disable it")
        for each in failures
    ]


def _finding(check: str, ok: bool, found: str, do: str) -> dict[str, Any]:
    return {"check": check, "ok": ok, "found": found, "do": "" if ok else do}
