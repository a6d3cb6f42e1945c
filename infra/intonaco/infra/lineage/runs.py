"""Runs: what was done, step by step, from what, and what came of it."""

import builtins
import secrets
import threading
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar
from weakref import WeakKeyDictionary

import sqlalchemy as sql
from attrs import define, field

from intonaco.core import telemetry
from intonaco.core.errors import InvalidError, MissingError
from intonaco.infra.lineage import values
from intonaco.infra.lineage.artifacts import Artifact, Artifacts, insert_new
from intonaco.infra.lineage.calls import StepCall, caller_in, input_row, now_us, told
from intonaco.infra.lineage.environment import environment, git_state
from intonaco.infra.lineage.keys import arguments_of, key_of, rebuilt
from intonaco.infra.lineage.memos import Memos
from intonaco.infra.lineage.metrics import Metric, MetricRecord, read_metrics, write_metrics
from intonaco.infra.lineage.records import InputRecord, RunRecord, StepRecord, holder, moment
from intonaco.infra.lineage.steps import Outcome, Step
from intonaco.infra.lineage.tables import INPUTS, RUNS, STEPS
from intonaco.infra.storage.seals import seal
from intonaco.infra.workspace import Workspace

__all__ = ["Run", "Runs"]

R = TypeVar("R")

_CHANGING = ("status", "ended_us", "error", "seal")
_INSERT = RUNS.insert()
_UPDATE = RUNS.update().where(RUNS.c.id == sql.bindparam("of_run")).values({name: sql.bindparam(name) for name in _CHANGING})

_environments: WeakKeyDictionary[Workspace, Artifact] = WeakKeyDictionary()


def _environment(artifacts: Artifacts) -> Artifact:
    """The artifact of this process's environment, written once for each workspace."""
    known = _environments.get(artifacts.workspace)
    if known is None or not artifacts.present(known):
        known = _environments[artifacts.workspace] = artifacts.write(environment())
    return known


@define
class Runs:
    """The runs of a workspace's project."""

    workspace: Workspace = field(repr=False)
    project: str = ""

    def __attrs_post_init__(self) -> None:
        self.project = self.project or self.workspace.settings.project

    def start(
        self,
        name: str,
        /,
        *,
        parent: str = "",
        seeds: Mapping[str, Any] | None = None,
        fresh: bool = False,
        at_us: int | None = None,
        **params: Any,
    ) -> "Run":
        """Record that a run begins; use it as a context manager, which records how it ended.

        Parameters
        ----------
        parent
            The id of the run that this one is part of.
        fresh
            Run every step, though its result may be there.
        params
            Plain values to show with the run; what changes a result is an argument of a step.
        """
        at_us = now_us() if at_us is None else at_us
        artifacts = Artifacts(self.workspace, self.project)
        held = [_environment(artifacts), artifacts.write(self.workspace.manifest())]
        row = {
            "id": f"{moment(at_us):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}",
            "project": self.project,
            "name": name,
            "status": "running",
            "parent": parent,
            "params": values.dumps(values.encode(params, f"the parameters of {name}")),
            "seeds": values.dumps(values.encode(dict(seeds or {}), f"the seeds of {name}")),
            "code": values.dumps(git_state(self.workspace.root)),
            "lock": held[0].digest,
            "manifest": held[1].digest,
            "holder": values.dumps(holder()),
            "started_us": at_us,
            "ended_us": None,
            "error": "",
        }
        row["seal"] = seal(row)
        with self.workspace.catalog.transaction() as connection:
            artifacts.record(connection, held, at_us)
            connection.execute(_INSERT, row)
        return Run(row, artifacts, fresh)

    def get(self, run: str) -> RunRecord:
        """The run of this id, or of the only id that starts so; MissingError if there is none."""
        query = sql.select(RUNS).where(RUNS.c.project == self.project, RUNS.c.id.startswith(run, autoescape=True))
        found = self._records(query.order_by(RUNS.c.id).limit(2))
        if not found:
            raise MissingError(f"project {self.project!r} has no run {run!r}", hint="intonaco runs lists them")
        if len(found) > 1 and found[0].id != run:
            raise InvalidError(f"several runs start with {run!r}", hint="give more of its id")
        return found[0]

    def list(self, name: str = "", *, parent: str | None = None, limit: int = 100) -> builtins.list[RunRecord]:
        """The newest runs first; those of a name, or those that a run started, if one is given."""
        query = sql.select(RUNS).where(RUNS.c.project == self.project)
        query = query.where(RUNS.c.name == name) if name else query
        query = query if parent is None else query.where(RUNS.c.parent == parent)
        return self._records(query.order_by(RUNS.c.started_us.desc(), RUNS.c.id.desc()).limit(limit))

    def steps(self, run: str) -> builtins.list[StepRecord]:
        """The steps of a run in the order in which they were called."""
        running = self.get(run).status == "running"
        with self.workspace.catalog.read() as connection:
            rows = connection.execute(sql.select(STEPS).where(STEPS.c.run == run).order_by(STEPS.c.number)).mappings().all()
        return [StepRecord.from_row(row, running=running) for row in rows]

    def inputs(self, run: str) -> builtins.list[InputRecord]:
        """What a run and its steps were given, by step."""
        query = sql.select(INPUTS).where(INPUTS.c.run == run).order_by(INPUTS.c.step, INPUTS.c.name)
        with self.workspace.catalog.read() as connection:
            return [InputRecord.from_row(row) for row in connection.execute(query).mappings()]

    def metrics(self, run: str) -> builtins.list[MetricRecord]:
        """What a run logged, in order."""
        return read_metrics(self.workspace.catalog, run)

    def arguments(self, step: StepRecord) -> dict[str, Any]:
        """What a finished step was called with, artifacts loaded, `workspace` and `run` left out.

        Raises
        ------
        MissingError
            The key or an artifact is not there any more.
        """
        artifacts = Artifacts(self.workspace, self.project)
        parts = Memos(artifacts).get(step.key).parts
        given = {(each.kind, each.digest): each.artifact for each in self.inputs(step.run) if each.step == step.number}
        return rebuilt({**parts["arguments"], **parts["seeds"]}, given, artifacts.load)

    def _records(self, query: sql.Select[Any]) -> builtins.list[RunRecord]:
        with self.workspace.catalog.read() as connection:
            return [RunRecord.from_row(row) for row in connection.execute(query).mappings()]


