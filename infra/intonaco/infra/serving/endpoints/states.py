"""States: which servers run, and how far each has come with each endpoint, as the catalog tells."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sql
from attrs import frozen

from intonaco.infra.serving.tables import SERVERS, STATES

if TYPE_CHECKING:
    from intonaco.infra.storage.catalog.catalog import Catalog

__all__ = ["ALIVE_S", "Server", "State", "States"]

#: A server that has not been heard of for so long is gone.
ALIVE_S = 3.0
_FORGET_US = 3_600_000_000


@frozen(kw_only=True)
class Server:
    """A server that runs."""

    server: str
    project: str
    url: str
    pid: int


@frozen(kw_only=True)
class State:
    """How far a server has come with an endpoint.

    Parameters
    ----------
    state
        `starting`, `ready`, `failed` (this generation cannot be served; the one before still is), `bad` (its worker keeps dying).
    conditions
        Those that hold, in order: verified, loaded, warmed_up, switched, drained.
    """

    server: str
    project: str
    endpoint: str
    generation: int
    state: str
    conditions: tuple[str, ...] = ()
    reason: str = ""


@frozen
class States:
    """What servers tell of themselves."""

    catalog: "Catalog"

    def beat(self, server: Server) -> None:
        """Tell that the server runs; what servers that were killed left behind is removed an hour later."""
        now = time.time_ns() // 1000
        with self.catalog.transaction() as connection:
            connection.execute(sql.delete(SERVERS).where(sql.or_(SERVERS.c.server == server.server, SERVERS.c.beat_us < now - _FORGET_US)))
            left = (STATES.c.server != server.server, STATES.c.server.not_in(sql.select(SERVERS.c.server)))
            connection.execute(sql.delete(STATES).where(STATES.c.at_us < now - _FORGET_US, *left))
            values = {"server": server.server, "project": server.project, "url": server.url, "pid": server.pid, "beat_us": now}
            connection.execute(sql.insert(SERVERS).values(**values))

    def tell(self, state: State) -> None:
        """Replace what the server told of the endpoint."""
        with self.catalog.transaction() as connection:
            connection.execute(sql.delete(STATES).where(*_place(state)))
            connection.execute(
                sql.insert(STATES).values(
                    server=state.server,
                    project=state.project,
                    endpoint=state.endpoint,
                    generation=state.generation,
                    state=state.state,
                    conditions=msgspec.json.encode(state.conditions).decode(),
                    reason=state.reason,
                    at_us=time.time_ns() // 1000,
                )
            )

    def leave(self, server: str) -> None:
        """Forget a server that ends."""
        with self.catalog.transaction() as connection:
            connection.execute(sql.delete(SERVERS).where(SERVERS.c.server == server))
            connection.execute(sql.delete(STATES).where(STATES.c.server == server))

    def servers(self, project: str) -> list[Server]:
        """The project's servers that run now."""
        since = time.time_ns() // 1000 - int(ALIVE_S * 1e6)
        query = sql.select(SERVERS).where(SERVERS.c.project == project, SERVERS.c.beat_us > since).order_by(SERVERS.c.server)
        with self.catalog.read() as connection:
            rows = connection.execute(query).all()
        return [Server(server=row.server, project=row.project, url=row.url, pid=row.pid) for row in rows]

    def of(self, project: str, servers: Sequence[Server]) -> list[State]:
        """What these servers tell of the project's endpoints."""
        names = [server.server for server in servers]
        query = sql.select(STATES).where(STATES.c.project == project, STATES.c.server.in_(names))
        with self.catalog.read() as connection:
            rows = connection.execute(query.order_by(STATES.c.endpoint, STATES.c.server)).all()
        return [
            State(
                server=row.server,
                project=row.project,
                endpoint=row.endpoint,
                generation=row.generation,
                state=row.state,
                conditions=tuple(msgspec.json.decode(row.conditions)),
                reason=row.reason,
            )
            for row in rows
        ]


def _place(state: State) -> tuple[sql.ColumnElement[bool], ...]:
    return (STATES.c.server == state.server, STATES.c.project == state.project, STATES.c.endpoint == state.endpoint)
