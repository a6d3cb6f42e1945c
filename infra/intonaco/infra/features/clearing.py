"""Clearing: the online entries of a view removed, so that they are filled anew; begun, it is finished by whoever comes next."""

from typing import TYPE_CHECKING

from intonaco.infra.features.keys import view_prefix
from intonaco.infra.features.positions import KEY
from intonaco.infra.features.progress import Mark, Progress

if TYPE_CHECKING:
    from intonaco.infra.workspace import Workspace

__all__ = ["clear", "finish_clearing"]


def clear(workspace: "Workspace", project: str, view: str, version: int) -> int:
    """Remove the entries, then the marks; how many entries there were. That it was begun is recorded first."""
    online, clearing = (Progress(workspace.catalog, project, view, version, place) for place in ("online", "clearing"))
    prefix = view_prefix(project, view, version)
    with online.alone(), clearing.alone() as lease:
        clearing.finish(lease, Mark(sequence=1))
        keys = [key for key, _ in workspace.keyvalue.scan(prefix)]
        workspace.keyvalue.delete(keys)
        clearing.forget("online", "push")
    return len(keys) - (prefix + KEY in keys)


def finish_clearing(workspace: "Workspace", project: str, view: str, version: int) -> None:
    """Finish a clearing that was cut short, if there is one."""
    if Progress(workspace.catalog, project, view, version, "clearing").mark().sequence:
        clear(workspace, project, view, version)
