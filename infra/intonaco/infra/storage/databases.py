"""Relational databases: what a catalog needs of one, and what tells them apart."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sql
from sqlalchemy import exc

from intonaco.core.errors import ConflictError, IntonacoError, UnavailableError
from intonaco.infra.storage.guarantees import Guarantee
from intonaco.infra.storage.store import Store

__all__ = ["Database", "explained"]


class Database(Store):
    """A relational database that can hold a catalog.

    Transactions of `engine` are real ones: it begins them as writers, unless the execution option `reads` is set. Writers
    take turns from their beginning to their end, so that what one has read holds until it commits; readers see one state
    and wait for nobody. A commit that was acknowledged is durable.
    """

    __slots__ = ()
    promises = frozenset({Guarantee.DURABLE, Guarantee.WHOLE, Guarantee.NO_LOST_UPDATES, Guarantee.SNAPSHOTS})

    @property
    @abstractmethod
    def engine(self) -> sql.Engine:
        """What opens connections."""

    @abstractmethod
    def prepare(self) -> None:
        """Make the database ready for its first tables; called before migrations run, which may be often."""

    @abstractmethod
    def damage(self, connection: sql.Connection, *, quick: bool) -> list[str]:
        """What is wrong with the database's own structure; with `quick`, only if that can be told in a moment."""

    @abstractmethod
    def told(self, error: BaseException | None) -> IntonacoError | None:
        """What the driver raised, as one of ours that names the database; None if it is not the database's fault."""

    def drop(self) -> None:
        """Remove all that the catalog keeps there; only scratch places are dropped."""

    def count_on(self, connection: sql.Connection, table: sql.Table) -> None:
        """Let the next row be numbered behind those that were copied into the table with their numbers."""

    def committed(self, connection: sql.Connection) -> bool | None:
        """Whether the transaction was committed whose commit lost its connection; None if that cannot be found out."""
        return None


@contextmanager
def explained(database: Database, where: str) -> Iterator[None]:
    """Turn what SQLAlchemy raises inside into our own errors; what is not the database's fault passes unchanged."""
    try:
        yield
    except exc.IntegrityError as error:
        message = f"{where} already holds what was to be written, or lacks what it refers to: {_first_line(error.orig)}"
        raise ConflictError(message) from error
    except exc.TimeoutError as error:
        raise UnavailableError(f"{where}: no connection became free in time", hint="try again") from error
    except exc.DBAPIError as error:
        raise database.told(error.orig) or error from error


def _first_line(error: BaseException | None) -> str:
    return next(iter(str(error).splitlines()), "")
