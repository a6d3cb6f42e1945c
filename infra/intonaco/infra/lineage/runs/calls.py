"""One call of a step in a run: looked up, or performed and recorded."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import sqlalchemy as sql
from attrs import define, field

from intonaco.infra.lineage.artifacts import Artifact, Artifacts
from intonaco.infra.lineage.runs.keys import Arguments, Key
from intonaco.infra.lineage.runs.memos import Memo, Memos
from intonaco.infra.lineage.runs.steps import Outcome, Step
from intonaco.infra.lineage.tables import INPUTS, STEPS
from intonaco.infra.storage.catalog.seals import seal

__all__ = ["StepCall", "caller_in", "current_key", "input_row", "now_us", "told"]

_NO_ARTIFACT = Artifact(digest="", kind="", size_bytes=0)
_caller: ContextVar[tuple[str, int, str]] = ContextVar("caller", default=("", 0, ""))


def now_us() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


def told(error: BaseException) -> str:
    """An error in one line, as a record keeps it."""
    return f"{type(error).__name__}: {error}".strip(": ").replace("\n", " ")[:2000]


def caller_in(run: str) -> int:
    """The number of the step of this run that goes on in this thread or task; 0 if none does."""
    return _caller.get()[1] if _caller.get()[0] == run else 0


def current_key() -> str:
    """The key of the step that goes on in this thread or task, under which it may keep what lets it resume; else empty."""
    return _caller.get()[2]


@contextmanager
def _calling(run: str, number: int, key: str) -> Iterator[None]:
    token = _caller.set((run, number, key))
    try:
        yield
    finally:
        _caller.reset(token)


def input_row(run: str, step: int, name: str, project: str, artifact: Artifact) -> dict[str, Any]:
    """A row of the table of inputs."""
    row = {"run": run, "step": step, "name": name, "project": project}
    row |= {"kind": artifact.kind, "digest": artifact.digest, "reference": artifact.reference}
    return row | {"seal": seal(row)}


@define(eq=False, kw_only=True)
class StepCall:
    """One call of a step in a run.

    Parameters
    ----------
    inputs
        All arguments by name.
    given
        What the run gives to steps that ask for it.
    number, parent
        Which of the run's steps this is, and which one calls it; 0 if the run does.
    fresh
        Whether nothing of earlier calls may be used.
    """

    run: str
    artifacts: Artifacts
    step: Step[..., Any]
    inputs: Mapping[str, Any]
    given: Mapping[str, Any]
    arguments: Arguments
    key: Key
    number: int
    parent: int
    fresh: bool
    _row: dict[str, Any] = field(factory=dict, init=False)

    def recall(self) -> Outcome[Any] | None:
        """The recorded result of the key, if its artifact is still there."""
        memo = None if self.fresh else Memos(self.artifacts).find(self.key.digest)
        if memo is None or not self.artifacts.present(memo.artifact):
            return None
        with self.artifacts.workspace.catalog.transaction() as connection:
            self._insert(connection, status="finished", memoized=True, **memo.artifact.to_json())
        return self._outcome(memo.artifact)

    def perform(self) -> Outcome[Any]:
        """Call the function and record what comes of it."""
        with self.artifacts.workspace.catalog.transaction() as connection:
            self._insert(connection, status="running", memoized=False, **_NO_ARTIFACT.to_json())
        begun = time.perf_counter()
        try:
            with _calling(self.run, self.number, "" if self.fresh else self.key.digest):
                value = self.step.function(**self._loaded())
            artifact = self.artifacts.write(value)
        except BaseException as error:
            self._fail(error, time.perf_counter() - begun)
            raise
        self._finish(artifact, time.perf_counter() - begun)
        outcome = self._outcome(artifact)
        outcome.hold(value)
        return outcome

    def _loaded(self) -> dict[str, Any]:
        """The function's arguments, with artifacts and outcomes loaded."""
        loaded = {name: _load(value, self.artifacts.load) for name, value in self.inputs.items()}
        return {**loaded, **{name: self.given[name] for name in self.step.given}}

    def _insert(self, connection: sql.Connection, **facts: Any) -> None:
        started_us = now_us()
        row: dict[str, Any] = {"run": self.run, "number": self.number, "project": self.artifacts.project, "parent": self.parent}
        row |= {"function": self.step.path, "key": self.key.digest, "started_us": started_us, "seconds": 0.0, "error": "", **facts}
        self._row = row | {"seal": seal(row)}
        connection.execute(STEPS.insert(), self._row)
        self.artifacts.record(connection, self.arguments.artifacts.values(), started_us)
        inputs = [input_row(self.run, self.number, name, self.artifacts.project, each) for name, each in self.arguments.artifacts.items()]
        if inputs:
            connection.execute(INPUTS.insert(), inputs)

    def _update(self, connection: sql.Connection, **changes: Any) -> None:
        self._row |= changes
        self._row["seal"] = seal(self._row)
        own = (STEPS.c.run == self.run, STEPS.c.number == self.number)
        connection.execute(STEPS.update().where(*own).values(**changes, seal=self._row["seal"]))

    def _finish(self, artifact: Artifact, seconds: float) -> None:
        memo = Memo(artifact=artifact, parts=self.key.parts, run=self.run, step=self.number)
        with self.artifacts.workspace.catalog.transaction() as connection:
            self.artifacts.record(connection, [artifact])
            Memos(self.artifacts).record(connection, self.key, memo)
            self._update(connection, status="finished", seconds=seconds, **artifact.to_json())

    def _fail(self, error: BaseException, seconds: float) -> None:
        with self.artifacts.workspace.catalog.transaction() as connection:
            self._update(connection, status="failed", seconds=seconds, error=told(error))

    def _outcome(self, artifact: Artifact) -> Outcome[Any]:
        return Outcome(
            artifact=artifact,
            key=self.key.digest,
            run=self.run,
            number=self.number,
            memoized=self._row["memoized"],
            seconds=self._row["seconds"],
            artifacts=self.artifacts,
        )


def _load(value: Any, load: Callable[[Artifact], Any]) -> Any:
    """The value, with what its outcomes and artifacts stand for in their stead, inside lists, tuples and dicts too."""
    if isinstance(value, Outcome):
        return value.value
    if isinstance(value, Artifact):
        return load(value)
    if type(value) in (list, tuple):
        return type(value)(_load(each, load) for each in value)
    if type(value) is dict:
        return {key: _load(each, load) for key, each in value.items()}
    return value
