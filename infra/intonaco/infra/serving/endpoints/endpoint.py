"""Endpoints: a deployment in one process, without a protocol; columns or keys in, columns out.

The server's workers, batch scoring and `platform.predict` all answer through this class.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define, field
from numpy.typing import NDArray

from intonaco.core.columns import Columns, rows_of
from intonaco.core.errors import CorruptError, InvalidError, MissingError
from intonaco.core.schema import Schema
from intonaco.infra.features.online.plan import ReadPlan
from intonaco.infra.serving.endpoints.degradation import open_reader
from intonaco.infra.serving.endpoints.deployment import Deployment
from intonaco.infra.serving.endpoints.scorer import Answer, Scorer
from intonaco.infra.serving.packages import packages
from intonaco.infra.serving.packages.loading import load_servable
from intonaco.infra.serving.packages.package import Package
from intonaco.infra.serving.packages.target import Target

if TYPE_CHECKING:
    from intonaco.infra.workspace import Workspace

__all__ = ["CONDITIONS", "Answer", "Endpoint"]

#: What must hold, one after the other, before an endpoint answers.
CONDITIONS = ("verified", "loaded", "warmed_up")


def _silent(condition: str) -> None:
    """Tell nobody."""


@define(eq=False)
class Endpoint:
    """A deployment's versions, loaded, proved on their sample rows, and ready to score; from one thread at a time."""

    deployment: Deployment
    scorers: dict[int, Scorer]
    inputs: Schema
    outputs: Schema
    target: Target | None = field(default=None, repr=False)

    @classmethod
    def open(cls, workspace: "Workspace", deployment: Deployment, *, report: Callable[[str], None] = _silent) -> "Endpoint":
        """Load every version of the deployment and prove it on its sample rows.

        Parameters
        ----------
        report
            Told each of `CONDITIONS` when it holds.

        Raises
        ------
        MissingError, CorruptError
            A package is absent or damaged, or scores its sample rows otherwise here.
        RefusedError
            A package holds code, and the settings do not trust it.
        InvalidError
            Two versions take different inputs.
        """
        found = {route.version: packages.load(workspace, route.package) for route in deployment.routes}
        report("verified")
        target = _target(workspace) if any(not package.manifest.inert for package in found.values()) else None
        scorers = {version: _scorer(workspace, version, package, target) for version, package in found.items()}
        report("loaded")
        for version, package in found.items():
            scorers[version].warm_up(package)
        report("warmed_up")
        return cls.of(deployment, scorers, target)

    @classmethod
    def of(cls, deployment: Deployment, scorers: dict[int, Scorer], target: Target | None = None) -> "Endpoint":
        """An endpoint of scorers that are loaded already."""
        first = scorers[deployment.routes[0].version]
        for scorer in scorers.values():
            if scorer.inputs != first.inputs:
                versions = f"versions {first.version} and {scorer.version} of {deployment.endpoint!r}"
                raise InvalidError(f"{versions} take different inputs", hint="deploy one of them alone, under this or another endpoint")
        return cls(deployment, scorers, first.inputs, first.signature.outputs, target)

    def scorer(self, request_id: str, version: int = 0) -> Scorer:
        """The scorer for a request: of the version it asks for, or of the deployment's choice."""
        number = version or self.deployment.choose(request_id)
        if number not in self.scorers:
            known = ", ".join(str(each) for each in sorted(self.scorers))
            raise MissingError(f"endpoint {self.deployment.endpoint!r} does not serve version {number}", hint=f"it serves {known}")
        return self.scorers[number]

    def predict(
        self, columns: Columns, at_us: "NDArray[np.int64] | int | None" = None, *, request_id: str = "", version: int = 0
    ) -> Answer:
        """The outputs for rows of keys and request columns, as of `at_us` (microseconds since 1970, one or one a row); now by default."""
        self.inputs.check_names(columns, "the request")
        return self.scorer(request_id, version).score(columns, moments(at_us, rows_of(columns, "the request")))

    def close(self) -> None:
        """Let go of what a target holds."""
        if self.target is not None:
            self.target.close()

    def __enter__(self) -> "Endpoint":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def moments(at_us: "NDArray[np.int64] | int | None", rows: int) -> NDArray[np.int64]:
    """One moment for each row."""
    if isinstance(at_us, np.ndarray):
        return at_us
    return np.full(rows, time.time_ns() // 1000 if at_us is None else at_us, dtype=np.int64)


def _scorer(workspace: "Workspace", version: int, package: Package, target: Target | None) -> Scorer:
    servable = load_servable(package, workspace.plugins, trust_code=workspace.settings.serving.trust_code, target=target)
    if package.manifest.plan is None:
        return Scorer(version, servable)
    plan = ReadPlan.from_json(package.manifest.plan)
    lacking = [name for name in servable.signature.inputs.names if name not in plan.features]
    if lacking:
        raise CorruptError(f"the read plan of package {package.digest[:12]} lacks the model's input {lacking[0]!r}", field=lacking[0])
    return Scorer(version, servable, plan, open_reader(workspace, plan), workspace.settings.serving.features_s)


def _target(workspace: "Workspace") -> Target | None:
    if not workspace.settings.serving.trust_code:
        return None  # the loader refuses, and says which setting would allow it
    kind: Any = workspace.plugins.load("targets", "process", "target")
    opened: Target = kind.open(workspace)
    return opened
