"""How far each view's events have come: watermarks in the catalog, never ahead of what is stored."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sql
from attrs import asdict, frozen

from intonaco.infra.features.recorded.turns import Turn
from intonaco.infra.features.tables import PIECES, PROGRESS
from intonaco.infra.storage.catalog.catalog import Catalog
from intonaco.infra.storage.catalog.leases import Lease, Leases
from intonaco.infra.storage.catalog.seals import seal, verify

__all__ = ["Mark", "Piece", "Progress"]

#: Before a mark is moved the wish to move it is recorded, so that after a crash the same rows are chosen again.
_WISH = ":wish"


@frozen(kw_only=True)
class Mark:
    """Rows of a version of the source whose event times lie before a moment, and the number of the last piece that was stored."""

    source_version: int = -1
    source_rows: int = 0
    until_us: int = -(2**63)
    sequence: int = 0


@frozen(kw_only=True)
class Piece:
    """A part of a move: rows or offsets `done` to `end` are being stored under `sequence`; all before `done` are."""

    done: int
    end: int
    sequence: int


@frozen
class Progress:
    """The marks of one version of a view at one place: its `hops`, or `online`."""

    catalog: Catalog
    project: str
    view: str
    version: int
    place: str

    @property
    def turn(self) -> "Turn":
        """The right to write here."""
        return Turn(self.catalog, f"features/{self.project}/{self.view}@{self.version}/{self.place}")

    @contextmanager
    def alone(self) -> Iterator[Lease]:
        """Hold the right to move the mark; ConflictError if another process does."""
        turn = self.turn
        lease = turn.hold()
        try:
            yield lease
        finally:
            turn.release()

    def mark(self) -> Mark:
        """How far it is done."""
        return self._mark(self.place) or Mark()

    def unfinished(self) -> Mark | None:
        """A move that was begun and not finished, if there is one."""
        wish = self._mark(self.place + _WISH)
        return wish if wish is not None and wish.sequence > self.mark().sequence else None

    def piece(self) -> Piece | None:
        """The piece of the unfinished move that was begun last; None before the first."""
        row = self._row(PIECES, self.place)
        return None if row is None else Piece(done=row["done"], end=row["end"], sequence=row["sequence"])

    def begin(self, lease: Lease, mark: Mark) -> None:
        """Record where the mark is to move."""
        with self.moving(lease) as connection:
            self.wish(connection, mark)

    def wish(self, connection: sql.Connection, mark: Mark) -> None:
        """Record where the mark is to move, as part of a transaction that checks the lease."""
        self._write(connection, PROGRESS, self.place + _WISH, asdict(mark))

    def step(self, lease: Lease, piece: Piece) -> None:
        """Record that all before this piece is stored, and that it is the next."""
        with self.moving(lease) as connection:
            self.note(connection, piece)

    def note(self, connection: sql.Connection, piece: Piece) -> None:
        """Record a piece as part of a transaction that checks the lease."""
        self._write(connection, PIECES, self.place, asdict(piece))

    def finish(self, lease: Lease, mark: Mark) -> None:
        """Record that it has moved."""
        with self.moving(lease) as connection:
            self.settle(connection, mark)

    def settle(self, connection: sql.Connection, mark: Mark) -> None:
        """Record that it has moved, as part of a transaction that checks the lease."""
        self._write(connection, PROGRESS, self.place, asdict(mark))
        connection.execute(PIECES.delete().where(*self._key(PIECES, self.place)))

    def forget(self, *places: str) -> None:
        """Set the marks of this and other places of the view back to the beginning, all or none."""
        with self.catalog.transaction() as connection:
            self.drop(connection, *places)

    def drop(self, connection: sql.Connection, *places: str) -> None:
        """Set marks back to the beginning, as part of a transaction."""
        for place in (self.place, *places):
            connection.execute(PIECES.delete().where(*self._key(PIECES, place)))
            for each in (place, place + _WISH):
                connection.execute(PROGRESS.delete().where(*self._key(PROGRESS, each)))

    def check(self, connection: sql.Connection, lease: Lease) -> None:
        """Raise ConflictError if somebody else has the lease by now."""
        Leases(self.catalog).check(connection, lease)

    @contextmanager
    def moving(self, lease: Lease) -> Iterator[sql.Connection]:
        """A transaction that only the newest holder of the lease can commit."""
        with self.catalog.transaction() as connection:
            Leases(self.catalog).check(connection, lease)
            yield connection

    def _values(self, place: str) -> dict[str, str | int]:
        return {"project": self.project, "view": self.view, "version": self.version, "place": place}

    def _key(self, table: sql.Table, place: str) -> tuple[sql.ColumnElement[bool], ...]:
        return tuple(table.c[name] == value for name, value in self._values(place).items())

    def _row(self, table: sql.Table, place: str) -> Mapping[Any, Any] | None:
        with self.catalog.read() as connection:
            row = connection.execute(sql.select(table).where(*self._key(table, place))).mappings().one_or_none()
        if row is not None:
            verify(row, where="the progress of a feature view")
        return row

    def _mark(self, place: str) -> Mark | None:
        row = self._row(PROGRESS, place)
        return None if row is None else Mark(**{name: row[name] for name in asdict(Mark())})

    def _write(self, connection: sql.Connection, table: sql.Table, place: str, given: Mapping[str, Any]) -> None:
        row = {**self._values(place), **given, "moved_us": time.time_ns() // 1000}
        connection.execute(table.delete().where(*self._key(table, place)))
        connection.execute(table.insert().values(**row, seal=seal(row)))
