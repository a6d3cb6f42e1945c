"""The steps of a catalog's move to another database, which the catalog itself keeps.

Writers take turns, and each looks, within its turn, whether the catalog moves, unless it did so less than a second ago. So a
second after a hold was committed no writer comes through, and whoever then has a turn knows that none is under way.
"""

import time
from collections.abc import Callable

import sqlalchemy as sql
from attrs import define, evolve, field

from intonaco.core.errors import SettingsError
from intonaco.infra.storage.catalog.seals import seal, verify
from intonaco.infra.storage.databases import Database
from intonaco.infra.storage.moving.moves import Move, Phase
from intonaco.infra.storage.moving.watching import LOOK_S
from intonaco.infra.storage.record import MOVES

__all__ = ["Passage", "add_step", "last_step"]

_LAST = sql.select(MOVES).order_by(MOVES.c.number.desc()).limit(1)


def last_step(connection: sql.Connection) -> Move | None:
    """The newest step of the catalog's moves; None if it never moved."""
    row = connection.execute(_LAST).mappings().one_or_none()
    if row is None:
        return None
    verify(row, where="the move of the catalog")
    given = {name: row[name] for name in ("number", "target", "at_us", "until_us")}
    return Move(phase=Phase(row["phase"]), **given)


def add_step(connection: sql.Connection, move: Move) -> None:
    """Add a step as part of a transaction; two of one number conflict."""
    row = {"number": move.number, "target": move.target, "phase": move.phase.value, "at_us": move.at_us, "until_us": move.until_us}
    connection.execute(MOVES.insert().values(**row, seal=seal(row)))


@define(eq=False)
class Passage:
    """Where a catalog's transactions go: to its database, or to the one that it has moved to.

    Parameters
    ----------
    database
        The one that counts.
    """

    database: Database
    open_database: Callable[[str], Database] = field(repr=False)
    _readers: dict[Database, sql.Engine] = field(factory=dict, init=False, repr=False)
    _left: list[Database] = field(factory=list, init=False, repr=False)
    _again_at: float = field(default=0.0, init=False, repr=False)
    _read_again_at: float = field(default=0.0, init=False, repr=False)

    def reader(self, database: Database) -> sql.Engine:
        """The database's engine for readers, made once."""
        if database not in self._readers:
            self._readers[database] = database.engine.execution_options(reads=True)
        return self._readers[database]

    def refuse_if_gone(self, where: str) -> None:
        """Raise SettingsError if the catalog was moved away for good."""
        with self.reader(self.database).connect() as connection:
            move = last_step(connection)
        if move is not None and move.phase is Phase.FINISHED:
            raise SettingsError(f"{where} was moved to {move.target}", hint=f'write catalog = "{move.target}" in intonaco.toml')

    def admits(self, connection: sql.Connection) -> bool:
        """Whether a transaction that has its turn may write; else it ends, and asks again after a moment."""
        if time.monotonic() < self._again_at:
            return True
        move = last_step(connection)
        if move is not None and move.phase.reads_target:
            self._follow(move)
            return False
        if move is not None and move.phase is Phase.HELD:
            if move.until_us > time.time_ns() // 1000:
                return False
            # Nobody ended the hold in time: with this, who holds can pass no more.
            add_step(connection, evolve(move, number=move.number + 1, phase=Phase.COPYING, until_us=0))
        self._again_at = time.monotonic() + LOOK_S
        return True

    def leads_on(self, connection: sql.Connection) -> bool:
        """Whether a reader has to read elsewhere, asked now and then."""
        if time.monotonic() < self._read_again_at:
            return False
        move = last_step(connection)
        if move is not None and move.phase.reads_target:
            self._follow(move)
            return True
        self._read_again_at = time.monotonic() + LOOK_S
        return False

    def close(self) -> None:
        """Close all databases that were passed through."""
        for database in (self.database, *self._left):
            database.close()

    def _follow(self, move: Move) -> None:
        before = self.database
        self.database = self.open_database(move.target)
        self._again_at = self._read_again_at = 0.0
        self._left.append(before)  # others may still use its connections
