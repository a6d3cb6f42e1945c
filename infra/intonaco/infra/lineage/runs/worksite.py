"""The workspace inside a task's process."""

import os
from functools import cache

from intonaco.core.errors import ConflictError, MissingError
from intonaco.infra.compute.processes import digest_of
from intonaco.infra.workspace import Workspace

__all__ = ["workspace_of_task"]


@cache
def workspace_of_task() -> Workspace:
    """The workspace of the driver that started this process, opened once.

    Raises
    ------
    MissingError
        The process was not started by a task engine.
    ConflictError
        It is not made of the same plugins, stores and engines here as in the driver.
    """
    if "INTONACO_WORKSPACE" not in os.environ or "INTONACO_MANIFEST" not in os.environ:
        raise MissingError("no task engine started this process", hint="open a workspace with Workspace.open()")
    workspace = Workspace.open(os.environ["INTONACO_WORKSPACE"])
    if digest_of(workspace.manifest()) != os.environ["INTONACO_MANIFEST"]:
        raise ConflictError(
            f"the workspace {workspace.root} is made of other plugins or stores in a worker than in its driver",
            hint="put settings into intonaco.toml rather than into arguments, and install the same plugins for both",
        )
    return workspace
