"""How the server's processes begin and end together."""

import ctypes
import gc
import signal
import sys

__all__ = ["die_with_parent", "ignore_interrupts", "settle_memory"]

_PR_SET_PDEATHSIG = 1


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
