"""Children: the processes that a server starts, each with a packet socket to it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from attrs import define, field

from intonaco.infra.serving.front.frontprocess import FrontJob
from intonaco.infra.serving.wire import messages

if TYPE_CHECKING:
    from intonaco.infra.workspace import Workspace

__all__ = ["Child", "Worker", "start_front", "start_worker"]


@define(eq=False)
class Child:
    """A process in a session of its own, so that nobody else's signals reach it and all that it starts dies with it."""

    process: "subprocess.Popen[bytes]" = field(repr=False)
    control: socket.socket = field(repr=False)

    @classmethod
    def start(cls, module: str, job: msgspec.Struct, fds: tuple[int, ...], control: socket.socket) -> "Child":
        """Start `python -m module` with the job on its standard input; what it prints goes to standard error."""
        environ = {"OPENBLAS_NUM_THREADS": "1", **os.environ}
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module], stdin=subprocess.PIPE, stdout=2, pass_fds=fds, start_new_session=True, env=environ
        )
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
            stdin.write(msgspec.json.encode(job))
        return cls(process, control)

    @property
    def alive(self) -> bool:
        """Whether it runs; a dead one is reaped by asking."""
        return self.process.poll() is None

    @property
    def ending(self) -> str:
        """How it ended."""
        code = self.process.returncode
        return f"was killed by {signal.Signals(-code).name}" if code is not None and code < 0 else f"ended with code {code}"

    def anonymous_mb(self) -> float:
        """The memory that is its own, without mapped files."""
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
                if line.startswith("RssAnon:"):
                    return int(line.split()[1]) / 1024
        return 0.0

    def strike(self) -> None:
        """Kill it and all that it started; its end is then heard on its socket."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def kill(self) -> None:
        """Kill it and all that it started, reap it, and close its socket."""
        self.strike()
        self.process.wait(10)
        self.control.close()


@define(eq=False)
class Worker:
    """What answers for an endpoint, or for the feature sets, from its start to its end."""

    number: int
    endpoint: str
    generation: int
    child: Child
    frames: socket.socket | None = field(repr=False)
    conditions: list[str] = field(factory=list)
    reason: str = ""
    started_at: float = field(factory=time.monotonic)

    def hand_over(self) -> int:
        """The front end's end of its socket."""
        assert self.frames is not None
        return self.frames.fileno()

    def let_go(self) -> None:
        """Close this process's copy of that end."""
        if self.frames is not None:
            self.frames.close()
            self.frames = None

    def strike(self, reason: str) -> None:
        """Kill it for a reason; its end is then heard on its socket."""
        self.reason = reason
        self.child.strike()

    def kill(self) -> None:
        """End it now."""
        self.let_go()
        self.child.kill()


def start_worker(module: str, number: int, endpoint: str, generation: int, job: Callable[[int, int], msgspec.Struct]) -> Worker:
    """Start `python -m module` with the job that is made of its sockets: to the front end, and to this process."""
    front_end, worker_end = socket.socketpair()
    control, worker_control = messages.pair()
    with worker_end, worker_control:
        fds = (worker_end.fileno(), worker_control.fileno())
        child = Child.start(module, job(*fds), fds, control)
    return Worker(number, endpoint, generation, child, front_end)


def start_front(workspace: "Workspace", host: str, listening: list[socket.socket], grace_s: float, grpc_addresses: list[str]) -> Child:
    """Start the front end on sockets that listen already, and on addresses for gRPC, if any."""
    settings = workspace.settings.serving
    control, front_control = messages.pair()
    with front_control:
        job = FrontJob(
            listen_fds=[each.fileno() for each in listening],
            control_fd=front_control.fileno(),
            host=host,
            token=settings.token,
            deadline_s=settings.deadline_s,
            body_limit_bytes=settings.body_limit_bytes,
            queue_limit=settings.queue_limit,
            grace_s=grace_s,
            grpc_addresses=grpc_addresses,
        )
        return Child.start("intonaco.infra.serving.front.frontprocess", job, (*job.listen_fds, job.control_fd), control)
