"""A worker process of the engine `local`: takes calls from a socket until it closes, then ends.

Started as `python -m intonaco.infra.compute.worker FD PARENT`; what tasks print goes to the engine's log.
"""

import ctypes
import faulthandler
import os
import queue
import signal
import socket
import sys
import threading
import traceback
from typing import Any

from intonaco.core.discovery import load_path
from intonaco.infra.compute.frames import Frames, check_plain, error_to_frame, pack
from intonaco.infra.compute.tasks import reporting_to

__all__ = ["main"]

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Serve calls, one after the other, until the engine is gone."""
    _end_with(int(arguments[1]))
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver decides what an interrupt ends
    link = socket.socket(fileno=int(arguments[0]))
    link.set_inheritable(False)
    calls: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(link, calls), daemon=True).start()
    sys.path[:] = calls.get()["path"]
    link.sendall(pack({"ready": True}))
    while True:
        link.sendall(_answer(calls.get(), link))


def _end_with(parent: int) -> None:
    """Die with the engine's process, even in code that holds the interpreter; what was too late for that is seen here."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _receive(link: socket.socket, calls: "queue.SimpleQueue[dict[str, Any]]") -> None:
    frames = Frames()
    while data := link.recv(1 << 20):
        for message in frames.feed(data):
            calls.put(message)
    os._exit(0)


def _answer(call: dict[str, Any], link: socket.socket) -> bytes:
    function = call["function"]

    def report(done: float, total: float, note: str) -> None:
        link.sendall(pack({"progress": [float(done), float(total), str(note)]}))

    try:
        with reporting_to(report):
            result = load_path(function)(**call["arguments"])
        check_plain(result, f"the result of {function}")
        return pack({"result": result})
    except Exception as error:
        traceback.print_exc()
        sys.stderr.flush()
        return pack({"error": error_to_frame(error, function)})


if __name__ == "__main__":
    main(sys.argv[1:])
