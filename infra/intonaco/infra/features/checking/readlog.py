"""The read log: a sample of what was read online, kept off the way of reads, to be read again offline."""

import logging
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Self

import numpy as np
from attrs import define, field
from numpy.typing import NDArray

from intonaco.core.columns import Columns, take
from intonaco.core.errors import IntonacoError
from intonaco.infra.features.checking.readrecords import Read, Reads, decode_reads, encode_reads, part_of
from intonaco.infra.features.online.answer import Answer
from intonaco.infra.features.online.plan import ReadPlan
from intonaco.infra.storage.streams import Stream

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["ReadLog", "logged_reads"]

_LOG = logging.getLogger(__name__)
#: Reads that may wait to be written; more are dropped and counted.
_MOST_WAITING = 256
_FLUSH_S = 0.2
#: So many seconds' worth of rows may be kept at once after a pause.
_BURST_S = 10.0
_KEPT_RECORDS = 100_000
_AT_ONCE = 500


@define(eq=False)
class ReadLog:
    """Keeps a sample of reads in a stream, a topic for each set. May be called from any thread.

    Parameters
    ----------
    rows_per_s
        So many rows a second are kept on average; of more, some by chance.
    dropped
        Rows that were to be kept and were not, since the last record that says so; by set.
    """

    stream: Stream = field(repr=False)
    rows_per_s: float
    dropped: "Counter[str]" = field(factory=Counter, init=False)
    _allowed: float = field(init=False)
    _filled_at: float = field(factory=time.monotonic, init=False)
    _waiting: "deque[tuple[ReadPlan, Read]]" = field(factory=deque, init=False, repr=False)
    _wake: threading.Event = field(factory=threading.Event, init=False, repr=False)
    _closing: bool = field(default=False, init=False)
    _writing: threading.Lock = field(factory=threading.Lock, init=False, repr=False)
    _thread: threading.Thread | None = field(default=None, init=False, repr=False)

    @_allowed.default
    def _start_full(self) -> float:
        return self.rows_per_s * _BURST_S

    def offer(self, plan: ReadPlan, inputs: Columns, at_us: NDArray[np.int64], answer: Answer) -> None:
        """Keep some of the rows of a read, or none; never waits, and never raises for the store's sake."""
        rows = len(at_us)
        kept = self._share(rows)
        if not kept:
            return
        if len(self._waiting) >= _MOST_WAITING:
            self.dropped[plan.name] += kept
            return
        if kept < rows:
            chosen = np.sort(np.array(random.sample(range(rows), kept), dtype=np.intp))
            inputs, at_us, answer = take(inputs, chosen), at_us[chosen], part_of(answer, chosen)
        self._waiting.append((plan, (inputs, at_us, answer)))
        if self._thread is None:
            self._start()

    def flush(self) -> None:
        """Write what waits now."""
        with self._writing:
            waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
            for plan, some in groupby(waiting, key=itemgetter(0)):
                self._write(plan, [read for _, read in some])

    def close(self) -> None:
        """Write what waits, and end; a second call does nothing."""
        self._closing = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None") -> None:
        self.close()

    def _share(self, rows: int) -> int:
        """How many of the rows are kept, by what a bucket that fills with time still allows."""
        now = time.monotonic()
        self._allowed = min(self._allowed + (now - self._filled_at) * self.rows_per_s, self.rows_per_s * _BURST_S)
        self._filled_at = now
        kept = min(rows, int(self._allowed))
        self._allowed -= kept
        return kept

    def _start(self) -> None:
        with self._writing:
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._run, name="read log", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(_FLUSH_S)
            self.flush()

    def _write(self, plan: ReadPlan, held: list[Read]) -> None:
        topic, dropped = _topic(plan.project, plan.name), self.dropped[plan.name]
        try:
            offset = self.stream.append(topic, [encode_reads(plan, held, dropped)])
            self.dropped[plan.name] -= dropped
            if offset % _AT_ONCE == 0 and offset > _KEPT_RECORDS:
                self.stream.trim(topic, offset - _KEPT_RECORDS)
        except IntonacoError as error:
            rows = sum(len(at_us) for _, at_us, _ in held)
            self.dropped[plan.name] += rows
            _LOG.warning("%d reads of the feature set %s were not logged: %s", rows, plan.name, error)


def logged_reads(stream: Stream, plan: ReadPlan) -> Reads:
    """All reads of a plan that the log holds; CorruptError names a record that cannot be read."""
    return decode_reads(plan, _records(stream, _topic(plan.project, plan.name)))


def _records(stream: Stream, topic: str) -> Iterator[tuple[int, bytes]]:
    after = 0
    while records := stream.read(topic, after=after, limit=_AT_ONCE):
        yield from records
        after = records[-1][0]


def _topic(project: str, name: str) -> str:
    return f"{project}/reads/{name}"
