"""The supervisor: starts the front end and the workers, watches them, and works towards what the catalog wants."""

import logging
import select
import threading
import time
from collections.abc import Callable
from typing import Any

from attrs import define, field

from intonaco.core.errors import IntonacoError, UnavailableError
from intonaco.infra.serving.ledger.spoolmover import SpoolMover
from intonaco.infra.serving.server.board import Board
from intonaco.infra.serving.server.children import Worker
from intonaco.infra.serving.server.crew import Crew
from intonaco.infra.serving.server.frontchild import FrontChild
from intonaco.infra.serving.server.slots import Slot
from intonaco.infra.serving.server.wanted import Wants
from intonaco.infra.serving.wire import messages
from intonaco.infra.serving.wire.messages import (
    Attach,
    Condition,
    Degraded,
    Drain,
    Drained,
    Failed,
    Gauges,
    Hung,
    Listening,
    Ready,
    Refuse,
    Remove,
    Stop,
    Want,
)
from intonaco.infra.settings import ServingSettings

__all__ = ["Supervisor"]

_LOG = logging.getLogger(__name__)
_TICK_S = 0.2
_LOOK_S = 0.2
_BEAT_S = 1.0
_MOVE_S = 0.5
_LOAD_S = 300.0
_FromWorker: Any = Condition | Ready | Failed | Degraded


