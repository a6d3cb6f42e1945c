"""The supervisor: starts the front end and the workers, watches them, and works towards what the catalog wants."""

import itertools
import logging
import select
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define, field

from intonaco.core.errors import IntonacoError, UnavailableError
from intonaco.infra.serving import messages
from intonaco.infra.serving.children import Child, Worker
from intonaco.infra.serving.ledger import declare
from intonaco.infra.serving.ledgerrecords import Layout
from intonaco.infra.serving.messages import (
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
from intonaco.infra.serving.slots import Slot
from intonaco.infra.serving.spoolmover import SpoolMover
from intonaco.infra.serving.states import Server, State, States
from intonaco.infra.serving.wanted import FEATURE_DESK, Wants

if TYPE_CHECKING:
    from intonaco.infra.workspace import Workspace

__all__ = ["Supervisor"]

_LOG = logging.getLogger(__name__)
_TICK_S = 0.2
_LOOK_S = 0.2
_BEAT_S = 1.0
_MOVE_S = 0.5
_FRONT_DEATHS = 5
_LOAD_S = 300.0
_FromFront: Any = Listening | Hung | Drained
_FromWorker: Any = Condition | Ready | Failed | Degraded


@define(eq=False)
class Supervisor:
    """The server's own process. One thread does all; `stop` may be called from a signal handler or another thread."""

    workspace: "Workspace"
    server: Server
    spool: Path
    mover: SpoolMover
    start_front: Callable[[], Child]
    overrides: dict[str, Any]
    drain_s: float
    grace_s: float
    on_ready: Callable[[], None]
    slots: dict[str, Slot] = field(factory=dict, init=False)
    front: Child = field(init=False)
    _declared: set[str] = field(factory=set, init=False)
    _deaths: int = field(default=0, init=False)
    _front_deaths: int = field(default=0, init=False)
    _stopping: bool = field(default=False, init=False)
    _ended: bool = field(default=False, init=False)
    _wants: Wants = field(init=False)
    _looked_at: float = field(default=0.0, init=False)
    _beat_at: float = field(default=0.0, init=False)
    _workers: "dict[int, tuple[Slot, Worker]]" = field(factory=dict, init=False)
    _numbers: "itertools.count[int]" = field(factory=lambda: itertools.count(1), init=False)

    def __attrs_post_init__(self) -> None:
        self._wants = Wants(self.workspace, self.server.project)

    def run(self) -> None:
        """Serve until `stop`, then answer what is under way and end all processes."""
        self.front = self.start_front()
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
            if slot.due(now):
                self._start(slot)
            if slot.coming is not None and now - slot.coming.started_at > _LOAD_S:
                slot.coming.reason = f"was not ready within {_LOAD_S:g} s"
                slot.coming.child.strike()
            slot.settle(now)
        if now - self._beat_at >= _BEAT_S:
            self._beat_at = now
            self._check_memory()
            self._order(Gauges(self._measured()))
            self._trying(lambda: self._states.beat(self.server))
        self._trying(self._tell)

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
        wanted = self._wants.look()
        if wanted is None:
            return
        for name in self.slots.keys() - wanted.keys():
            self._remove(name)
        for name, each in wanted.items():
            if name not in self.slots:
                self.slots[name] = Slot(each)
                self._order(Want(name))
            elif self.slots[name].wanted.generation != each.generation:
                self.slots[name].want(each)

    def _remove(self, name: str) -> None:
        slot = self.slots.pop(name)
        self._order(Remove(name))
        if slot.coming is not None:
            slot.coming.kill()

    def _start(self, slot: Slot) -> None:
        number = next(self._numbers)
        slot.coming = slot.wanted.start(self.workspace, number, self.overrides, self.spool)
        slot.state = slot.state if slot.state == "bad" else "starting"
        self._workers[number] = slot, slot.coming

    # -- what the processes say

    def _listen(self, timeout_s: float) -> None:
        sources: dict[int, Worker | None] = {worker.child.control.fileno(): worker for _, worker in self._workers.values()}
        sources[self.front.control.fileno()] = None
        readable, _, _ = select.select(list(sources), [], [], timeout_s)
        for source in readable:
            worker = sources[source]
            if worker is None:
                self._hear_front()
            else:
                self._hear_worker(worker)

    def _hear_front(self) -> None:
        message, _ = messages.receive(self.front.control, _FromFront)
        match message:
            case Listening():
                self.on_ready()
            case Hung(number) if number in self._workers:
                self._workers[number][1].reason = f"hung for {self.workspace.settings.serving.deadline_s:g} s"
                self._workers[number][1].child.strike()
            case Drained(number) if number in self._workers:
                slot, worker = self._workers[number]
                if slot.current is not None and slot.retiring is worker:
                    slot.current.conditions.append("drained")
            case None:
                self.front.process.wait(10)

    def _hear_worker(self, worker: Worker) -> None:
        message, _ = messages.receive(worker.child.control, _FromWorker)
        slot = self._workers[worker.number][0]
        match message:
            case Condition(name):
                worker.conditions.append(name)
            case Failed(reason):
                worker.reason = reason
            case Degraded(reason) if slot.current is worker:
                self._order(Degraded(reason, worker.endpoint))
            case Ready() if slot.coming is worker:
                self._declare(worker, message.layouts)
                self._switch(slot, worker, message)
            case None:
                self._bury(worker)

    def _declare(self, worker: Worker, layouts: list[str]) -> None:
        """Let the catalog know what the worker's records hold, once for each kind, so that a restart needs no catalog."""
        if not self._declared.issuperset(layouts):
            try:
                declare(self.workspace, map(Layout.from_json, layouts))
                self._declared.update(layouts)
            except UnavailableError as error:
                worker.reason = f"cannot keep its ledger: {error}"
                worker.child.strike()

    def _switch(self, slot: Slot, worker: Worker, ready: Ready) -> None:
        self._order(Attach(worker.endpoint, worker.number, ready.versions, ready.metadata, ready.paths), (worker.hand_over(),))
        worker.let_go()
        slot.switched()

    def _order(self, message: Any, fds: tuple[int, ...] = ()) -> None:
        try:
            messages.send(self.front.control, message, fds)
        except OSError as error:
            _LOG.warning("the front end is gone: %s", error)

    # -- who died

    def _reap(self) -> None:
        for _, worker in list(self._workers.values()):
            if not worker.child.alive:
                self._bury(worker)
        if not self.front.alive:
            self._restart_front()

    def _bury(self, worker: Worker) -> None:
        slot, _ = self._workers.pop(worker.number)
        worker.kill()
        reason = f"its worker {worker.reason or worker.child.ending}"
        if slot.coming is worker:
            slot.failed(worker.reason or reason)
            if slot.current is None:
                self._order(Refuse(worker.endpoint, slot.reason))
        elif slot.current is worker and self.slots.get(worker.endpoint) is slot:
            _LOG.warning("endpoint %s: %s", worker.endpoint, reason)
            self._deaths += 1
            if slot.died(reason):
                self._order(Refuse(worker.endpoint, slot.reason))
        elif slot.retiring is worker:
            slot.retiring = None

    def _restart_front(self) -> None:
        """The workers' sockets died with the front end, so all start again."""
        self._front_deaths += 1
        if self._front_deaths > _FRONT_DEATHS:
            raise UnavailableError(f"the front end {self.front.ending}, {self._front_deaths} times", hint="the log tells why")
        _LOG.error("the front end %s and is started again", self.front.ending)
        self.front.kill()
        for _, worker in self._workers.values():
            worker.kill()
        self._workers.clear()
        self.front = self.start_front()
        for name, slot in self.slots.items():
            self.slots[name] = Slot(slot.wanted)
            self._order(Want(name))

    def _check_memory(self) -> None:
        limit = self.workspace.settings.serving.memory_limit_mb
        for _, worker in list(self._workers.values()):
            if worker.child.anonymous_mb() > limit:
                worker.reason = f"took more than its {limit} MB of memory"
                worker.child.strike()

    # -- what is told

    @property
    def _states(self) -> States:
        return States(self.workspace.catalog)

    def _tell(self) -> None:
        """Write down what has changed since it was last told."""
        for name, slot in self.slots.items():
            if name == FEATURE_DESK:
                continue  # nobody deployed it; the log and readiness tell of it
            worker = slot.coming or slot.current
            conditions = tuple(worker.conditions) if worker is not None else ()
            generation = slot.wanted.generation
            told = (generation, slot.state, conditions, slot.reason)
            if told != slot.told:
                state = State(
                    server=self.server.server,
                    project=self.server.project,
                    endpoint=name,
                    generation=generation,
                    state=slot.state,
                    conditions=conditions,
                    reason=slot.reason,
                )
                self._states.tell(state)
                slot.told = told

    def _measured(self) -> dict[str, float]:
        """What `/metrics` tells of the processes behind the front end."""
        memory = sum(worker.child.anonymous_mb() for _, worker in self._workers.values())
        return {
            "intonaco_workers": len(self._workers),
            "intonaco_worker_deaths_total": self._deaths,
            "intonaco_workers_memory_bytes": memory * 2**20,
            "intonaco_ledger_spooled_bytes": self.mover.waiting_bytes(),
        }

    # -- the end

    def _drain(self) -> None:
        """Not ready first, so that balancers and clients turn away; then no new connections; then what is under way."""
        self._order(Drain())
        self._wait(self.drain_s, lambda: False)
        self._order(Stop())
        self._wait(self.grace_s, lambda: not self.front.alive)

    def _wait(self, seconds: float, done: Callable[[], bool]) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not done():
            if self.front.alive:
                self._listen(0.02)
            self._workers = {number: held for number, held in self._workers.items() if held[1].child.alive}

    def _end(self) -> None:
        """End all that still runs."""
        self.front.kill()
        for _, worker in self._workers.values():
            worker.kill()
        self._ended = True
        try:
            self._states.leave(self.server.server)
        except IntonacoError as error:
            _LOG.warning("the catalog does not answer: %s", error)
