"""What the server keeps to while its processes are killed, hang, are swapped, flooded and shut down."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException
from typing import Any

import psutil
import pytest
from attrs import define, field

from intonaco.core.errors import UnavailableError
from intonaco.infra.serving.endpoints.deployment import Route
from intonaco.infra.serving.endpoints.deployments import Deployments
from intonaco.infra.serving.ledger.ledger import Ledger
from intonaco.infra.storage.blobs import SupportsPath, blob_name
from intonaco.infra.testing.doubling import HANG, KILL, build_multiplier
from intonaco.infra.testing.servers import RunningServer, deploy_multiplier, running_server
from intonaco.infra.workspace import Workspace

pytest_plugins = ("intonaco.infra.testing.servers",)
pytestmark = pytest.mark.slow
Told = tuple[float, int, dict[str, Any]]


@pytest.fixture
def server(served: Workspace) -> Iterator[RunningServer]:
    deploy_multiplier(served, wait_s=0)
    with running_server(served.root) as server:
        server.wait_ready("twice")
        yield server


@pytest.fixture
def hasty(served: Workspace) -> Iterator[RunningServer]:
    """A server with a short deadline."""
    deploy_multiplier(served, wait_s=0)
    with running_server(served.root, serving__deadline_s=1.5) as server:
        server.wait_ready("twice")
        yield server


def inputs(x: float) -> dict[str, tuple[str, list[Any]]]:
    return {"x": ("FP64", [x]), "note": ("BYTES", ["a"])}


def body(x: float) -> bytes:
    tensors = [{"name": name, "datatype": kind, "shape": [1], "data": data} for name, (kind, data) in inputs(x).items()]
    return json.dumps({"inputs": tensors}).encode()


def workers(server: RunningServer) -> list[psutil.Process]:
    children = psutil.Process(server.process.pid).children(recursive=True)
    return [each for each in children if "intonaco.infra.serving.server.worker" in each.cmdline()]


@define(eq=False)
class Caller:
    """Asks again and again on one connection, until told to stop; keeps every answer with its time."""

    server: RunningServer
    endpoint: str = "twice"
    answers: list[Told] = field(factory=list)
    stopped: bool = False

    def run(self) -> None:
        connection = HTTPConnection(self.server.address, timeout=20)
        while not self.stopped:
            try:
                self.answers.append(self._ask(connection))
            except ConnectionRefusedError:
                break
            except (OSError, HTTPException) as error:
                connection.close()
                self.answers.append((time.monotonic(), 0, {"error": repr(error)}))
        connection.close()

    def _ask(self, connection: HTTPConnection) -> Told:
        x = -float(len(self.answers))
        connection.request("POST", f"/v2/models/{self.endpoint}/infer", body(x), {"content-type": "application/json"})
        answer = connection.getresponse()
        return time.monotonic(), answer.status, json.loads(answer.read())


def under_load(server: RunningServer, act: Callable[[], None], callers: int = 4, endpoint: str = "twice") -> list[Told]:
    """All answers to callers that ask before, while and after something is done."""
    asking = [Caller(server, endpoint) for _ in range(callers)]
    threads = [threading.Thread(target=each.run) for each in asking]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    try:
        act()
        time.sleep(0.5)
    finally:
        for each in asking:
            each.stopped = True
        for thread in threads:
            thread.join(30)
    return sorted((answer for each in asking for answer in each.answers), key=lambda answer: answer[0])


def test_a_killed_worker_fails_only_what_was_with_it_and_the_ledger_has_all_that_was_answered(
    server: RunningServer, served: Workspace
) -> None:
    callers = 4

    def kill() -> None:
        (worker,) = workers(server)
        os.kill(worker.pid, signal.SIGKILL)
        time.sleep(2.0)

    answers = under_load(server, kill, callers)
    failed = [answer for answer in answers if answer[1] != 200]
    assert len(failed) <= callers
    assert all(status == 503 and told["code"] == "worker_died" for _, status, told in failed)
    assert answers[-1][1] == 200
    server.process.terminate()
    assert server.process.wait(30) == 0
    kept = set(Ledger(served).read("twice")["prediction_id"].to_pylist())
    assert {told["parameters"]["prediction_id"] for _, status, told in answers if status == 200} <= kept


def test_a_worker_is_back_soon_after_it_was_killed(server: RunningServer) -> None:
    (worker,) = workers(server)
    os.kill(worker.pid, signal.SIGKILL)
    began = time.monotonic()
    assert server.infer("twice", inputs(2.0))[0] in (200, 503)
    server.wait_ready("twice")
    assert server.infer("twice", inputs(2.0))[0] == 200
    assert time.monotonic() - began < 1.5 + psutil.getloadavg()[0]


def test_a_swap_under_load_fails_nothing_and_each_answer_is_of_the_version_it_names(server: RunningServer, served: Workspace) -> None:
    def swap() -> None:
        for version in (2, 3, 4):
            deploy_multiplier(served, factor=float(version), version=version)

    answers = under_load(server, swap)
    assert {status for _, status, _ in answers} == {200}
    assert {told["model_version"] for _, _, told in answers} == {"1", "2", "3", "4"}
    factors = {"1": 2.0, "2": 2.0, "3": 3.0, "4": 4.0}
    assert len(answers) > 100
    for _, _, told in answers:
        y = told["outputs"][0]["data"][0]
        assert (y / factors[told["model_version"]]).is_integer()
    for _ in range(100):
        if len(workers(server)) == 1:
            break
        time.sleep(0.1)
    assert len(workers(server)) == 1


def test_a_version_that_cannot_be_served_leaves_the_old_one_answering(server: RunningServer, served: Workspace) -> None:
    package = build_multiplier(served, 5.0)
    assert isinstance(served.blobs, SupportsPath)
    payload = served.blobs.path(blob_name(package.manifest.files["model.txt"].sha256))
    payload.chmod(0o600)
    payload.write_bytes(b"times 6.0")

    def deploy() -> None:
        with pytest.raises(UnavailableError, match=r"damaged|not the one"):
            Deployments(served).deploy("twice", Route(version=5, package=package.digest))

    answers = under_load(server, deploy)
    assert {(status, told.get("model_version")) for _, status, told in answers} == {(200, "1")}


def test_a_worker_that_hangs_is_replaced_and_other_endpoints_never_wait(hasty: RunningServer, served: Workspace) -> None:
    server = hasty
    deploy_multiplier(served, "thrice", 3.0)
    told: list[tuple[int, dict[str, Any], float]] = []

    def hang() -> None:
        began = time.monotonic()
        told.append((*server.infer("twice", inputs(HANG)), time.monotonic() - began))
        server.wait_ready("twice")
        time.sleep(0.2)

    answers = under_load(server, hang, endpoint="thrice")
    assert {status for _, status, _ in answers} == {200}
    status, answer, seconds = told[0]
    assert (status, answer["code"]) == (504, "deadline")
    assert seconds < 2.5
    until = time.monotonic() + 20
    while server.infer("twice", inputs(1.0))[0] != 200 and time.monotonic() < until:
        time.sleep(0.05)
    assert server.infer("twice", inputs(1.0))[0] == 200


def test_a_package_that_kills_its_worker_again_and_again_is_marked_bad_and_others_go_on(server: RunningServer, served: Workspace) -> None:
    deploy_multiplier(served, "thrice", 3.0)
    seen = set()

    def poison() -> None:
        for _ in range(20):
            seen.add(server.infer("twice", inputs(KILL))[0])
            if Deployments(served).get("twice").state == "bad":
                return

    answers = under_load(server, poison, endpoint="thrice")
    assert {status for _, status, _ in answers} == {200}
    assert seen <= {503, 504}
    deployed = Deployments(served).get("twice")
    assert (deployed.state, "SIGKILL" in deployed.reason) == ("bad", True)
    assert server.ask("GET", "/v2/health/live")[0] == 200


def test_a_front_end_that_dies_is_started_again(server: RunningServer) -> None:
    (front,) = [each for each in psutil.Process(server.process.pid).children() if "frontprocess" in " ".join(each.cmdline())]
    os.kill(front.pid, signal.SIGKILL)
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            if server.infer("twice", inputs(2.0))[0] == 200:
                break
        except OSError:
            pass
        time.sleep(0.1)
    assert server.infer("twice", inputs(2.0))[1]["outputs"][0]["data"] == [4.0]


def test_too_many_requests_are_told_to_come_back(served: Workspace) -> None:
    deploy_multiplier(served, wait_s=0)
    with running_server(served.root, serving__deadline_s=3.0, serving__queue_limit=2) as server:
        server.wait_ready("twice")
        told: list[int] = []
        threads = [threading.Thread(target=lambda: told.append(server.infer("twice", inputs(HANG))[0])) for _ in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        connection = HTTPConnection(server.address, timeout=10)
        began = time.monotonic()
        connection.request("POST", "/v2/models/twice/infer", body(1.0), {"content-type": "application/json"})
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("retry-after")) == (429, "1")
        assert time.monotonic() - began < 0.5
        connection.close()
        for thread in threads:
            thread.join(20)
        assert told == [504, 504]


def test_sigterm_answers_all_that_was_accepted_and_ends_in_order(server: RunningServer) -> None:
    def stop() -> None:
        server.process.terminate()
        assert server.process.wait(30) == 0

    answers = under_load(server, stop)
    assert [answer for answer in answers if answer[1] != 200] == []


def test_all_processes_end_with_the_server_even_if_it_is_killed(server: RunningServer) -> None:
    children = psutil.Process(server.process.pid).children(recursive=True)
    server.process.kill()
    server.process.wait(10)
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []
