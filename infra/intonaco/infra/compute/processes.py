"""The task engine `local`: calls run in worker processes of this machine."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, Self

from attrs import define, field

from intonaco.core.errors import DeadlineError, IntonacoError, InvalidError
from intonaco.infra.compute.frames import check_plain
from intonaco.infra.compute.supervisor import Supervisor, Task
from intonaco.infra.compute.tasks import Call, Progress, TaskEngine, Ticket

__all__ = ["HasEngines", "ProcessTaskEngine", "digest_of"]


class _Engines(Protocol):
    @property
    def workers(self) -> int: ...


class _Settings(Protocol):
    @property
    def engines(self) -> _Engines: ...


class HasEngines(Protocol):
    """What the engine needs of a workspace."""

    @property
    def root(self) -> Path:
        """Its folder."""

    @property
    def home(self) -> Path:
        """Where the log goes."""

    @property
    def settings(self) -> _Settings:
        """How many CPUs tasks may use together: `engines.workers`."""

    def manifest(self) -> dict[str, Any]:
        """What the workers' workspace must equal."""


@define(eq=False)
class ProcessTicket(Ticket):
    """A call in the hands of the supervisor."""

    _task: Task
    _wake: Callable[[], None] = field(repr=False)

    def result(self, timeout_s: float | None = None) -> Any:
        try:
            return self._task.future.result(timeout_s)
        except TimeoutError as error:
            if isinstance(error, IntonacoError):
                raise
        function = self._task.call.function
        raise DeadlineError(f"{function} gave no result within {timeout_s} s of waiting", hint="it goes on; wait again")

    def cancel(self) -> None:
        self._task.cancelled = True
        self._wake()


@define(eq=False)
class ProcessTaskEngine(TaskEngine):
    """Runs calls in worker processes that stay for the next call; one thread watches them all.

    Calls start in the order in which they were submitted, when the CPUs they ask for are free; numeric libraries use as
    many threads. A worker is killed, and the caller told why, when the call takes too long, is cancelled or passes its
    memory limit. A call whose process died by itself, or that raised UnavailableError, is tried again as often as its
    `retries` say. What tasks print, and the tracebacks of foreign errors, go to `logs/workers.log`.
    """

    _supervisor: Supervisor

    @classmethod
    def open(cls, workspace: HasEngines) -> Self:
        """An engine whose workers find the workspace by the variable INTONACO_WORKSPACE; processes start when needed."""
        logs = workspace.home / "log"
        logs.mkdir(parents=True, exist_ok=True)
        own = {"INTONACO_WORKSPACE": str(workspace.root), "INTONACO_MANIFEST": digest_of(workspace.manifest())}
        return cls(Supervisor(float(workspace.settings.engines.workers), {**os.environ, **own}, logs / "workers.log"))

    def submit(self, call: Call) -> Ticket:
        check_plain(dict(call.arguments), f"the arguments of {call.function}")
        asked, held = call.resources, self._supervisor.cpus
        if asked.cpu > held or asked.gpu > 0:
            message = f"{call.function} asks for {asked.cpu:g} CPUs and {asked.gpu:g} GPUs, the engine has {held:g} CPUs"
            raise InvalidError(message, hint="set engines.workers in intonaco.toml, or ask for less", field="resources")
        task = Task(call)
        self._supervisor.add(task)
        return ProcessTicket(task, self._supervisor.wake)

    def listen(self, listener: Callable[[Progress], None] | None) -> None:
        """Call `listener`, from the engine's thread, with each report of progress from now on; None ends it."""
        self._supervisor.listener = listener

    def close(self) -> None:
        self._supervisor.close()


def digest_of(manifest: dict[str, Any]) -> str:
    """SHA-256 of a workspace's manifest, by which workers see that theirs is the same."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
