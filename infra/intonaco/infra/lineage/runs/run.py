"""A run that goes on: its steps, what it was given as a whole, its metrics, and how it ended."""

import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

import sqlalchemy as sql
from attrs import define, field

from intonaco.core import telemetry
from intonaco.infra.lineage.artifacts import Artifact, Artifacts, insert_new
from intonaco.infra.lineage.runs.calls import StepCall, caller_in, input_row, now_us, told
from intonaco.infra.lineage.runs.keys import arguments_of, key_of
from intonaco.infra.lineage.runs.metrics import Metric, write_metrics
from intonaco.infra.lineage.runs.steps import Outcome, Step
from intonaco.infra.lineage.tables import INPUTS, RUNS
from intonaco.infra.storage.catalog.seals import seal
from intonaco.infra.workspace import Workspace

__all__ = ["Run"]

R = TypeVar("R")

_CHANGING = ("status", "ended_us", "error", "seal")
_UPDATE = RUNS.update().where(RUNS.c.id == sql.bindparam("of_run")).values({name: sql.bindparam(name) for name in _CHANGING})


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
