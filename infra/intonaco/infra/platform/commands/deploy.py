"""`intonaco deploy`: serve a version of a model."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from intonaco.infra.platform.answers import Answer, answering
from intonaco.infra.platform.cli import open_platform

if TYPE_CHECKING:
    from intonaco.infra.platform.platform import Platform
    from intonaco.infra.serving.endpoints.deployment import Route

__all__ = ["deploy"]


@click.command()
@click.argument("endpoint")
@click.argument("version", default="")
@click.option("--wait", "wait_s", default=30.0, show_default=True, help="Seconds to wait until running servers are ready.")
@click.option("--remove", is_flag=True, help="Serve the endpoint no more.")
@answering
def deploy(endpoint: str, version: str, wait_s: float, remove: bool) -> Answer:
    """Serve VERSION (eta@3, by default the newest of the model named like ENDPOINT)."""
    with open_platform() as platform:
        if remove:
            platform.deployments.remove(endpoint)
            return Answer(data={"endpoint": endpoint, "state": "removed"}, lines=[f"{endpoint} is served no more."], next="intonaco status")
        deployed = platform.deploy(endpoint, version, wait_s=wait_s)
        fed = _fed(platform, deployed.deployment.routes)
    versions = [f"{route.model}@{route.version}" for route in deployed.deployment.routes]
    data = {"endpoint": endpoint, "versions": versions, "state": deployed.state, "generation": deployed.deployment.generation}
    empty = [each for each in fed if not each["filled"]]
    following = empty[0]["command"] if empty else "intonaco serve" if deployed.state == "waiting" else deployed.hint
    lines = [f"{endpoint} is to serve {', '.join(versions)}: {deployed.state}."]
    lines += [f"{each['view']} holds nothing online yet: its features are missing, or their defaults." for each in empty]
    shown = [{name: each[name] for name in ("view", "source", "fed_by", "online_until")} for each in fed]
    return Answer(data={**data, "pipelines": fed}, lines=lines, rows=shown, next=following)


def _fed(platform: "Platform", routes: "Sequence[Route]") -> list[dict[str, Any]]:
    """What feeds the features of the versions that are routed to, each view once."""
    from intonaco.infra.features.store import FeatureStore
    from intonaco.infra.platform.pipelines import pipelines, plan_of

    plans = [plan_of(platform.workspace, route.package) for route in routes]
    found = [each for plan in plans if plan is not None for each in pipelines(FeatureStore(platform.workspace, plan.project), plan)]
    return list({each["view"]: each for each in found}.values())
