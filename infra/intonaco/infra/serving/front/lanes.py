"""Lanes: the front end's side of the sockets to the workers, and the endpoints that they serve."""

import asyncio
import itertools
import math
import time
from collections.abc import Callable
from typing import Protocol

from attrs import define, field

from intonaco.infra.serving.front.metrics import Tally
from intonaco.infra.serving.protocol.answers import encode_error
from intonaco.infra.serving.wire.channel import AnswerFrames, request_frame

__all__ = ["Lane", "Line", "Told", "Waiter"]

#: Status and body.
Told = tuple[int, bytes]

_NUMBERS = itertools.count(1)
_PATIENCE_S = 0.25
_DIED = encode_error("the worker of this endpoint died while the request was with it", code="worker_died", hint="send it again")
_LATE = encode_error("no answer came before the deadline", code="deadline", hint="the worker is replaced if it hangs; send it again")
_FULL = encode_error("too many requests wait for this endpoint", code="overloaded", hint="send it again after the time in Retry-After")
_GONE = encode_error("the endpoint was removed", code="not_found")


class Waiter(Protocol):
    """Who waits for an answer: a future, or what acts at once when it is told."""

    def done(self) -> bool:
        """Whether it was told already."""

    def set_result(self, told: Told, /) -> None:
        """Take the answer; may not raise."""


class Lane(asyncio.Protocol):
    """One worker's socket, with the requests that are under way on it."""

    def __init__(self, worker: int, closed: Callable[["Lane"], None], drained: Callable[["Lane"], None]) -> None:
        self.worker = worker
        self.retired = False
        self.waiting: dict[int, tuple[Waiter, float]] = {}
        self.moved_at = time.monotonic()
        self._closed, self._drained = closed, drained
        self._frames = AnswerFrames()
        self._transport: asyncio.WriteTransport | None = None
        self._loop = asyncio.get_running_loop()
        self._unsent: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        assert isinstance(transport, asyncio.WriteTransport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]

    def send(self, number: int, frame: bytes, waiter: Waiter, deadline: float) -> None:
        """Pass a request on, together with all others that came at once."""
        if not self.waiting:
            self.moved_at = time.monotonic()
        self.waiting[number] = waiter, deadline
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(frame)

    def _flush(self) -> None:
        if self._unsent and self._transport is not None:
            self._transport.write(b"".join(self._unsent))
            self._unsent.clear()

    def data_received(self, data: bytes) -> None:
        """Hand each answer to whoever waits for it; nobody may."""
        waiting = self.waiting
        for number, status, body in self._frames.feed(data):
            held = waiting.pop(number, None)
            if held is not None and not held[0].done():
                held[0].set_result((status, body))
        self.moved_at = time.monotonic()
        if self.retired and not waiting:
            self._drained(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Tell all that wait that the worker is gone."""
        for waiter, _ in self.waiting.values():
            if not waiter.done():
                waiter.set_result((503, _DIED))
        self.waiting.clear()
        self._closed(self)

    def retire(self) -> None:
        """Take no more requests; close when those under way are answered."""
        self.retired = True
        if not self.waiting:
            self._drained(self)

    def close(self) -> None:
        """Close the socket; the worker then ends."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def hangs(self, now: float, deadline_s: float) -> bool:
        """Whether the worker holds requests and has not said anything for longer than a request may take.

        A little longer, so that requests that came close behind the one that hangs are told that they are late, not that it died.
        """
        return bool(self.waiting) and now - self.moved_at > deadline_s + _PATIENCE_S


@define(eq=False)
class Line:
    """One endpoint: its worker's lane, or the requests that wait for the next worker."""

    name: str
    limit: int
    deadline_s: float
    metadata: bytes = b""
    versions: frozenset[int] = frozenset()
    paths: dict[str, int] = field(factory=dict)
    lane: Lane | None = None
    reason: str = "its worker is starting"
    degraded: str = ""
    parks: bool = True
    tally: Tally = field(factory=Tally)
    parked: dict[int, tuple[bytes, Waiter, float]] = field(factory=dict)

    def submit(self, version: int, body: bytes, within_s: float = math.inf) -> "asyncio.Future[Told]":
        """What will be the answer to a request."""
        future: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        self.pass_on(version, body, future, within_s)
        return future

    def pass_on(self, version: int, body: bytes, waiter: Waiter, within_s: float = math.inf) -> None:
        """Send a request to the worker, or park it; the waiter is told what comes of it, at the latest after the line's own deadline."""
        lane = self.lane
        if len(self.parked if lane is None else lane.waiting) >= self.limit:
            waiter.set_result((429, _FULL))
        elif lane is None and not self.parks:
            waiter.set_result((503, encode_error(f"endpoint {self.name!r} is not served: {self.reason}", code="not_ready")))
        else:
            number, deadline = next(_NUMBERS), time.monotonic() + min(self.deadline_s, within_s)
            frame = request_frame(number, deadline, version, body)
            if lane is None:
                self.parked[number] = frame, waiter, deadline
            else:
                lane.send(number, frame, waiter, deadline)

    def attach(self, lane: Lane, versions: frozenset[int], metadata: bytes, paths: dict[str, int]) -> None:
        """Switch to a new worker; the old one finishes what it has."""
        old, self.lane = self.lane, lane
        self.versions, self.metadata, self.paths, self.reason, self.parks = versions, metadata, paths, "", True
        self.degraded = ""
        for number, (frame, waiter, deadline) in self.parked.items():
            lane.send(number, frame, waiter, deadline)
        self.parked.clear()
        if old is not None:
            old.retire()

    def wait(self, reason: str) -> None:
        """The worker is gone, and another one will come."""
        self.lane, self.reason, self.parks = None, reason, True

    def refuse(self, reason: str) -> None:
        """There is no worker, and none will come soon."""
        self.reason, self.parks = reason, False
        self._fail(503, encode_error(f"endpoint {self.name!r} is not served: {reason}", code="not_ready"))

    def remove(self) -> None:
        """The endpoint is wanted no more."""
        self._fail(404, _GONE)
        if self.lane is not None:
            self.lane.retire()

    @property
    def waiting(self) -> int:
        """How many requests are not answered yet."""
        return len(self.parked) + (0 if self.lane is None else len(self.lane.waiting))

    def sweep(self, now: float) -> None:
        """Answer what is past its deadline; the oldest come first."""
        late = [number for number, (_, _, deadline) in self.parked.items() if deadline < now]
        for number in late:
            _, waiter, _ = self.parked.pop(number)
            _expire(waiter)
        if self.lane is not None:
            expire(self.lane, now)

    def _fail(self, status: int, body: bytes) -> None:
        for _, waiter, _ in self.parked.values():
            if not waiter.done():
                waiter.set_result((status, body))
        self.parked.clear()


def expire(lane: Lane, now: float) -> None:
    """Answer what a worker holds past its deadline; it stays counted as the worker's until that answers or dies."""
    for waiter, deadline in lane.waiting.values():
        if deadline >= now:
            break
        _expire(waiter)


def _expire(waiter: Waiter) -> None:
    if not waiter.done():
        waiter.set_result((504, _LATE))
