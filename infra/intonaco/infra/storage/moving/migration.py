"""Migrations: the steps by which a store moves to another URL while it is written and read."""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import define, evolve, field, frozen

from intonaco.core.errors import ConflictError, InvalidError, UnavailableError
from intonaco.infra.storage.moving.moves import Journal, Move, Phase, journal_of
from intonaco.infra.storage.moving.transfers import Difference, Transfer, transfer_between
from intonaco.infra.storage.moving.watching import HOLD_S, LOOK_S
from intonaco.infra.storage.store import Store

__all__ = ["Comparison", "Migration", "Progress", "alone", "in_time", "told_move"]

#: How long a barrier lasts: writers look at the journal every `LOOK_S`, and a write that takes longer looks again.
BARRIER_S = 2 * LOOK_S
_SHOWN = 20

#: Told what is done: the work, objects and bytes so far.
Progress = Callable[[str, int, int], None]


@frozen(kw_only=True)
class Comparison:
    """How two stores compare.

    Parameters
    ----------
    repaired
        How many of the differences were mended.
    first
        The first few differences.
    """

    equal: int
    repaired: int
    first: tuple[Difference, ...] = ()


@define(eq=False)
class Migration:
    """One store's way from a URL to another; run from one place at a time.

    Parameters
    ----------
    source
        The store that moves, opened for this alone.
    lock
        A file that says that somebody moves the store.
    """

    where: str
    source: Store
    journal: Journal
    open_target: Callable[[str], Store]
    lock: Path
    progress: Progress = field(default=lambda work, objects, size_bytes: None, repr=False)

    def state(self) -> Move | None:
        """The newest step; None if the store does not move."""
        found = self.journal.last()
        return None if found is None or found.phase is Phase.GIVEN_UP else found

    def start(self, target: str) -> Comparison:
        """Let writers write to both where that is needed, copy what is there, and compare; goes on where it was interrupted.

        Raises
        ------
        ConflictError
            The store is on its way to another URL.
        """
        with alone(self.lock, self.where):
            move = self.state()
            if move is not None and (move.target != target or move.phase.reads_target):
                raise ConflictError(f"{self.where} is {told_move(move)}", hint="intonaco migrate status")
            with self.open_target(target) as opened:
                way = transfer_between(self.source, opened)
                if move is None:
                    _refuse_others(way, target)
                    _forget(journal_of(opened, target))
                self._add(Phase.COPYING, target)
                time.sleep(BARRIER_S)
                return self._bring(way)

    def switch(self) -> float:
        """Let the target count: writers wait until both are equal; for how many seconds they did.

        Raises
        ------
        UnavailableError
            What is left to copy takes too long for them to wait; they go on with the source.
        """
        with alone(self.lock, self.where):
            move = self._expected(Phase.COPYING, Phase.HELD)
            with self.open_target(move.target) as opened:
                way = transfer_between(self.source, opened)
                if move.behind or move.phase is Phase.HELD:
                    self._add(Phase.COPYING, move.target)
                    time.sleep(BARRIER_S)
                    self._copy(way)
                return self._pass(way, move.target, Phase.HELD, Phase.SWITCHED, Phase.COPYING)

    def rollback(self) -> float:
        """Let the source count again, with all that was written since the switch; for how many seconds writers waited."""
        with alone(self.lock, self.where):
            move = self._expected(Phase.COPYING, Phase.HELD, Phase.SWITCHED, Phase.HELD_BACK)
            if not move.phase.reads_target:
                self._add(Phase.GIVEN_UP, move.target)
                return 0.0
            with self.open_target(move.target) as opened:
                way = transfer_between(opened, self.source)
                self._copy(way)
                return self._pass(way, move.target, Phase.HELD_BACK, Phase.GIVEN_UP, Phase.SWITCHED)

    def finish(self) -> str:
        """Leave the source for good; the target, which the settings have to name from now on."""
        with alone(self.lock, self.where):
            move = self._expected(Phase.SWITCHED)
            self._add(Phase.FINISHED, move.target)
            return move.target

    def _bring(self, way: Transfer) -> Comparison:
        self._copy(way)
        found, _ = self._compare(way)
        return found

    def _copy(self, way: Transfer) -> None:
        objects = size_bytes = 0
        for more, more_bytes in way.copy():
            objects, size_bytes = objects + more, size_bytes + more_bytes
            self.progress("copied", objects, size_bytes)

    def _compare(self, way: Transfer) -> tuple[Comparison, list[Difference]]:
        """Read both, repair what the target lacks, and keep aside what it has too many, which may be a write on its way."""
        equal, found, aside = 0, list[Difference](), list[Difference]()
        for difference in way.differences():
            if difference is None:
                equal += 1
                self.progress("compared", equal, 0)
            elif difference.kind == "too many":
                aside.append(difference)
            else:
                way.repair(difference)
                found.append(difference)
        return Comparison(equal=equal, repaired=len(found), first=tuple([*found, *aside][:_SHOWN])), aside

    def _pass(self, way: Transfer, target: str, hold: Phase, after: Phase, before: Phase) -> float:
        last = self.journal.last()
        _, aside = self._compare(way)
        begun = time.monotonic()
        held = Move(
            number=(last.number if last else 0) + 1, target=target, phase=hold, at_us=_now_us(), until_us=_now_us() + int(HOLD_S * 1e6)
        )
        self.journal.add(held)  # fails if a write missed one of the two since
        try:
            time.sleep(BARRIER_S)
            self._settle(way, aside, begun + HOLD_S / 2)
            # Fails if somebody did not wait any longer, or if a write missed one of the two.
            self.journal.add(Move(number=held.number + 1, target=target, phase=after, at_us=_now_us()))
        except BaseException:
            self._add(before, target)
            raise
        return time.monotonic() - begun

    def _settle(self, way: Transfer, aside: list[Difference], until: float) -> None:
        """Make both equal while nobody writes; what was compared before is not read again."""
        for _ in way.follow():
            in_time(until)
        for difference in aside:
            in_time(until)
            way.repair(difference)

    def _expected(self, *phases: Phase) -> Move:
        move = self.state()
        if move is None:
            raise InvalidError(f"{self.where} is not on its way", hint="intonaco migrate start STORE URL")
        if move.phase not in phases:
            raise ConflictError(f"{self.where} is {told_move(move)}", hint="intonaco migrate status")
        return move

    def _add(self, phase: Phase, target: str, *, until_us: int = 0) -> Move:
        while True:
            last = self.journal.last()
            move = Move(number=(last.number if last else 0) + 1, target=target, phase=phase, at_us=_now_us(), until_us=until_us)
            try:
                self.journal.add(move)
                return move
            except ConflictError:
                time.sleep(0.01)  # a writer noted that it missed something


@contextmanager
def alone(lock: Path, where: str) -> Iterator[None]:
    """Hold a file for the one process that moves a store; ConflictError if another one does."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(f"another process is moving {where}", hint="intonaco migrate status") from None
        yield


def _refuse_others(way: Transfer, target: str) -> None:
    other = next(way.extra(), None)
    if other is not None:
        raise InvalidError(f"{target} holds something else already: {other}", hint="name an empty store")


def _forget(journal: Journal) -> None:
    """Let a store be moved to that was moved away from before."""
    last = journal.last()
    if last is not None and last.phase is not Phase.GIVEN_UP:
        journal.add(evolve(last, number=last.number + 1, phase=Phase.GIVEN_UP, at_us=_now_us()))


def told_move(move: Move) -> str:
    """How far a move is, as the end of a sentence."""
    return f"on its way to {move.target}: {move.phase}" if move.phase is not Phase.FINISHED else f"moved to {move.target}"


def in_time(until: float) -> None:
    """Raise UnavailableError if writers have waited long enough."""
    if time.monotonic() > until:
        raise UnavailableError("what was left to copy took too long for writers to wait; they go on as before", hint="switch again")


def _now_us() -> int:
    return time.time_ns() // 1000
