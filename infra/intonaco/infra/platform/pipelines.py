"""What feeds the features that a version of a model reads: told when it is deployed, before it answers of nothing."""

from typing import TYPE_CHECKING, Any

from intonaco.infra.platform.moments import iso

if TYPE_CHECKING:
    from intonaco.infra.features.online.plan import ReadPlan
    from intonaco.infra.features.store import FeatureStore

__all__ = ["pipelines", "plan_of"]


def plan_of(workspace: Any, package: str) -> "ReadPlan | None":
    """The read plan that a package holds; None if its model reads no features."""
    from intonaco.infra.features.online.plan import ReadPlan
    from intonaco.infra.serving.packages.packages import load

    held = load(workspace, package).manifest.plan
    return None if held is None else ReadPlan.from_json(held)


def pipelines(store: "FeatureStore", plan: "ReadPlan") -> list[dict[str, Any]]:
    """For each view of a plan its source, what feeds it online, until when it is filled, and the command that goes on with it."""
    return [_pipeline(store, each.view, each.version) for each in plan.views]


def _pipeline(store: "FeatureStore", name: str, version: int) -> dict[str, Any]:
    from intonaco.infra.features.defined.sources import StreamSource
    from intonaco.infra.features.defined.views import FeatureView

    applied = store.registry.find("view", name, version)
    view = applied.definition if applied is not None and isinstance(applied.definition, FeatureView) else None
    pushed = store.progress(name, version, "push").mark().sequence > 0
    until = iso(store.progress(name, version, "online").mark().until_us)
    streamed = view is not None and isinstance(view.source, StreamSource)
    fed_by = "stream" if streamed else "pushes" if pushed else "materialize"
    verb = "consume" if streamed else "materialize"
    source = "" if view is None else f"{'topic' if streamed else 'table'}:{store.project}/{view.source.table}"
    told = {"view": f"{name}@{version}", "source": source, "fed_by": fed_by, "filled": pushed or until is not None}
    return {**told, "online_until": None if pushed else until, "command": f"intonaco features {verb} {name}@{version}"}