@define(eq=False)
class Run:
    """A run that goes on; safe to use from several threads."""

    _row: dict[str, Any] = field(repr=False)
    artifacts: Artifacts = field(repr=False)
    fresh: bool = False
    _count: int = field(default=0, init=False, repr=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    @property
    def id(self) -> str:
        """When it started, and eight random digits."""
        return str(self._row["id"])

    @property
    def name(self) -> str:
        """What it was started as."""
        return str(self._row["name"])

    @property
    def project(self) -> str:
        """The project that the run is part of."""
        return self.artifacts.project

    @property
    def workspace(self) -> Workspace:
        """The workspace in which it runs."""
        return self.artifacts.workspace

    def call(self, step: Step[..., R], /, **inputs: Any) -> Outcome[R]:
        """Call a step, or take the result of an earlier call of the same key whose artifact is still there.

        Raises
        ------
        InvalidError
            An argument is missing or unknown, or cannot be recorded, or no format keeps the result.
        """
        bound = step.bind(inputs)
        arguments = arguments_of(bound, self.artifacts)
        call = StepCall(
            run=self.id,
            artifacts=self.artifacts,
            step=step,
            inputs=bound,
            given={"workspace": self.workspace, "run": self},
            arguments=arguments,
            key=key_of(step, arguments, self._reached(step)),
            number=self._next(),
            parent=caller_in(self.id),
            fresh=self.fresh or not step.memoize,
        )
        with telemetry.span("step", function=step.path):
            return call.recall() or call.perform()

    def use(self, name: str, value: Any) -> Artifact:
        """Record that the run as a whole was given an artifact, such as a parent model's package."""
        artifact = self.artifacts.write(value)
        with self.workspace.catalog.transaction() as connection:
            self.artifacts.record(connection, [artifact])
            insert_new(connection, INPUTS, input_row(self.id, 0, name, self.project, artifact))
        return artifact

    def log(self, name: str, value: float, step: int = 0) -> None:
        """Keep a metric; durable on return."""
        write_metrics(self.workspace.catalog, self.id, self.project, [(name, value, step)], now_us())

    def log_many(self, metrics: Iterable[Metric]) -> None:
        """Keep metrics, (name, value) or (name, value, step), all or none; durable on return."""
        write_metrics(self.workspace.catalog, self.id, self.project, metrics, now_us())

    def finish(self, error: str = "") -> None:
        """Record how the run ended, once; leaving its context does it."""
        if self._row["status"] != "running":
            return
        self._row |= {"status": "failed" if error else "finished", "ended_us": now_us(), "error": error}
        self._row["seal"] = seal(self._row)
        with self.workspace.catalog.transaction() as connection:
            connection.execute(_UPDATE, {"of_run": self.id, **{name: self._row[name] for name in _CHANGING}})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.finish("" if error is None else told(error))

    def _next(self) -> int:
        with self._lock:
            self._count += 1
            return self._count

    def _reached(self, step: Step[..., Any]) -> tuple[str, ...]:
        """Import paths of what a step may reach through plugins: what it says, and with the workspace the table engine."""
        offers = [offer for hook in step.hooks for offer in self.workspace.plugins.offers(hook).values()]
        if "workspace" in step.given:
            engine = self.workspace.plugins.offers("table_engines").get(self.workspace.settings.engines.tables)
            offers += [engine] if engine is not None else []
        return tuple(offer.path for offer in offers)
