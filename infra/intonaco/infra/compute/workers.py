"""The engine's side of a worker process."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from attrs import define, field

from intonaco.infra.compute.frames import Frames, pack

__all__ = ["Worker"]

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS")
_MODULE = "intonaco.infra.compute.worker"


@define(eq=False)
class Worker:
    """A process that takes calls: started fresh, in a group of its own, killed with all that it started.

    Parameters
    ----------
    threads
        How many threads numeric libraries in it may use.
    """

    threads: int
    process: subprocess.Popen[bytes] = field(repr=False)
    link: socket.socket = field(repr=False)
    ready: bool = False
    _frames: Frames = field(factory=Frames, repr=False)
    _unsent: bytearray = field(factory=bytearray, repr=False)
    _family: list[Any] = field(factory=list, repr=False)
    _family_until: float = field(default=0.0, repr=False)

    @classmethod
    def start(cls, threads: int, environ: Mapping[str, str], log: Path) -> Self:
        """Start a process; it is of use once it has said that it is ready."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        command = [sys.executable, "-P", "-m", _MODULE, str(theirs.fileno()), str(os.getpid())]
        environ = {**environ, **dict.fromkeys(_THREADS, str(threads))}
        with theirs, log.open("ab") as output:
            process = subprocess.Popen(
                command, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=[theirs.fileno()], process_group=0
            )
        worker = cls(threads, process, ours)
        worker.send({"path": [entry or os.getcwd() for entry in sys.path]})
        return worker

    @property
    def has_unsent(self) -> bool:
        """Whether `flush` has something to do when the socket takes more."""
        return bool(self._unsent)

    def send(self, message: dict[str, Any]) -> None:
        """Send a message as far as the socket takes it now."""
        self._unsent += pack(message)
        self.flush()

    def flush(self) -> None:
        """Send what is left of earlier messages, as far as the socket takes it."""
        with suppress(BlockingIOError, ConnectionError):
            while self._unsent:
                del self._unsent[: self.link.send(self._unsent[: 1 << 20])]

    def messages(self) -> Iterator[dict[str, Any]]:
        """What has arrived.

        Raises
        ------
        EOFError
            The process is gone, or closed its end.
        """
        while True:
            try:
                data = self.link.recv(1 << 20)
            except BlockingIOError:
                return
            except ConnectionError:
                data = b""
            if not data:
                raise EOFError
            yield from self._frames.feed(data)

    def resident_bytes(self) -> int:
        """Memory of the process and of all that it started; 0 if it is gone."""
        import psutil

        total = 0
        with suppress(psutil.Error):
            if time.monotonic() >= self._family_until:  # looking for children reads the whole table of processes
                process = psutil.Process(self.process.pid)
                self._family, self._family_until = [process, *process.children(recursive=True)], time.monotonic() + 1.0
        for each in self._family:
            with suppress(psutil.Error):
                total += each.memory_info().rss
        return total

    def kill(self) -> None:
        """End the process and what it started, and wait until it is gone."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.link.close()
        self.process.wait(timeout=30)

    def death(self) -> str:
        """How a process that is gone ended, in words."""
        try:
            code = self.process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return "closed its connection"
        if code >= 0:
            return f"exited with code {code}"
        name = signal.Signals(-code).name
        return f"was killed by {name}" + (", as the system does when memory runs out" if -code == signal.SIGKILL else "")
