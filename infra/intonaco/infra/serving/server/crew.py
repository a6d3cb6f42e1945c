"""The crew: all workers of a server that run, each with the slot for which it was started."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define, field

from intonaco.infra.serving.server.children import Worker
from intonaco.infra.serving.server.slots import Slot

if TYPE_CHECKING:
    from intonaco.infra.workspace import Workspace

__all__ = ["Crew"]


@define(eq=False)
class Crew:
    """Workers by number; a number is never given twice. One that died belongs to it until it is let go."""

    workspace: "Workspace" = field(repr=False)
    overrides: dict[str, Any] = field(repr=False)
    spool: Path
    _held: dict[int, tuple[Slot, Worker]] = field(factory=dict, init=False)
    _numbers: "itertools.count[int]" = field(factory=lambda: itertools.count(1), init=False, repr=False)

    def __iter__(self) -> Iterator[Worker]:
        return iter([worker for _, worker in self._held.values()])

    def __len__(self) -> int:
        return len(self._held)

    def start(self, slot: Slot) -> None:
        """Start a worker that comes to a slot."""
        number = next(self._numbers)
        slot.coming = slot.wanted.start(self.workspace, number, self.overrides, self.spool)
        self._held[number] = slot, slot.coming

    def find(self, number: int) -> Worker | None:
        """The worker of a number, if it is still there."""
        held = self._held.get(number)
        return None if held is None else held[1]

    def slot_of(self, worker: Worker) -> Slot:
        """For what it was started."""
        return self._held[worker.number][0]

    def let_go(self, worker: Worker) -> Slot:
        """End it, and tell for what it was started."""
        slot, _ = self._held.pop(worker.number)
        worker.kill()
        return slot

    def forget_dead(self) -> None:
        """Leave out those that have ended."""
        self._held = {number: held for number, held in self._held.items() if held[1].child.alive}

    def kill(self) -> None:
        """End all of them now."""
        for worker in self:
            worker.kill()
        self._held.clear()

    def memory_mb(self) -> float:
        """The memory that is their own."""
        return sum(worker.child.anonymous_mb() for worker in self)