@define(eq=False)
class Supervisor:
    """The server's own process. One thread does all; `stop` may be called from a signal handler or another thread."""

    settings: ServingSettings
    front: FrontChild
    crew: Crew
    board: Board
    wants: Wants
    mover: SpoolMover
    drain_s: float
    grace_s: float
    on_ready: Callable[[], None]
    slots: dict[str, Slot] = field(factory=dict, init=False)
    _deaths: int = field(default=0, init=False)
    _stopping: bool = field(default=False, init=False)
    _ended: bool = field(default=False, init=False)
    _looked_at: float = field(default=0.0, init=False)
    _beat_at: float = field(default=0.0, init=False)

    def run(self) -> None:
        """Serve until `stop`, then answer what is under way and end all processes."""
        self.front.start()
        moving = threading.Thread(target=self._move, name="ledger", daemon=True)
        moving.start()
        try:
            while not self._stopping:
                self._tick()
            self._drain()
        finally:
            self._stopping = True
            self._end()
            moving.join(self.grace_s)

    def stop(self) -> None:
        """Ask `run` to come to its end."""
        self._stopping = True

    def _tick(self) -> None:
        self._listen(_TICK_S)
        self._reap()
        now = time.monotonic()
        if now - self._looked_at >= _LOOK_S:
            self._looked_at = now
            self._trying(self._look)
        for slot in self.slots.values():
            self._advance(slot, now)
        if now - self._beat_at >= _BEAT_S:
            self._beat_at = now
            self._beat()
        self._trying(lambda: self.board.tell(self.slots))

    def _advance(self, slot: Slot, now: float) -> None:
        """Start what is due, and end what does not come to be ready."""
        if slot.due(now):
            self.crew.start(slot)
            slot.state = slot.state if slot.state == "bad" else "starting"
        if slot.coming is not None and now - slot.coming.started_at > _LOAD_S:
            slot.coming.strike(f"was not ready within {_LOAD_S:g} s")
        slot.settle(now)

    def _beat(self) -> None:
        self._check_memory()
        self.front.order(Gauges(self._measured()))
        self._trying(self.board.beat)

    def _trying(self, act: Callable[[], None]) -> None:
        """Do what needs the catalog; the server goes on without it."""
        try:
            act()
        except UnavailableError as error:
            _LOG.warning("a store does not answer: %s", error)

    def _move(self) -> None:
        """Carry the ledger's spool to the stream, and once more when the workers have ended."""
        while not self._ended:
            time.sleep(_MOVE_S)
            self._trying(self._move_once)
        self._trying(self._move_once)

    def _move_once(self) -> None:
        self.mover.move()

    # -- what is wanted

    def _look(self) -> None:
        """Take over what was changed in the catalog."""
        wanted = self.wants.look()
        if wanted is None:
            return
        for name in self.slots.keys() - wanted.keys():
            self._remove(name)
        for name, each in wanted.items():
            if name not in self.slots:
                self.slots[name] = Slot(each)
                self.front.order(Want(name))
            elif self.slots[name].wanted.generation != each.generation:
                self.slots[name].want(each)

    def _remove(self, name: str) -> None:
        slot = self.slots.pop(name)
        self.front.order(Remove(name))
        slot.abandon()

    # -- what the processes say

    def _listen(self, timeout_s: float) -> None:
        sources: dict[int, Worker | None] = {worker.child.control.fileno(): worker for worker in self.crew}
        sources[self.front.fileno()] = None
        readable, _, _ = select.select(list(sources), [], [], timeout_s)
        for source in readable:
            worker = sources[source]
            if worker is None:
                self._hear_front()
            else:
                self._hear_worker(worker)

    def _hear_front(self) -> None:
        match self.front.hear():
            case Listening():
                self.on_ready()
            case Hung(number) if worker := self.crew.find(number):
                worker.strike(f"hung for {self.settings.deadline_s:g} s")
            case Drained(number) if worker := self.crew.find(number):
                self.crew.slot_of(worker).drained(worker)

    def _hear_worker(self, worker: Worker) -> None:
        message, _ = messages.receive(worker.child.control, _FromWorker)
        slot = self.crew.slot_of(worker)
        match message:
            case Condition(name):
                worker.conditions.append(name)
            case Failed(reason):
                worker.reason = reason
            case Degraded(reason) if slot.current is worker:
                self.front.order(Degraded(reason, worker.endpoint))
            case Ready() if slot.coming is worker:
                self._declare(worker, message.layouts)
                self._switch(slot, worker, message)
            case None:
                self._bury(worker)

    def _declare(self, worker: Worker, layouts: list[str]) -> None:
        try:
            self.board.declare(layouts)
        except UnavailableError as error:
            worker.strike(f"cannot keep its ledger: {error}")

    def _switch(self, slot: Slot, worker: Worker, ready: Ready) -> None:
        self.front.order(Attach(worker.endpoint, worker.number, ready.versions, ready.metadata, ready.paths), (worker.hand_over(),))
        worker.let_go()
        slot.switched()

    # -- who died

    def _reap(self) -> None:
        for worker in self.crew:
            if not worker.child.alive:
                self._bury(worker)
        if not self.front.alive:
            self._restart_front()

    def _bury(self, worker: Worker) -> None:
        slot = self.crew.let_go(worker)
        reason = f"its worker {worker.reason or worker.child.ending}"
        if slot.coming is worker:
            slot.failed(worker.reason or reason)
            if slot.current is None:
                self.front.order(Refuse(worker.endpoint, slot.reason))
        elif slot.current is worker and self.slots.get(worker.endpoint) is slot:
            _LOG.warning("endpoint %s: %s", worker.endpoint, reason)
            self._deaths += 1
            if slot.died(reason):
                self.front.order(Refuse(worker.endpoint, slot.reason))
        elif slot.retiring is worker:
            slot.retiring = None

    def _restart_front(self) -> None:
        """The workers' sockets died with the front end, so all start again."""
        self.crew.kill()
        self.front.start_again()
        for name, slot in self.slots.items():
            self.slots[name] = Slot(slot.wanted)
            self.front.order(Want(name))

    def _check_memory(self) -> None:
        limit = self.settings.memory_limit_mb
        for worker in self.crew:
            if worker.child.anonymous_mb() > limit:
                worker.strike(f"took more than its {limit} MB of memory")

    def _measured(self) -> dict[str, float]:
        """What `/metrics` tells of the processes behind the front end."""
        return {
            "intonaco_workers": len(self.crew),
            "intonaco_worker_deaths_total": self._deaths,
            "intonaco_workers_memory_bytes": self.crew.memory_mb() * 2**20,
            "intonaco_ledger_spooled_bytes": self.mover.waiting_bytes(),
        }

    # -- the end

    def _drain(self) -> None:
        """Not ready first, so that balancers and clients turn away; then no new connections; then what is under way."""
        self.front.order(Drain())
        self._wait(self.drain_s, lambda: False)
        self.front.order(Stop())
        self._wait(self.grace_s, lambda: not self.front.alive)

    def _wait(self, seconds: float, done: Callable[[], bool]) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not done():
            if self.front.alive:
                self._listen(0.02)
            self.crew.forget_dead()

    def _end(self) -> None:
        """End all that still runs."""
        self.front.kill()
        self.crew.kill()
        self._ended = True
        try:
            self.board.leave()
        except IntonacoError as error:
            _LOG.warning("the catalog does not answer: %s", error)
