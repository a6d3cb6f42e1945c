"""`intonaco deploy`: serve a version of a model."""

import click

from intonaco.infra.platform.answers import Answer, answering
from intonaco.infra.platform.cli import open_platform

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
    versions = [f"{route.model}@{route.version}" for route in deployed.deployment.routes]
    data = {"endpoint": endpoint, "versions": versions, "state": deployed.state, "generation": deployed.deployment.generation}
    following = "intonaco serve" if deployed.state == "waiting" else deployed.hint
    return Answer(data=data, lines=[f"{endpoint} is to serve {', '.join(versions)}: {deployed.state}."], next=following)
