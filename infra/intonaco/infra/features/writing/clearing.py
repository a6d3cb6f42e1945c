"""Clearing: the online entries of a view removed, so that they are filled anew; begun, it is finished by whoever comes next.

Marks of what is online stand in the catalog, and are true of one store alone. A key in the store says that it is that one: a
store that lacks it was emptied since, or is another, and is filled from the beginning.
"""

from typing import TYPE_CHECKING

from intonaco.infra.features.entries.keys import begun_key, view_prefix
from intonaco.infra.features.entries.positions import KEY
from intonaco.infra.features.recorded.progress import Mark, Progress

if TYPE_CHECKING:
    from intonaco.infra.workspace import Workspace

__all__ = ["clear", "finish_clearing", "know_store"]


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


def know_store(workspace: "Workspace", project: str, view: str, version: int) -> None:
    """Before a view is filled: clear it if its marks were made with another store, or before this one was emptied."""
    key = begun_key(project, view, version)
    if workspace.keyvalue.get([key])[0] is not None:
        return
    online = Progress(workspace.catalog, project, view, version, "online")
    if online.mark() != Mark() or online.unfinished() is not None or online.piece() is not None:
        clear(workspace, project, view, version)
    workspace.keyvalue.put([(key, 1, b"")])
