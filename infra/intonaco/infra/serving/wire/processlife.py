"""How the server's processes begin and end together."""

import ctypes
import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

import msgspec

from intonaco.core.errors import IntonacoError
from intonaco.infra.serving.wire.messages import Failed, send

__all__ = ["die_with_parent", "ignore_interrupts", "run_worker", "settle_memory"]

_PR_SET_PDEATHSIG = 1


class Job(Protocol):
    """What a worker is told on its standard input: among the rest its sockets to the front end and to the server."""

    frames_fd: int
    control_fd: int


J = TypeVar("J", bound=Job)


def run_worker(kind: type[J], run: Callable[[J, socket.socket, socket.socket], None]) -> None:
    """Run the job on standard input with its sockets, until they close; a fault of a known kind is told to the server."""
    die_with_parent()
    ignore_interrupts()
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=kind)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s worker[%(process)d] %(levelname)s %(message)s")
    control = socket.socket(fileno=job.control_fd)
    frames = socket.socket(fileno=job.frames_fd)
    threading.Thread(target=_end_with, args=(control,), daemon=True).start()
    try:
        run(job, frames, control)
    except IntonacoError as error:
        send(control, Failed(str(error)))
        sys.exit(2)


def _end_with(control: socket.socket) -> None:
    """End at once when the server is gone, whatever this process is doing."""
    while control.recv(4096):
        pass
    os._exit(0)


def die_with_parent() -> None:
    """Ask the kernel to end this process when the thread that started it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def ignore_interrupts() -> None:
    """Leave Ctrl-C to the server, which ends its processes in order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def settle_memory() -> None:
    """Take what lives as long as the process out of the garbage collector's sight, and let it look less often at what does not."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
