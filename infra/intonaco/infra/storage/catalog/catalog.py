"""The catalog: one relational database in which each room of the system owns tables."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import sqlalchemy as sql
from attrs import define, frozen

from intonaco.core.errors import CorruptError, UnavailableError
from intonaco.core.plugins import Plugins
from intonaco.core.urls import StoreUrl
from intonaco.infra.storage import record
from intonaco.infra.storage.catalog import upgrades
from intonaco.infra.storage.catalog.catalogmoves import Passage
from intonaco.infra.storage.catalog.seals import seal, verify
from intonaco.infra.storage.databases import Database, explained
from intonaco.infra.storage.moving.watching import WAIT_S
from intonaco.infra.storage.rooms import Room
from intonaco.infra.storage.store import as_url

__all__ = ["Catalog", "Change", "Room"]

_LAST_CHANGE = sql.select(sql.func.max(record.CHANGES.c.number))


@frozen(kw_only=True)
class Change:
    """Something happened to a subject, in the order of commits."""

    number: int
    topic: str
    subject: str
    at_us: int


@define(eq=False)
class Catalog:
    """One relational database shared by all rooms; plugins offer kinds of databases through the hook `catalog_databases`.

    Every method may be called from any thread, and the same URL may be open in many processes; a connection belongs to the
    thread that asked for it, until its context ends. Commits are durable when `transaction` is left. Statements that break
    a constraint raise ConflictError, a database that is locked, full or gone UnavailableError, a damaged one CorruptError.
    """

    where: str
    rooms: tuple[Room, ...]
    _passage: Passage

    @classmethod
    def open(cls, url: StoreUrl | str, rooms: Sequence[Room] = (), plugins: Plugins | None = None, *, gone_too: bool = False) -> Self:
        """Open, and make or migrate as needed, the catalog behind `sqlite:PATH` or `postgresql://...`.

        Parameters
        ----------
        plugins
            Those that offer databases; all that are installed if not given.
        gone_too
            Open it even if it was moved away for good, as only who moves it does.

        Raises
        ------
        NotRegisteredError, SettingsError
            No plugin offers such a database, or the URL holds something that it does not know.
        InvalidError
            A newer version of a room has been here; the database stays as it is.
        CorruptError, UnavailableError
            The database is damaged, or cannot be reached or written.
        """
        url = as_url(url)
        found = plugins or Plugins.discover()

        def opened(target: StoreUrl | str) -> Database:
            database: Database = found.load("catalog_databases", as_url(target).scheme, "database for a catalog").open(target)
            return database

        known = {room.name: room for room in (record.ROOM, *rooms)}
        catalog = cls(f"the catalog {url}", tuple(known.values()), Passage(opened(url), opened))
        try:
            catalog.migrate()
            if not gone_too:
                catalog._passage.refuse_if_gone(catalog.where)
        except BaseException:
            catalog.close()
            raise
        return catalog

    @property
    def database(self) -> Database:
        """Where it is kept; another one after it was moved."""
        return self._passage.database

    def migrate(self) -> list[str]:
        """Run the migrations that are missing, all or none; the rooms that were migrated, usually none."""
        with self._reading(self.database) as connection:
            seen = upgrades.recorded(connection)
            wrong = self.database.damage(connection, quick=True)
        if wrong:
            raise CorruptError(f"{self.where} is damaged: {wrong[0]}", hint="restore the file from a copy; see intonaco fsck")
        upgrades.refuse_newer(seen, self.rooms, self.where)
        if upgrades.is_current(seen, self.rooms):
            return []
        with explained(self.database, self.where):
            self.database.prepare()
        with self._writing(self.database) as (connection, _):
            return self._upgrade(connection)

    def _upgrade(self, connection: sql.Connection) -> list[str]:
        seen = upgrades.recorded(connection)  # again: somebody else may have been first
        upgrades.refuse_newer(seen, self.rooms, self.where)
        behind = [room.name for room in self.rooms if room.head not in seen]
        if behind:
            upgrades.upgrade(connection, self.rooms)
        return behind

    @contextmanager
    def transaction(self) -> Iterator[sql.Connection]:
        """A connection to write with: committed and durable at the end of the context, rolled back on an error.

        Writers take turns, each waiting up to 30 s, so that what one reads holds until it commits; keep it short, and do not
        open one inside another.
        """
        until = time.monotonic() + WAIT_S
        while True:
            database = self.database
            with self._writing(database) as (connection, begun):
                if self._passage.admits(connection):
                    yield connection
                    return self._commit(database, connection, begun)
            if database is self.database:
                if time.monotonic() > until:
                    raise UnavailableError(
                        f"{self.where} is being moved, and its writers wait", hint="try again; see intonaco migrate status"
                    )
                time.sleep(0.05)

    @contextmanager
    def _writing(self, database: Database) -> Iterator[tuple[sql.Connection, sql.RootTransaction]]:
        with explained(database, self.where), database.engine.connect() as connection, connection.begin() as begun:
            yield connection, begun

    def _commit(self, database: Database, connection: sql.Connection, begun: sql.RootTransaction) -> None:
        try:
            begun.commit()
        except sql.exc.DBAPIError as error:
            if not error.connection_invalidated:
                raise
            committed = database.committed(connection)
            if committed is None:
                message = f"{self.where}: the connection was lost while committing; whether it was committed is not known"
                raise UnavailableError(message, hint="look whether it is there before repeating it") from error
            if not committed:
                raise UnavailableError(f"{self.where}: the connection was lost; nothing of this was written", hint="try again") from error

    @contextmanager
    def read(self) -> Iterator[sql.Connection]:
        """A connection to read with, which sees one state of the database throughout and waits for no writer."""
        while True:
            with self._reading(self.database) as connection:
                if not self._passage.leads_on(connection):
                    yield connection
                    return

    @contextmanager
    def _reading(self, database: Database) -> Iterator[sql.Connection]:
        with explained(database, self.where), self._passage.reader(database).connect() as connection:
            yield connection

    def record_change(self, connection: sql.Connection, topic: str, subject: str, *, at_us: int | None = None) -> None:
        """Tell those who ask for `changes` of a topic that something happened to `subject`, as part of the transaction.

        As writers take turns, no smaller number is committed after a greater one was read.
        """
        row = {"topic": topic, "subject": subject, "at_us": time.time_ns() // 1000 if at_us is None else at_us}
        connection.execute(record.CHANGES.insert().values(**row, seal=seal(row)))

    def changes(self, topic: str, after: int = 0) -> list[Change]:
        """What happened under a topic behind the change of number `after`, in order; cheap enough to ask again and again.

        A change tells when to look again, not what is so: damage can hide one, so look now and then without any.
        """
        table = record.CHANGES.c
        query = sql.select(record.CHANGES).where(table.topic == topic, table.number > after).order_by(table.number)
        with self.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [_change(row, self.where) for row in rows]

    def last_change(self) -> int:
        """The number of the newest change of any topic, 0 before the first: while it stays, so does all that changes are told of."""
        with self.read() as connection:
            return connection.scalar(_LAST_CHANGE) or 0

    def damage(self) -> list[str]:
        """What is wrong with the database's own structure, for `intonaco fsck`: usually nothing; reads all of it.

        What rows say is not looked at: see `seals.py`.
        """
        with self.read() as connection:
            try:
                return self.database.damage(connection, quick=False)
            except sql.exc.DatabaseError as error:
                return [str(error)]

    def close(self) -> None:
        """Let go of all connections; a second call does nothing."""
        self._passage.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _change(row: sql.RowMapping, where: str) -> Change:
    verify(row, leave_out={"number"}, where=where)  # the number was given after the row was sealed
    return Change(number=row["number"], topic=row["topic"], subject=row["subject"], at_us=row["at_us"])
