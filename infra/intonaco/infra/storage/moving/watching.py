"""Watching a store's journal: what every process that has the store open does before it writes, and now and then when it reads."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from attrs import define, evolve, field

from intonaco.core.errors import ConflictError, IntonacoError, SettingsError, UnavailableError
from intonaco.infra.storage.moving.moves import Journal, Move, Phase
from intonaco.infra.storage.store import Store

__all__ = ["HOLD_S", "LOOK_S", "WAIT_S", "Watch"]

#: How old what a process knows of a move can be when it begins to write.
LOOK_S = 1.0
#: How long a hold lasts at most; who holds stops a good while before.
HOLD_S = 30.0
#: How long a writer waits for the end of a hold.
WAIT_S = 60.0

S = TypeVar("S", bound=Store)


@define(eq=False)
class Watch(Generic[S]):
    """Which of two stores counts, as the journal said at most `LOOK_S` ago.

    Parameters
    ----------
    open_target
        Opens the store that is moved to, by its URL.
    """

    source: S
    where: str
    journal: Journal
    open_target: Callable[[str], S] = field(repr=False)
    move: Move | None = field(default=None, init=False)
    current: S = field(init=False)
    other: S | None = field(default=None, init=False)
    _found: Move | None = field(default=None, init=False, repr=False)
    _target: tuple[str, S] | None = field(default=None, init=False, repr=False)
    again_at: float = field(default=0.0, init=False, repr=False)
    _turn: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.current = self.source
        found = self.journal.last()
        if found is not None and found.phase is Phase.FINISHED:
            self.close()
            raise SettingsError(f"{self.where} was moved to {found.target}", hint=f'write "{found.target}" in its place in intonaco.toml')
        self.glance()

    def look(self) -> None:
        """Read the journal now."""
        with self._turn:
            begun = time.monotonic()
            self._found = self.journal.last()
            if self._found != self.move:
                self._follow(self._found)
            self.again_at = begun + LOOK_S

    def glance(self) -> None:
        """Read the journal if what is known is old; what does not answer and does not count is no reason not to read on."""
        if time.monotonic() >= self.again_at:
            try:
                self.look()
            except UnavailableError:
                if self._found is not None and self._found.phase.reads_target and self.current is self.source:
                    raise
                self.again_at = time.monotonic() + LOOK_S

    def begin(self) -> Move | None:
        """Wait until writing is allowed and tell under which step it begins."""
        if time.monotonic() >= self.again_at or self._found != self.move:
            self.look()
        until = time.monotonic() + WAIT_S
        while self.move is not None and self.move.phase.holds and self.move.until_us > time.time_ns() // 1000:
            if time.monotonic() > until:
                raise UnavailableError(f"{self.where} is being moved, and its writers wait", hint="try again; see intonaco migrate status")
            time.sleep(0.05)
            self.look()
        if self.move is not None and self.move.phase.holds and self.journal.first_holds:
            self._release(self.move)
        return self.move

    def _release(self, held: Move) -> None:
        """End a hold that was not ended in time, so that who holds can pass no more."""
        back = Phase.COPYING if held.phase is Phase.HELD else Phase.SWITCHED
        try:
            self.journal.add(evolve(held, number=held.number + 1, phase=back, until_us=0, at_us=time.time_ns() // 1000))
        except ConflictError:
            pass  # somebody else did
        self.look()

    def moved_since(self, begun: Move | None) -> bool:
        """Whether another store counts than when a write began that took long, so that it has to be made there too."""
        if time.monotonic() < self.again_at:
            return False
        self.look()
        return _layout(begun) != _layout(self.move) or (self.move is not None and self.move.phase.holds)

    def miss(self) -> None:
        """Note durably, before a write is acknowledged, that the store that does not count has missed it."""
        while self.move is not None and not self.move.behind:
            try:
                self.journal.add(evolve(self.move, number=self.move.number + 1, behind=True, at_us=time.time_ns() // 1000))
            except ConflictError:
                pass
            self.look()

    def close(self) -> None:
        """Close both stores."""
        self.source.close()
        if self._target is not None:
            self._target[1].close()

    def _follow(self, move: Move | None) -> None:
        phase = Phase.GIVEN_UP if move is None else move.phase
        target = self._opened(move.target) if move is not None and phase is not Phase.GIVEN_UP else None
        if target is None:
            self.current, self.other = self.source, None
        elif phase.reads_target:
            self.current, self.other = target, self.source if phase.doubles else None
        else:
            self.current, self.other = self.source, target
        self.move = move

    def _opened(self, url: str) -> S:
        if self._target is None or self._target[0] != url:
            try:
                self._target = (url, self.open_target(url))
            except IntonacoError as error:
                message = f"{self.where} is being moved to {url}, which this process cannot open: {error.message}"
                raise UnavailableError(message, hint=error.hint or "intonaco migrate rollback, or mend it") from error
        return self._target[1]


def _layout(move: Move | None) -> tuple[bool, bool, str]:
    if move is None or move.phase is Phase.GIVEN_UP:
        return False, False, ""
    return move.phase.reads_target, move.phase.doubles, move.target
