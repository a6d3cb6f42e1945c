"""How much memory a process and all its children take together."""

import ctypes
import threading
from types import TracebackType
from typing import Self

import psutil
import pyarrow as pa
from attrs import define, field

__all__ = ["MemoryWatch", "give_back"]

_EVERY_S = 0.25


@define(eq=False)
class MemoryWatch:
    """Inside its context, the largest sum of resident memory over this process and its children."""

    peak_bytes: int = 0
    _stop: threading.Event = field(factory=threading.Event, repr=False)
    _thread: threading.Thread | None = field(default=None, repr=False)

    @property
    def peak_mb(self) -> float:
        """The largest sum so far, in MiB."""
        return round(self.peak_bytes / 2**20, 1)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch, name="memory-watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=2)

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._stop.wait(_EVERY_S):
            self.peak_bytes = max(self.peak_bytes, sum(_resident(each) for each in [me, *me.children(recursive=True)]))


def give_back() -> None:
    """Return to the system what was let go of here, and what Arrow and the C library keep for the next who asks."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # the C library of Linux alone has it
    if trim is not None:
        trim(0)


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:  # it ended between listing and asking
        return 0
