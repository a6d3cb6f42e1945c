"""Deployments, declared in the catalog; servers work towards them."""

import getpass
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sql
from attrs import field, frozen

from intonaco.core.errors import MissingError, UnavailableError
from intonaco.core.references import DEFAULT_PROJECT
from intonaco.core.schema import suggestion
from intonaco.infra.serving.endpoints.deployment import Deployment, Route
from intonaco.infra.serving.endpoints.states import Server, State, States
from intonaco.infra.serving.packages.keeping import read_manifest
from intonaco.infra.serving.tables import DEPLOYMENTS

if TYPE_CHECKING:
    from intonaco.infra.workspace import Workspace

__all__ = ["TOPIC", "Deployed", "Deployments", "Routes"]

#: Under which changes of deployments are told.
TOPIC = "serving.deployment"
_POLL_S = 0.05

Routes = Sequence[Route] | Route


@frozen(kw_only=True)
class Deployed:
    """What is wanted of an endpoint, and how far the running servers have come with it."""

    deployment: Deployment
    states: tuple[State, ...] = ()
    servers: tuple[Server, ...] = ()

    @property
    def state(self) -> str:
        """`ready` if every running server is, `waiting` if none runs, else what the slowest says."""
        current = {state.server: state.state for state in self.states if state.generation == self.deployment.generation}
        states = [current.get(server.server, "starting") for server in self.servers]
        order = ("bad", "failed", "starting", "ready")
        return min(states, key=order.index) if states else "waiting"

    @property
    def reason(self) -> str:
        """Why it is not ready, as a server tells it."""
        return next((state.reason for state in self.states if state.reason and state.generation == self.deployment.generation), "")

    @property
    def hint(self) -> str:
        """What to do next."""
        if self.state == "waiting":
            return "no server runs for this project: intonaco serve starts one"
        urls = ", ".join(f"{server.url}/v2/models/{self.deployment.endpoint}/infer" for server in self.servers)
        return f"POST {urls}" if self.state == "ready" else self.reason


@frozen
class Deployments:
    """The wanted state of a project's endpoints."""

    workspace: "Workspace" = field(repr=False)
    project: str = DEFAULT_PROJECT

    def deploy(self, endpoint: str, routes: Routes, *, wait_s: float = 30.0, by: str = "") -> Deployed:
        """Want an endpoint to serve these versions, and wait until every running server does.

        Parameters
        ----------
        wait_s
            How long to wait; with no server running it returns at once, in the state `waiting`.

        Raises
        ------
        MissingError, CorruptError
            A package is absent, or damaged; nothing is changed.
        UnavailableError
            A server cannot serve it (the message says why), or took longer than `wait_s`; what was served before still is.
        """
        given = (routes,) if isinstance(routes, Route) else tuple(routes)
        wanted = Deployment(project=self.project, endpoint=endpoint, routes=given)
        for route in wanted.routes:
            read_manifest(self.workspace.blobs, route.package)
        made = self._write(endpoint, wanted, by)
        return self._wait(made, wait_s)

    def remove(self, endpoint: str, *, by: str = "") -> None:
        """Want an endpoint no more; MissingError if it is not wanted now."""
        self.get(endpoint)
        self._write(endpoint, None, by)

    def get(self, endpoint: str) -> Deployed:
        """What is wanted of an endpoint, and how far servers are."""
        found = {deployed.deployment.endpoint: deployed for deployed in self.list()}
        if endpoint not in found:
            raise MissingError(f"no endpoint {endpoint!r} in project {self.project!r}", hint=suggestion(endpoint, found), field=endpoint)
        return found[endpoint]

    def list(self) -> list[Deployed]:
        """All endpoints that are wanted, by name."""
        servers = self._states.servers(self.project)
        states = self._states.of(self.project, servers)
        found = []
        for each in self.wanted():
            told = tuple(state for state in states if state.endpoint == each.endpoint)
            found.append(Deployed(deployment=each, servers=tuple(servers), states=told))
        return found

    def wanted(self) -> tuple[Deployment, ...]:
        """What is wanted now, by name; what a server works towards."""
        table = DEPLOYMENTS.c
        newest = sql.select(table.endpoint, sql.func.max(table.generation).label("newest")).where(table.project == self.project)
        newest = newest.group_by(table.endpoint)
        with self.workspace.catalog.read() as connection:
            last = newest.subquery()
            joined = (table.project == self.project, table.endpoint == last.c.endpoint, table.generation == last.c.newest)
            rows = connection.execute(sql.select(table.wanted).where(*joined, table.wanted != "").order_by(table.endpoint)).all()
        return tuple(Deployment.from_json(row.wanted) for row in rows)

    @property
    def _states(self) -> States:
        return States(self.workspace.catalog)

    def _write(self, endpoint: str, wanted: Deployment | None, by: str) -> Deployment | None:
        catalog, table = self.workspace.catalog, DEPLOYMENTS.c
        with catalog.transaction() as connection:
            catalog.record_change(connection, f"{TOPIC}.{self.project}", endpoint)
            query = sql.select(sql.func.max(table.generation)).where(table.project == self.project, table.endpoint == endpoint)
            generation = (connection.execute(query).scalar() or 0) + 1
            made = wanted and Deployment(project=self.project, endpoint=endpoint, routes=wanted.routes, generation=generation)
            row = {"project": self.project, "endpoint": endpoint, "generation": generation, "wanted": made.to_json() if made else ""}
            connection.execute(sql.insert(DEPLOYMENTS).values(**row, by=by or getpass.getuser(), at_us=time.time_ns() // 1000))
        return made

    def _wait(self, made: Deployment | None, wait_s: float) -> Deployed:
        assert made is not None
        until = time.monotonic() + wait_s
        while True:
            deployed = self.get(made.endpoint)
            if deployed.deployment.generation != made.generation or deployed.state in ("ready", "waiting"):
                return deployed
            if deployed.state in ("failed", "bad"):
                hint = "what was served before still is"
                raise UnavailableError(f"endpoint {made.endpoint!r} cannot be served: {deployed.reason}", hint=hint)
            if time.monotonic() > until:
                if wait_s <= 0:
                    return deployed
                hint = "intonaco status tells how far it is"
                raise UnavailableError(f"endpoint {made.endpoint!r} is not ready after {wait_s:g} s", hint=hint)
            time.sleep(_POLL_S)
