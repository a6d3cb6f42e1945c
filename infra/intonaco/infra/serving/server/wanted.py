"""What a server is to serve, as the catalog tells: the project's deployments, and its feature sets."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from attrs import define, field, frozen

from intonaco.infra.features.recorded.registry import TOPIC as FEATURES
from intonaco.infra.features.recorded.registry import Registry
from intonaco.infra.serving.endpoints.deployment import Deployment
from intonaco.infra.serving.endpoints.deployments import TOPIC, Deployments
from intonaco.infra.serving.features.featureworker import FeatureJob
from intonaco.infra.serving.server.children import Worker, start_worker
from intonaco.infra.serving.server.worker import Job

if TYPE_CHECKING:
    from intonaco.infra.workspace import Workspace

__all__ = ["FEATURE_DESK", "AppliedSets", "DeployedEndpoint", "Wanted", "Wants"]

#: Under which the feature sets stand among the endpoints; no endpoint can be named so.
FEATURE_DESK = ":features"


class Wanted(Protocol):
    """One thing that a worker of its own answers for."""

    @property
    def endpoint(self) -> str:
        """The name under which it stands."""

    @property
    def generation(self) -> int:
        """Grows with each change of what is wanted."""

    def start(self, workspace: "Workspace", number: int, overrides: dict[str, Any], spool: Path) -> Worker:
        """Start a worker for it."""


@frozen
class DeployedEndpoint:
    """A deployment, answered by an endpoint worker."""

    deployment: Deployment

    @property
    def endpoint(self) -> str:
        return self.deployment.endpoint

    @property
    def generation(self) -> int:
        return self.deployment.generation

    def start(self, workspace: "Workspace", number: int, overrides: dict[str, Any], spool: Path) -> Worker:
        def job(frames_fd: int, control_fd: int) -> Job:
            return Job(
                workspace=str(workspace.root),
                overrides=overrides,
                deployment=self.deployment.to_json(),
                spool=str(spool / self.endpoint),
                frames_fd=frames_fd,
                control_fd=control_fd,
            )

        return start_worker("intonaco.infra.serving.server.worker", number, self.endpoint, self.generation, job)


@frozen
class AppliedSets:
    """All feature sets of a project, answered by one worker that reads them online."""

    project: str
    generation: int
    endpoint: str = FEATURE_DESK

    def start(self, workspace: "Workspace", number: int, overrides: dict[str, Any], spool: Path) -> Worker:
        def job(frames_fd: int, control_fd: int) -> FeatureJob:
            return FeatureJob(
                workspace=str(workspace.root), overrides=overrides, project=self.project, frames_fd=frames_fd, control_fd=control_fd
            )

        return start_worker("intonaco.infra.serving.features.featureworker", number, self.endpoint, self.generation, job)


@define(eq=False)
class Wants:
    """Looks at what the catalog says is to be served, and only when it has changed."""

    workspace: "Workspace" = field(repr=False)
    project: str
    _seen: dict[str, int] = field(factory=dict, init=False)

    def look(self) -> Mapping[str, Wanted] | None:
        """All that is wanted, by name; None if nothing has changed since it was last asked."""
        newest = {topic: self._newest(topic) for topic in (f"{TOPIC}.{self.project}", FEATURES)}
        if newest == self._seen:
            return None
        wanted: dict[str, Wanted] = {each.endpoint: DeployedEndpoint(each) for each in Deployments(self.workspace, self.project).wanted()}
        if Registry(self.workspace.catalog, self.project).search(kind="set"):
            wanted[FEATURE_DESK] = AppliedSets(self.project, newest[FEATURES])
        self._seen = newest
        return wanted

    def _newest(self, topic: str) -> int:
        seen = self._seen.get(topic, 0)
        changes = self.workspace.catalog.changes(topic, seen)
        return changes[-1].number if changes else seen
