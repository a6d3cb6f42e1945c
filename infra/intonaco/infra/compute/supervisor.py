"""The thread of the engine `local`: it starts workers, watches them, and settles what is waited for."""

import math
import os
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from pathlib import Path
from typing import Any

from attrs import define, field

from intonaco.core import telemetry
from intonaco.core.errors import DeadlineError, IntonacoError, UnavailableError
from intonaco.infra.compute.frames import error_from_frame
from intonaco.infra.compute.tasks import Call, Progress
from intonaco.infra.compute.workers import Worker

__all__ = ["Supervisor", "Task"]

_START_TIMEOUT_S = 60.0
_MEMORY_CHECK_S = 0.05


@define(eq=False)
class Task:
    """A submitted call and where it stands; `cancelled` is set from outside, the rest is the supervisor's."""

    call: Call
    future: "Future[Any]" = field(factory=Future, repr=False)
    cancelled: bool = False
    attempts: int = 0
    worker: Worker | None = None
    until: float = math.inf

    def settle(self, result: Any = None, error: BaseException | None = None) -> None:
        """Let those who wait go on, unless they do already."""
        with suppress(InvalidStateError):
            self.future.set_exception(error) if error is not None else self.future.set_result(result)


@define(eq=False)
class Supervisor:
    """Runs tasks in workers; `add`, `wake`, `start` and `close` may be called from any thread, the rest runs in its own."""

    cpus: float
    environ: dict[str, str] = field(repr=False)
    log: Path
    listener: Callable[[Progress], None] | None = field(default=None, init=False, repr=False)
    _added: deque[Task] = field(factory=deque, init=False, repr=False)
    _waiting: deque[Task] = field(factory=deque, init=False, repr=False)
    _running: dict[Worker, Task] = field(factory=dict, init=False, repr=False)
    _idle: list[Worker] = field(factory=list, init=False, repr=False)
    _selector: selectors.BaseSelector = field(factory=selectors.DefaultSelector, init=False, repr=False)
    _alarm: tuple[int, int] = field(factory=os.pipe, init=False, repr=False)
    _thread: threading.Thread | None = field(default=None, init=False, repr=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)
    _closed: bool = field(default=False, init=False)

    def add(self, task: Task) -> None:
        """Take a task on; UnavailableError after `close`."""
        with self._lock:
            if self._closed:
                raise UnavailableError(f"{task.call.function} cannot start: the task engine is closed")
            self._added.append(task)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="intonaco-tasks", daemon=True)
                self._thread.start()
        self.wake()

    def wake(self) -> None:
        """Let the thread look at what changed."""
        with suppress(OSError):
            os.write(self._alarm[1], b"!")

    def close(self) -> None:
        """Kill all workers, settle all tasks, and wait until that is done; a second call does nothing."""
        with self._lock:
            if self._closed and self._thread is None:
                return
            self._closed = True
        self.wake()
        if self._thread is not None:
            self._thread.join(timeout=60)
            self._thread = None
        self._selector.close()
        for end in self._alarm:
            os.close(end)

    def _watch(self) -> None:
        self._selector.register(self._alarm[0], selectors.EVENT_READ)
        try:
            while not self._closed:
                self._advance()
                for key, events in self._selector.select(self._patience()):
                    self._attend(key.data, events) if key.data is not None else os.read(self._alarm[0], 4096)
        finally:
            self._end()

    def _advance(self) -> None:
        while self._added:
            self._waiting.append(self._added.popleft())
        for task in [*self._running.values(), *self._waiting]:
            if task.cancelled:
                self._stop(task, UnavailableError(f"{task.call.function} was cancelled"))
        self._check_limits()
        while self._waiting and self._free() >= self._waiting[0].call.resources.cpu:
            self._start(self._waiting.popleft())

    def _free(self) -> float:
        return self.cpus - sum(task.call.resources.cpu for task in self._running.values())

    def _patience(self) -> float | None:
        """How long nothing needs to be looked at."""
        if any(task.call.resources.memory_mb for task in self._running.values()):
            return _MEMORY_CHECK_S
        first = min((task.until for task in self._running.values()), default=math.inf)
        return None if first == math.inf else max(0.0, first - time.monotonic())

    def _check_limits(self) -> None:
        now = time.monotonic()
        for worker, task in list(self._running.items()):
            limit = task.call.resources.memory_mb
            if now >= task.until:
                self._stop(task, DeadlineError(f"{task.call.function} {self._late(worker, task)} and was killed"))
            elif limit and worker.ready and worker.resident_bytes() > limit * 1024 * 1024:
                self._stop(
                    task, UnavailableError(f"{task.call.function} ran out of memory: it passed its limit of {limit} MB and was killed")
                )

    def _late(self, worker: Worker, task: Task) -> str:
        return f"took longer than {task.call.timeout_s:g} s" if worker.ready else f"waited {_START_TIMEOUT_S:g} s for its process to start"

    def _start(self, task: Task) -> None:
        task.attempts += 1
        try:
            worker = self._take_worker(max(1, int(task.call.resources.cpu)))
        except OSError as error:
            task.settle(error=UnavailableError(f"{task.call.function}: no process can be started: {error}"))
            return
        task.worker = worker
        self._running[worker] = task
        worker.send({"function": task.call.function, "arguments": dict(task.call.arguments)})
        self._set_deadline(worker, task)
        self._look_at(worker)

    def _set_deadline(self, worker: Worker, task: Task) -> None:
        task.until = time.monotonic() + (task.call.timeout_s if worker.ready else _START_TIMEOUT_S)

    def _take_worker(self, threads: int) -> Worker:
        for worker in self._idle:
            if worker.threads == threads:
                self._idle.remove(worker)
                return worker
        if len(self._idle) + len(self._running) >= self.cpus and self._idle:
            self._discard(self._idle.pop(0))
        worker = Worker.start(threads, self.environ, self.log)
        self._selector.register(worker.link, selectors.EVENT_READ, worker)
        return worker

    def _look_at(self, worker: Worker) -> None:
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.has_unsent else 0)
        self._selector.modify(worker.link, wanted, worker)

    def _attend(self, worker: Worker, events: int) -> None:
        if worker.link.fileno() < 0:  # discarded while an earlier event was looked at
            return
        try:
            for message in worker.messages() if events & selectors.EVENT_READ else ():
                self._hear(worker, message)
            worker.flush()
            self._look_at(worker)
        except EOFError:
            self._bury(worker)

    def _hear(self, worker: Worker, message: dict[str, Any]) -> None:
        task = self._running.get(worker)
        if "ready" in message:
            worker.ready = True
            if task is not None:
                self._set_deadline(worker, task)
        elif task is not None and "progress" in message:
            self._report(task, *message["progress"])
        elif task is not None:
            del self._running[worker]
            self._idle.append(worker)
            self._conclude(task, message)

    def _report(self, task: Task, done: float, total: float, note: str) -> None:
        if self.listener is not None:
            with suppress(Exception):  # a listener that fails must not end the tasks
                self.listener(Progress(function=task.call.function, done=done, total=total, note=note))

    def _conclude(self, task: Task, message: dict[str, Any]) -> None:
        if "result" in message:
            task.settle(message["result"])
            return
        error = error_from_frame(message["error"], str(self.log))
        self._retry(task, error) if isinstance(error, UnavailableError) else task.settle(error=error)

    def _bury(self, worker: Worker) -> None:
        """Tell what became of a worker that is gone."""
        task = self._running.pop(worker, None)
        if worker in self._idle:
            self._idle.remove(worker)
        reason = worker.death()
        self._discard(worker)
        if task is not None:
            what = (
                f"the process of {task.call.function} {reason}"
                if worker.ready
                else f"the process for {task.call.function} could not start: it {reason}"
            )
            self._retry(task, UnavailableError(what, hint=f"see {self.log}"))

    def _retry(self, task: Task, error: UnavailableError) -> None:
        if task.attempts > task.call.retries:
            task.settle(error=error)
        else:
            telemetry.count("task_retries", function=task.call.function)
            task.worker, task.until = None, math.inf
            self._waiting.appendleft(task)

    def _stop(self, task: Task, error: IntonacoError) -> None:
        if task.worker is not None:
            self._running.pop(task.worker, None)
            self._discard(task.worker)
        else:
            self._waiting.remove(task)
        task.settle(error=error)

    def _discard(self, worker: Worker) -> None:
        with suppress(KeyError, ValueError):
            self._selector.unregister(worker.link)
        worker.kill()

    def _end(self) -> None:
        with self._lock:
            self._closed = True
        for task in [*self._added, *self._waiting, *self._running.values()]:
            task.settle(error=UnavailableError(f"{task.call.function} was stopped: the task engine is closed"))
        for worker in [*self._running, *self._idle]:
            self._discard(worker)
