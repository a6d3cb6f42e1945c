"""How far each view's events have come: watermarks in the catalog, never ahead of what is stored."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sql
from attrs import frozen

from intonaco.infra.features.tables import PROGRESS
from intonaco.infra.features.turns import Turn
from intonaco.infra.storage.catalog import Catalog
from intonaco.infra.storage.leases import Lease, Leases
from intonaco.infra.storage.seals import seal, verify

__all__ = ["Mark", "Progress"]

_FIELDS = ("source_version", "source_rows", "until_us", "sequence")
#: Before a mark is moved the wish to move it is recorded, so that after a crash the same rows are chosen again.
_WISH = ":wish"


@frozen(kw_only=True)
class Mark:
    """Rows of a version of the source whose event times lie before a moment, and the number of the move that reached it."""

    source_version: int = -1
    source_rows: int = 0
    until_us: int = -(2**63)
    sequence: int = 0


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
        return self._read(self.place)

    def unfinished(self) -> Mark | None:
        """A move that was begun and not finished, if there is one."""
        wish = self._read(self.place + _WISH)
        return wish if wish.sequence > self.mark().sequence else None

    def begin(self, lease: Lease, mark: Mark) -> None:
        """Record where the mark is to move."""
        self._write(lease, self.place + _WISH, mark)

    def finish(self, lease: Lease, mark: Mark) -> None:
        """Record that it has moved."""
        self._write(lease, self.place, mark)

    def forget(self, *places: str) -> None:
        """Set the marks of this and other places of the view back to the beginning, all or none."""
        with self.catalog.transaction() as connection:
            for place in (self.place, *places):
                for each in (place, place + _WISH):
                    connection.execute(PROGRESS.delete().where(*self._key(each)))

    def _key(self, place: str) -> tuple[sql.ColumnElement[bool], ...]:
        values = {"project": self.project, "view": self.view, "version": self.version, "place": place}
        return tuple(PROGRESS.c[name] == value for name, value in values.items())

    def _read(self, place: str) -> Mark:
        with self.catalog.read() as connection:
            row = connection.execute(sql.select(PROGRESS).where(*self._key(place))).mappings().one_or_none()
        if row is None:
            return Mark()
        verify(row, where="the progress of a feature view")
        return Mark(**{name: row[name] for name in _FIELDS})

    def _write(self, lease: Lease, place: str, mark: Mark) -> None:
        row: dict[str, str | int] = {"project": self.project, "view": self.view, "version": self.version, "place": place}
        row |= {name: getattr(mark, name) for name in _FIELDS} | {"moved_us": time.time_ns() // 1000}
        with self.catalog.transaction() as connection:
            Leases(self.catalog).check(connection, lease)
            connection.execute(PROGRESS.delete().where(*self._key(place)))
            connection.execute(PROGRESS.insert().values(**row, seal=seal(row)))
