"""Tasks: calls of named functions in other processes."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

from attrs import field, frozen

__all__ = ["Call", "Progress", "Resources", "SupportsProgress", "TaskEngine", "Ticket", "map_calls", "report_progress", "reporting_to"]


@frozen(kw_only=True)
class Resources:
    """What a task needs; the engine starts it when that much is free."""

    cpu: float = 1.0
    gpu: float = 0.0
    memory_mb: int | None = None


@frozen(kw_only=True)
class Call:
    """A call of a function that any process can import.

    Parameters
    ----------
    function
        Import path `package.module:name`.
    arguments
        Plain values (None, bool, int, float, str, bytes, list, dict); anything larger travels as a reference to an artifact.
    retries
        How often to try again after a crash or an error that is worth it (UnavailableError).
    timeout_s
        The process is killed after this time.
    """

    function: str
    arguments: Mapping[str, Any] = field(factory=dict)
    resources: Resources = Resources()
    retries: int = 0
    timeout_s: float = 3600.0


class Ticket(ABC):
    """A submitted call."""

    __slots__ = ()

    @abstractmethod
    def result(self, timeout_s: float | None = None) -> Any:
        """Wait for the plain value that the function returned.

        Raises
        ------
        IntonacoError
            The kind that the function raised, with its message.
        UnavailableError
            The process died (the message names the signal) or its memory limit was passed.
        DeadlineError
            The call took longer than its `timeout_s`, or `timeout_s` of this wait is over.
        """

    @abstractmethod
    def cancel(self) -> None:
        """Stop it, by killing its process if need be; `result` then raises UnavailableError."""


class TaskEngine(ABC):
    """Runs calls in other processes, started fresh, never forked.

    The workers reopen what they need by its URL, write artifacts, and return plain values; nothing is pickled.
    """

    __slots__ = ()

    @abstractmethod
    def submit(self, call: Call) -> Ticket:
        """Start the call when its resources are free."""

    @abstractmethod
    def close(self) -> None:
        """Kill what still runs; a second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def map_calls(engine: TaskEngine, calls: Sequence[Call]) -> list[Any]:
    """The results of all calls, in their order; the first failure cancels the rest."""
    tickets = [engine.submit(call) for call in calls]
    try:
        return [ticket.result() for ticket in tickets]
    except BaseException:
        for ticket in tickets:
            ticket.cancel()
        raise


@frozen(kw_only=True)
class Progress:
    """How far a task is: `done` of `total` (0 if that is not known)."""

    function: str
    done: float
    total: float
    note: str


@runtime_checkable
class SupportsProgress(Protocol):
    """A task engine that passes on what its tasks report."""

    def listen(self, listener: Callable[[Progress], None] | None) -> None:
        """Call `listener`, from any thread, with each report from now on; None ends it."""


_reporter: ContextVar[Callable[[float, float, str], None] | None] = ContextVar("reporter", default=None)


def report_progress(done: float, total: float = 0, note: str = "") -> None:
    """Tell whoever started the task how far it is; outside a task nobody is told."""
    reporter = _reporter.get()
    if reporter is not None:
        reporter(done, total, note)


@contextmanager
def reporting_to(reporter: Callable[[float, float, str], None]) -> Iterator[None]:
    """Pass what is reported inside the context to `reporter(done, total, note)`."""
    token = _reporter.set(reporter)
    try:
        yield
    finally:
        _reporter.reset(token)
