"""The server over HTTP, asked as strangers ask it."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

from intonaco.core.errors import PortInUseError, RefusedError
from intonaco.infra.serving.endpoints.deployments import Deployments
from intonaco.infra.serving.ledger.ledger import Ledger
from intonaco.infra.serving.server.server import listen, serve
from intonaco.infra.testing.doubling import FAIL
from intonaco.infra.testing.servers import RunningServer, deploy_multiplier, running_server
from intonaco.infra.workspace import Workspace

pytest_plugins = ("intonaco.infra.testing.servers",)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, doubling: None) -> Iterator[Workspace]:
    """One workspace, and below one server, for all tests that leave both as they found them."""
    with Workspace.open(tmp_path_factory.mktemp("workspace")) as workspace:
        yield workspace


@pytest.fixture(scope="module")
def server(served: Workspace) -> Iterator[RunningServer]:
    deploy_multiplier(served, wait_s=0)
    with running_server(served.root) as server:
        server.wait_ready("twice")
        yield server


def two(*x: float | None) -> dict[str, tuple[str, list[object]]]:
    return {"x": ("FP64", list(x)), "note": ("BYTES", ["a"] * len(x))}


def send_again_and_again(connection: socket.socket, data: bytes) -> None:
    for _ in range(4000):
        connection.sendall(data)


@pytest.mark.slow
class TestServer:
    def test_tritonclient_reads_metadata_and_health_and_scores(self, server: RunningServer) -> None:
        http = pytest.importorskip("tritonclient.http")
        client = http.InferenceServerClient(server.address)
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("twice")
        assert client.is_model_ready("twice", "1")
        assert [each["name"] for each in client.get_model_metadata("twice")["inputs"]] == ["x", "note"]
        x, note = http.InferInput("x", [2], "FP64"), http.InferInput("note", [2], "BYTES")
        x.set_data_from_numpy(np.array([0.1, 0.2]), binary_data=False)
        note.set_data_from_numpy(np.array(["a", "ü"], dtype=object), binary_data=False)
        answer = client.infer("twice", [x, note], request_id="7", outputs=[http.InferRequestedOutput("y", binary_data=False)])
        assert (answer.as_numpy("y").tolist(), answer.get_response()["id"]) == ([0.2, 0.4], "7")
        client.close()

    def test_binary_tensors_are_refused_with_what_to_do(self, server: RunningServer) -> None:
        http = pytest.importorskip("tritonclient.http")
        client = http.InferenceServerClient(server.address)
        x = http.InferInput("x", [1], "FP64")
        x.set_data_from_numpy(np.array([0.1]))
        with pytest.raises(http.InferenceServerException, match="binary tensors are not taken"):
            client.infer("twice", [x])
        client.close()
        status, told = server.ask("POST", "/v2/models/twice/infer", b"{}", {"inference-header-content-length": "2"})
        assert (status, "binary_data=False" in told["hint"]) == (415, True)

    @pytest.mark.parametrize(
        ("method", "path", "headers", "status"),
        [
            ("GET", "/v2", {}, 200),
            ("GET", "/v2/health/live", {}, 200),
            ("GET", "/v2/health/ready", {}, 200),
            ("GET", "/v2/models/twice/versions/1", {}, 200),
            ("GET", "/v2/models/twice/versions/9", {}, 404),
            ("GET", "/v2/models/other", {}, 404),
            ("GET", "/v2/models/twice/../../etc/passwd", {}, 404),
            ("GET", "/v2/models/%2e%2e%2ftwice", {}, 404),
            ("GET", "/metrics", {}, 200),
            ("GET", "/", {}, 404),
            ("GET", "/v2/models/twice/infer", {}, 405),
            ("POST", "/v2/health/live", {}, 405),
            ("DELETE", "/v2/models/twice", {}, 405),
            ("POST", "/v2/models/twice/infer", {"content-type": "text/plain"}, 415),
            ("POST", "/v2/models/twice/infer", {"content-encoding": "gzip"}, 415),
            ("POST", "/v2/models/twice/infer", {"origin": "http://evil.example"}, 403),
            ("POST", "/v2/models/twice/infer", {"host": "evil.example"}, 403),
            ("POST", "/v2/models/twice/infer", {"content-length": "999999999"}, 413),
            ("POST", "/v2/models/twice/infer", {}, 400),
        ],
    )
    def test_each_path_answers_what_the_protocol_says(
        self, server: RunningServer, method: str, path: str, headers: dict[str, str], status: int
    ) -> None:
        answered, told = server.ask(method, path, b"" if method == "POST" else None, headers)
        assert answered == status, told
        assert status < 400 or (told["error"] and told["code"])

    def test_a_body_larger_than_the_limit_is_refused_even_without_a_length(self, server: RunningServer) -> None:
        host, port = server.address.split(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            head = f"POST /v2/models/twice/infer HTTP/1.1\r\nhost: {server.address}\r\ntransfer-encoding: chunked\r\n\r\n"
            connection.sendall(head.encode())
            chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
            for _ in range(24):
                connection.sendall(chunk)
            assert b" 413 " in connection.recv(65536).split(b"\r\n")[0]
            began = time.monotonic()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                send_again_and_again(connection, chunk)
            assert time.monotonic() - began < 4.0

    def test_endless_headers_are_cut(self, server: RunningServer) -> None:
        host, port = server.address.split(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(b"GET /v2 HTTP/1.1\r\n")
            with pytest.raises((BrokenPipeError, ConnectionResetError)):
                send_again_and_again(connection, b"x-filler: " + b"a" * 1000 + b"\r\n")

    def test_what_cannot_be_scored_tells_an_id_and_no_more(self, server: RunningServer) -> None:
        status, told = server.infer("twice", two(FAIL))
        assert (status, len(told["error_id"]), "ArithmeticError" in json.dumps(told)) == (500, 12, False)

    def test_predictions_reach_the_ledger_as_of_the_moment_that_was_asked(self, server: RunningServer, served: Workspace) -> None:
        status, told = server.infer("twice", two(1.5, None) | {"x": ("FP64", [1.5, 2.5])}, parameters={"at": "2013-10-19T18:00:00Z"})
        assert (status, told["outputs"][0]["data"]) == (200, [3.0, 5.0])
        time.sleep(1.5)
        whole = Ledger(served).read("twice")
        table = whole.filter(pc.equal(whole["prediction_id"], told["parameters"]["prediction_id"]))
        assert [str(each) for each in table["predicted_at"].to_pylist()] == ["2013-10-19 18:00:00+00:00"] * 2
        assert table["output.y"].to_pylist() == [3.0, 5.0]

    def test_deploying_to_a_running_server_returns_when_it_is_ready(self, server: RunningServer, served: Workspace) -> None:
        assert deploy_multiplier(served, "thrice", 3.0).state == "ready"
        assert server.infer("thrice", two(2.0))[1]["outputs"][0]["data"] == [6.0]

    def test_a_removed_endpoint_is_gone(self, server: RunningServer, served: Workspace) -> None:
        deploy_multiplier(served, "thrice", 3.0)
        Deployments(served).remove("thrice")
        for _ in range(100):
            if server.infer("thrice", two(1.0))[0] == 404:
                break
            time.sleep(0.05)
        assert server.infer("thrice", two(1.0))[0] == 404
        assert server.infer("twice", two(1.0))[0] == 200

    def test_a_port_in_use_is_told(self, server: RunningServer, served: Workspace) -> None:
        with pytest.raises(PortInUseError, match="in use"):
            serve(served, port=int(server.address.split(":")[1]))


@pytest.mark.slow
def test_with_nothing_deployed_it_lives_and_is_not_ready(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        assert server.ask("GET", "/v2/health/live")[0] == 200
        status, told = server.ask("GET", "/v2/health/ready")
        assert (status, told["code"]) == (503, "empty")


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_beyond_loopback_it_does_not_start_without_a_token(host: str) -> None:
    with pytest.raises(RefusedError, match="token"):
        listen(host, 0, has_token=False)


def test_localhost_is_loopback() -> None:
    for each in listen("localhost", 0, has_token=False):
        assert each.getsockname()[0] in ("127.0.0.1", "::1")
        each.close()
