"""Slots: what a server holds for each endpoint, and when its worker may be started again."""

import time

from attrs import define, field

from intonaco.infra.serving.endpoints.states import State
from intonaco.infra.serving.server.children import Worker
from intonaco.infra.serving.server.wanted import Wanted

__all__ = ["Slot"]

_WINDOW_S = 30.0
_CRASHES = 2
_LONGEST_WAIT_S = 30.0


@define(eq=False)
class Slot:
    """One endpoint: what is wanted, the worker that answers, and the one that is to replace it.

    A worker that died is started again at once. After a second death within a minute it is `bad`: requests
    are refused with the reason, and it is tried again after a time that doubles with each further death.
    """

    wanted: Wanted
    current: Worker | None = None
    coming: Worker | None = None
    retiring: Worker | None = None
    state: str = "starting"
    reason: str = ""
    retry_at: float = 0.0
    told: State | None = None
    _deaths: list[float] = field(factory=list)
    _failures: int = 0

    def want(self, wanted: Wanted) -> None:
        """Work towards something else from now on."""
        self.wanted, self.state, self.reason, self.retry_at = wanted, "starting", "", 0.0
        self._deaths.clear()
        self._failures = 0
        self.abandon()

    def abandon(self) -> None:
        """Give up the worker that comes; the crew holds it until its end is heard, as of every other."""
        if self.coming is not None:
            self.coming.strike("is not wanted any more")
            self.coming = None

    def due(self, now: float) -> bool:
        """Whether a worker is to be started."""
        served = self.current is not None and self.current.generation == self.wanted.generation
        return not served and self.coming is None and now >= self.retry_at

    def switched(self) -> None:
        """The coming worker answers now."""
        self.retiring, self.current, self.coming = self.current, self.coming, None
        self.state, self.reason, self._failures = ("bad" if self._crashing() else "ready"), "", 0
        assert self.current is not None
        self.current.conditions.append("switched")
        if self.retiring is None:
            self.current.conditions.append("drained")

    def drained(self, worker: Worker) -> None:
        """A worker has answered all that it held; if it is the one before, the change is done."""
        if self.current is not None and self.retiring is worker:
            self.current.conditions.append("drained")

    def failed(self, reason: str) -> None:
        """The coming worker could not be made to answer."""
        self._failures += 1
        self.coming, self.state, self.reason = None, "failed", reason
        self.retry_at = time.monotonic() + min(_LONGEST_WAIT_S, 2.0**self._failures)

    def died(self, reason: str) -> bool:
        """The answering worker died; whether it is bad now, and not started again at once."""
        self.current, self.state, self.reason = None, "starting", reason
        self._deaths.append(time.monotonic())
        if not self._crashing():
            return False
        self.state, self.reason = "bad", f"{reason}, {len(self._deaths)} times in a row"
        self.retry_at = time.monotonic() + min(_LONGEST_WAIT_S, 2.0 ** (len(self._deaths) - _CRASHES))
        return True

    def settle(self, now: float) -> None:
        """Forget the deaths of a worker that has lived for long enough."""
        if self._deaths and self.current is not None and now - self.current.started_at > _WINDOW_S:
            self._deaths.clear()
            self.state, self.reason = "ready", ""

    def _crashing(self) -> bool:
        recent = [at for at in self._deaths if time.monotonic() - at < 2 * _WINDOW_S]
        return len(recent) >= _CRASHES
