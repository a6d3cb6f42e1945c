"""The platform: a workspace and tasks, from which everything else follows."""

import getpass
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from intonaco.core.columns import Columns
from intonaco.core.errors import DefinitionError
from intonaco.core.references import Reference
from intonaco.infra.compute.timeline import as_us
from intonaco.infra.features.defined.labels import Labels
from intonaco.infra.features.offline.examples import Examples
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.launch.gate import check_before_deploy
from intonaco.infra.lineage.artifacts import Artifacts
from intonaco.infra.lineage.registry.registry import Registry, Version
from intonaco.infra.lineage.reports.report import Report
from intonaco.infra.lineage.runs.runs import Runs
from intonaco.infra.lineage.runs.steps import Outcome
from intonaco.infra.platform.tabular import table_examples, table_snapshot
from intonaco.infra.platform.task import Task
from intonaco.infra.platform.training import Trained, train
from intonaco.infra.serving.endpoints.deployment import Deployment, Route
from intonaco.infra.serving.endpoints.deployments import Deployed, Deployments
from intonaco.infra.serving.endpoints.endpoint import Endpoint
from intonaco.infra.serving.protocol.plainrows import columns_of_rows, rows_of_columns
from intonaco.infra.storage.guarantees import Guarantee
from intonaco.infra.workspace import Workspace

__all__ = ["Platform"]


class Platform:
    """A workspace and the tasks of a domain; subclass it, name it, list its tasks.

    Training, tracking, packaging, deployment, prediction and the commands of `intonaco train` come with it. Name the class
    under the entry-point group `intonaco.platforms` and the command line finds it.
    """

    name: ClassVar[str]
    tasks: ClassVar[Sequence[type[Task]]] = ()
    #: Names of stores, as in the settings, to what the platform needs of them; of others, all that the primitive promises.
    needs: ClassVar[Mapping[str, Collection[Guarantee]]] = {}

    def __init__(self, workspace: Workspace, project: str = "") -> None:
        workspace.require(f"the platform {getattr(self, 'name', type(self).__name__)!r}", self.needs)
        self.workspace = workspace
        self.project = project or workspace.settings.project
        self.features = FeatureStore(workspace, self.project)
        self.registry = Registry(workspace, self.project)
        self.runs = Runs(workspace, self.project)
        self.deployments = Deployments(workspace, self.project)
        self._endpoints: dict[str, Endpoint] = {}

    @classmethod
    def open(cls, root: Path | str | None = None, *, project: str = "", overrides: Mapping[str, Any] | None = None) -> Self:
        """The platform on the workspace of a folder, by default the current one."""
        return cls(Workspace.open(root, overrides=overrides), project)

    @classmethod
    def task(cls, name: str) -> type[Task]:
        """The task of this name; DefinitionError lists those that there are."""
        known = {each.__name__.lower(): each for each in cls.tasks}
        if name.lower() not in known:
            raise DefinitionError(f"platform {cls.name!r} has no task {name!r}", hint=f"its tasks: {', '.join(known)}", field=name)
        return known[name.lower()]

    def training_set(self, feature_set: str, *, labels: "Labels | str", rows: Columns | None = None) -> Examples:
        """Features of a set as they were known at the moment of each label, with the labels.

        Parameters
        ----------
        labels
            `Labels`, or the name of applied ones.
        rows
            Keys, moments and request columns; by default those of the labels' table.
        """
        return self.features.training_set(feature_set, rows, labels=labels)

    def examples(
        self, table: str, *, labels: Sequence[str], at: str = "", aside: Sequence[str] = (), categories: Sequence[str] = ()
    ) -> "Outcome[Examples]":
        """The columns of a table, `wine` or `wine@3`, as features, for models that are given all they need; see `table_examples`."""
        snapshot = table_snapshot(self.workspace, table, self.project)
        given = {"labels": tuple(labels), "aside": tuple(aside), "categories": tuple(categories)}
        with self.runs.start(f"examples {snapshot.reference}") as run:
            return run.call(table_examples, table=snapshot, at=at, **given)

    def train(
        self,
        task: Task,
        examples: "Examples | Outcome[Examples]",
        *,
        held_out: "Examples | Outcome[Examples] | None" = None,
        params: Mapping[str, Any] | None = None,
        trials: int = 0,
        seed: int = 0,
    ) -> Trained:
        """Search, fit, package and evaluate; see `training.train`."""
        return train(self.workspace, task, examples, held_out=held_out, params=params, trials=trials, seed=seed, project=self.project)

    def report(self, version: "Version | str") -> Report:
        """The evaluation of a version."""
        found = self.registry.version(version)
        report: Report = Artifacts(self.workspace, found.project).load(found.reports["evaluation"])
        return report

    def deploy(self, endpoint: str, version: "Version | str" = "", *, wait_s: float = 30.0, by: str = "") -> Deployed:
        """Serve a version, by default the newest of the model that the endpoint is named for.

        Raises
        ------
        RefusedError
            The version was not evaluated on held-out rows.
        """
        found = self.registry.version(version or Reference("model", endpoint, self.project).short)
        check_before_deploy(found)
        route = Route(version=found.number, package=found.package, model=found.model)
        return self.deployments.deploy(endpoint, route, wait_s=wait_s, by=by or getpass.getuser())

    def predict(self, endpoint: str, rows: Sequence[Mapping[str, Any]], *, at: datetime | int | None = None) -> list[dict[str, Any]]:
        """The answers to rows of keys and request columns, as of a moment; scored in this process, by the class that the server uses."""
        opened = self.endpoint(endpoint)
        at_us = None if at is None else as_us(at)
        return rows_of_columns(opened.predict(columns_of_rows(opened.inputs, rows), at_us).columns)

    def endpoint(self, name: str) -> Endpoint:
        """What is deployed under a name, loaded in this process."""
        wanted: Deployment = self.deployments.get(name).deployment
        held = self._endpoints.get(name)
        if held is None or held.deployment != wanted:
            if held is not None:
                held.close()
            self._endpoints[name] = Endpoint.open(self.workspace, wanted)
        return self._endpoints[name]

    def close(self) -> None:
        """Close the endpoints and the workspace; a second call does nothing."""
        while self._endpoints:
            self._endpoints.popitem()[1].close()
        self.workspace.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
