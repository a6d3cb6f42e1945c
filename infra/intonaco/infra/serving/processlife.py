"""How the server's processes begin and end together."""

import ctypes
import signal
import sys

__all__ = ["die_with_parent", "ignore_interrupts"]

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask the kernel to end this process when the thread that started it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def ignore_interrupts() -> None:
    """Leave Ctrl-C to the server, which ends its processes in order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
