"""What a server lets the catalog know: that it lives, how its endpoints stand, and what its workers' records hold."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from attrs import define, field

from intonaco.infra.serving.endpoints.states import Server, State, States
from intonaco.infra.serving.ledger.ledger import declare
from intonaco.infra.serving.ledger.ledgerrecords import Layout
from intonaco.infra.serving.server.slots import Slot
from intonaco.infra.serving.server.wanted import FEATURE_DESK

if TYPE_CHECKING:
    from intonaco.infra.workspace import Workspace

__all__ = ["Board"]


@define(eq=False)
class Board:
    """One server's rows of the catalog; every method raises UnavailableError where the catalog does not answer."""

    workspace: "Workspace" = field(repr=False)
    server: Server
    _declared: set[str] = field(factory=set, init=False)

    def beat(self) -> None:
        """The server lives."""
        self._states.beat(self.server)

    def leave(self) -> None:
        """The server has ended."""
        self._states.leave(self.server.server)

    def declare(self, layouts: Iterable[str]) -> None:
        """What the worker's records hold, once for each kind, so that a restart needs no catalog."""
        fresh = set(layouts) - self._declared
        if fresh:
            declare(self.workspace, map(Layout.from_json, fresh))
            self._declared |= fresh

    def tell(self, slots: Mapping[str, Slot]) -> None:
        """What has changed in the endpoints since it was last told."""
        for name, slot in slots.items():
            state = self._state(name, slot)
            if state != slot.told and name != FEATURE_DESK:  # which nobody deployed; the log and readiness tell of it
                self._states.tell(state)
                slot.told = state

    def _state(self, name: str, slot: Slot) -> State:
        worker = slot.coming or slot.current
        return State(
            server=self.server.server,
            project=self.server.project,
            endpoint=name,
            generation=slot.wanted.generation,
            state=slot.state,
            conditions=tuple(worker.conditions) if worker is not None else (),
            reason=slot.reason,
        )

    @property
    def _states(self) -> States:
        return States(self.workspace.catalog)
