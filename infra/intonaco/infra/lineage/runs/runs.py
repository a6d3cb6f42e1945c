"""Runs: what was done, step by step, from what, and what came of it."""

import builtins
import secrets
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sql
from attrs import define, field

from intonaco.core.errors import InvalidError, MissingError
from intonaco.infra.lineage import values
from intonaco.infra.lineage.artifacts import Artifact, Artifacts
from intonaco.infra.lineage.code.environment import environment, git_state
from intonaco.infra.lineage.runs.calls import now_us
from intonaco.infra.lineage.runs.keys import rebuilt
from intonaco.infra.lineage.runs.memos import Memos
from intonaco.infra.lineage.runs.metrics import MetricRecord, read_metrics
from intonaco.infra.lineage.runs.records import InputRecord, RunRecord, StepRecord, holder, moment
from intonaco.infra.lineage.runs.run import Run
from intonaco.infra.lineage.tables import INPUTS, RUNS, STEPS
from intonaco.infra.storage.catalog.seals import seal
from intonaco.infra.workspace import Workspace

__all__ = ["Runs"]

_INSERT = RUNS.insert()

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
