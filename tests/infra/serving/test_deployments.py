import os

import numpy as np
import pytest

from intonaco.core.errors import InvalidError, MissingError, RefusedError, SchemaError, UnavailableError
from intonaco.infra.serving.endpoints.deployment import Deployment, Route
from intonaco.infra.serving.endpoints.deployments import Deployments
from intonaco.infra.serving.endpoints.endpoint import Endpoint
from intonaco.infra.serving.endpoints.states import Server, State, States
from intonaco.infra.serving.packages.code import PythonFlavor
from intonaco.infra.serving.packages.package import Package
from intonaco.infra.testing.doubling import build_multiplier
from intonaco.infra.workspace import Workspace

pytest_plugins = ("intonaco.infra.testing.servers",)
NOBODY = "0" * 64


@pytest.fixture
def package(served: Workspace) -> Package:
    return build_multiplier(served)


def server(served: Workspace, name: str = "s1") -> States:
    states = States(served.catalog)
    states.beat(Server(server=name, project="default", url="http://127.0.0.1:1", pid=os.getpid()))
    return states


@pytest.mark.slow
class TestDeployments:
    def test_without_a_server_it_says_to_start_one(self, served: Workspace, package: Package) -> None:
        deployed = Deployments(served).deploy("twice", Route(version=1, package=package.digest))
        assert (deployed.state, "intonaco serve" in deployed.hint) == ("waiting", True)

    def test_each_change_is_a_generation_and_is_told(self, served: Workspace, package: Package) -> None:
        deployments = Deployments(served)
        for version in (1, 2):
            deployments.deploy("twice", Route(version=version, package=package.digest))
        assert [(each.generation, each.routes[0].version) for each in deployments.wanted()] == [(2, 2)]
        assert [change.subject for change in served.catalog.changes("serving.deployment.default")] == ["twice", "twice"]

    def test_a_removed_endpoint_is_wanted_no_more_and_may_come_back(self, served: Workspace, package: Package) -> None:
        deployments, route = Deployments(served), Route(version=1, package=package.digest)
        deployments.deploy("twice", route)
        deployments.remove("twice")
        assert deployments.wanted() == ()
        assert deployments.deploy("twice", route).deployment.generation == 3

    def test_projects_do_not_see_each_other(self, served: Workspace, package: Package) -> None:
        Deployments(served, "maps").deploy("twice", Route(version=1, package=package.digest))
        assert Deployments(served).wanted() == ()

    def test_an_unknown_endpoint_is_missing_and_the_known_ones_named(self, served: Workspace, package: Package) -> None:
        Deployments(served).deploy("twice", Route(version=1, package=package.digest))
        with pytest.raises(MissingError, match="twice"):
            Deployments(served).remove("twicw")

    def test_a_package_that_is_not_stored_is_refused_and_nothing_changed(self, served: Workspace) -> None:
        with pytest.raises(MissingError):
            Deployments(served).deploy("twice", Route(version=1, package=NOBODY))
        assert Deployments(served).wanted() == ()

    def test_it_waits_until_a_server_is_ready(self, served: Workspace, package: Package) -> None:
        states = server(served)
        states.tell(State(server="s1", project="default", endpoint="twice", generation=1, state="ready"))
        assert Deployments(served).deploy("twice", Route(version=1, package=package.digest)).state == "ready"

    def test_it_tells_why_a_server_cannot_serve_it(self, served: Workspace, package: Package) -> None:
        state = State(server="s1", project="default", endpoint="twice", generation=1, state="failed", reason="it is blue")
        server(served).tell(state)
        with pytest.raises(UnavailableError, match="it is blue"):
            Deployments(served).deploy("twice", Route(version=1, package=package.digest))

    def test_it_gives_up_after_its_time(self, served: Workspace, package: Package) -> None:
        server(served)
        with pytest.raises(UnavailableError, match="not ready"):
            Deployments(served).deploy("twice", Route(version=1, package=package.digest), wait_s=0.1)

    def test_an_endpoint_scores_without_a_server(self, served: Workspace, package: Package) -> None:
        deployment = Deployment(project="default", endpoint="twice", routes=(Route(version=1, package=package.digest),))
        with Endpoint.open(served, deployment) as endpoint:
            answer = endpoint.predict({"x": np.array([3.0]), "note": np.array(["a"], dtype=object)})
            assert (np.asarray(answer.columns["y"]).tolist(), answer.version) == ([6.0], 1)
            with pytest.raises(SchemaError, match="note"):
                endpoint.predict({"x": np.array([3.0])})

    def test_code_is_not_loaded_where_it_is_not_trusted(self, served: Workspace) -> None:
        package = build_multiplier(served, flavor=PythonFlavor())
        deployment = Deployment(project="default", endpoint="twice", routes=(Route(version=1, package=package.digest),))
        with pytest.raises(RefusedError, match="trust"):
            Endpoint.open(served, deployment)

    def test_code_that_is_trusted_scores_in_a_process_of_its_own(self, served: Workspace) -> None:
        package = build_multiplier(served, flavor=PythonFlavor())
        deployment = Deployment(project="default", endpoint="twice", routes=(Route(version=1, package=package.digest),))
        trust = {"serving.trust_code": True}
        with Workspace.open(served.root, overrides=trust) as trusting, Endpoint.open(trusting, deployment) as endpoint:
            answer = endpoint.predict({"x": np.array([3.0]), "note": np.array(["a"], dtype=object)})
            assert np.asarray(answer.columns["y"]).tolist() == [6.0]


def test_a_request_goes_the_same_way_each_time_and_the_weights_hold_over_many() -> None:
    routes = (Route(version=1, package=NOBODY, weight=3), Route(version=2, package=NOBODY, weight=1))
    deployment = Deployment(project="default", endpoint="eta", routes=routes)
    chosen = [deployment.choose(f"request {number}") for number in range(4000)]
    assert chosen == [deployment.choose(f"request {number}") for number in range(4000)]
    assert chosen.count(1) == pytest.approx(3000, abs=120)


def test_a_deployment_reads_back_as_it_was_written() -> None:
    routes = (Route(version=1, package=NOBODY, model="eta", weight=0.5), Route(version=2, package=NOBODY))
    deployment = Deployment(project="maps", endpoint="eta", routes=routes, generation=7)
    assert Deployment.from_json(deployment.to_json()) == deployment


@pytest.mark.parametrize(
    "wrong",
    [
        {"routes": ()},
        {"routes": (Route(version=1, package=NOBODY),) * 2},
        {"endpoint": "../x"},
        {"endpoint": "x" * 101},
        {"project": "a/b"},
    ],
)
def test_a_deployment_that_cannot_work_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidError):
        Deployment(**{"project": "default", "endpoint": "eta", "routes": (Route(version=1, package=NOBODY),), **wrong})  # type: ignore[arg-type]


def test_a_weight_that_is_not_positive_is_refused() -> None:
    with pytest.raises(InvalidError):
        Route(version=1, package=NOBODY, weight=0)
