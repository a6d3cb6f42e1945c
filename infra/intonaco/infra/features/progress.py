"""How far each view's events have come: watermarks in the catalog, never ahead of what is stored."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import sqlalchemy as sql
from attrs import field, frozen

from intonaco.infra.features.tables import PROGRESS
from intonaco.infra.storage.catalog import Catalog
from intonaco.infra.storage.leases import Lease, Leases

__all__ = ["Mark", "Progress"]

_LEASE_S = 120.0
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
    _holder: str = field(factory=lambda: uuid4().hex)

    @contextmanager
    def alone(self) -> Iterator[Lease]:
        """Hold the right to move the mark; ConflictError if somebody else does."""
        leases = Leases(self.catalog)
        lease = leases.take(f"features/{self.project}/{self.view}@{self.version}/{self.place}", self._holder, _LEASE_S)
        try:
            yield lease
        finally:
            leases.release(lease)

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

    def forget(self) -> None:
        """Set the mark back to the beginning."""
        with self.catalog.transaction() as connection:
            for place in (self.place, self.place + _WISH):
                connection.execute(PROGRESS.delete().where(*self._key(place)))

    def _key(self, place: str) -> tuple[sql.ColumnElement[bool], ...]:
        values = {"project": self.project, "view": self.view, "version": self.version, "place": place}
        return tuple(PROGRESS.c[name] == value for name, value in values.items())

    def _read(self, place: str) -> Mark:
        with self.catalog.read() as connection:
            row = connection.execute(sql.select(PROGRESS).where(*self._key(place))).one_or_none()
        return Mark() if row is None else Mark(**{name: getattr(row, name) for name in _FIELDS})

    def _write(self, lease: Lease, place: str, mark: Mark) -> None:
        values = {name: getattr(mark, name) for name in _FIELDS}
        with self.catalog.transaction() as connection:
            Leases(self.catalog).check(connection, lease)
            connection.execute(PROGRESS.delete().where(*self._key(place)))
            key = {"project": self.project, "view": self.view, "version": self.version, "place": place}
            connection.execute(PROGRESS.insert().values(**key, **values, moved_us=time.time_ns() // 1000))
