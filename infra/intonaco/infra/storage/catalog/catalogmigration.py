"""How the catalog moves to another database: copied while it is used, then in a short stop of its writers what changed since.

Rows cannot be written to two databases in one transaction, so nothing is written twice: the stop is measured instead, and
bounded. After the switch the old catalog leads to the new one, until the settings name it.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import define, field

from intonaco.core.errors import ConflictError, InvalidError
from intonaco.core.urls import StoreUrl
from intonaco.infra.storage.catalog.catalogcopy import Synced, sync_table, tables_of, unknown_tables
from intonaco.infra.storage.catalog.catalogmoves import add_step, last_step
from intonaco.infra.storage.databases import Database, explained
from intonaco.infra.storage.moving.migration import BARRIER_S, Comparison, Progress, alone, in_time, told_move
from intonaco.infra.storage.moving.moves import Move, Phase, url_text
from intonaco.infra.storage.moving.watching import HOLD_S
from intonaco.infra.storage.rooms import Room

__all__ = ["CatalogMigration"]


@define(eq=False)
class CatalogMigration:
    """The catalog's way from one database to another; the verbs are those of `Migration`.

    Parameters
    ----------
    url
        What the settings name; as text if it can be written down as it is.
    open_database
        Opens a database that has the tables of all rooms, making them if need be.
    """

    where: str
    url: StoreUrl | str
    source: Database
    rooms: Sequence[Room]
    open_database: Callable[[str], Database]
    lock: Path
    progress: Progress = field(default=lambda work, objects, size_bytes: None, repr=False)

    @property
    def _written(self) -> str:
        """What the settings name, as a move writes it down; InvalidError if it has a password."""
        return self.url if isinstance(self.url, str) else url_text(self.url)

    def state(self) -> Move | None:
        """The newest step; None if the catalog does not move."""
        found = self._last(self.source)
        return None if found is None or found.phase is Phase.GIVEN_UP else found

    def start(self, target: str) -> Comparison:
        """Copy what is there; goes on where it was interrupted."""
        written = self._written
        with alone(self.lock, self.where), explained(self.source, self.where):
            move = self.state()
            if move is not None and (move.target != target or move.phase.reads_target):
                raise ConflictError(f"{self.where} is {told_move(move)}", hint="intonaco migrate status")
            strange = unknown_tables(self.source, self.rooms)
            if strange:
                message = f"{self.where} has tables of a room that is not installed here: {', '.join(strange)}"
                raise InvalidError(message, hint="install the plugin that they belong to")
            with self.open_database(target) as opened:
                if move is None:
                    self._refuse_others(opened, target)
                    self._step(opened, Phase.GIVEN_UP, written)
                self._step(self.source, Phase.COPYING, target)
                return self._sync(self.source, opened)

    def switch(self) -> float:
        """Let the target count: writers wait until both are equal; for how many seconds they did."""
        with alone(self.lock, self.where):
            move = self._expected(Phase.COPYING, Phase.HELD)
            with self.open_database(move.target) as opened:
                return self._pass(self.source, opened, move.target)

    def rollback(self) -> float:
        """Let the source count again, with all that was written since the switch; for how many seconds writers waited."""
        with alone(self.lock, self.where):
            move = self._expected(Phase.COPYING, Phase.HELD, Phase.SWITCHED)
            if not move.phase.reads_target:
                self._step(self.source, Phase.GIVEN_UP, move.target)
                return 0.0
            with self.open_database(move.target) as opened:
                return self._pass(opened, self.source, self._written)

    def finish(self) -> str:
        """Leave the source for good; the target, which the settings have to name from now on."""
        with alone(self.lock, self.where):
            move = self._expected(Phase.SWITCHED)
            self._step(self.source, Phase.FINISHED, move.target)
            return move.target

    def _pass(self, source: Database, target: Database, url: str) -> float:
        """Copy, hold, copy the rest, and lead from one to the other."""
        self._sync(source, target)
        held = self._step(source, Phase.HELD, url, until_us=_now_us() + int(HOLD_S * 1e6))
        begun = time.monotonic()
        try:
            time.sleep(BARRIER_S / 2)
            with source.engine.begin():
                pass  # who had a turn before has ended it
            self._sync(source, target, begun + HOLD_S / 2)
            if self._sync(source, target, begun + HOLD_S / 2).repaired:
                raise ConflictError(f"{self.where} was written while it was held", hint="switch again")
            self._step(target, Phase.GIVEN_UP, self._written)
            self._step(source, Phase.SWITCHED, url, number=held.number + 1)  # conflicts if somebody did not wait any longer
        except BaseException:
            self._step(source, Phase.COPYING, url)
            raise
        return time.monotonic() - begun

    def _sync(self, source: Database, target: Database, until: float | None = None) -> Comparison:
        equal = changed = 0
        with source.engine.execution_options(reads=True).connect() as connection:
            for table in tables_of(self.rooms):

                def tell(done: Synced, before: int = equal + changed) -> None:
                    self.progress("rows", before + done.equal + done.written, 0)
                    if until is not None:
                        in_time(until)

                done = sync_table(table, connection, target, tell)
                equal, changed = equal + done.equal, changed + done.written + done.removed
        return Comparison(equal=equal, repaired=changed)

    def _refuse_others(self, target: Database, url: str) -> None:
        """A database that was filled from here before may be filled again, another one has to be empty."""
        last = self._last(target)
        if last is not None and last.target == self._written:
            return
        with target.engine.execution_options(reads=True).connect() as connection:
            for table in tables_of(self.rooms):
                if connection.execute(table.select().limit(1)).first() is not None:
                    raise InvalidError(f"{url} holds something else already: {table.name}", hint="name an empty database or schema")

    def _expected(self, *phases: Phase) -> Move:
        move = self.state()
        if move is None:
            raise InvalidError(f"{self.where} is not on its way", hint="intonaco migrate start catalog URL")
        if move.phase not in phases:
            raise ConflictError(f"{self.where} is {told_move(move)}", hint="intonaco migrate status")
        return move

    def _last(self, database: Database) -> Move | None:
        with explained(database, self.where), database.engine.execution_options(reads=True).connect() as connection:
            return last_step(connection)

    def _step(self, database: Database, phase: Phase, target: str, *, until_us: int = 0, number: int = 0) -> Move:
        with explained(database, self.where), database.engine.begin() as connection:
            last = last_step(connection)
            number = number or (last.number if last else 0) + 1
            move = Move(number=number, target=target, phase=phase, at_us=_now_us(), until_us=until_us)
            add_step(connection, move)
            return move


def _now_us() -> int:
    return time.time_ns() // 1000
