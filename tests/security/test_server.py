"""The server refuses whom it does not know, on every path, and is reached from this machine alone unless told otherwise."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from intonaco.core.errors import RefusedError
from intonaco.infra.serving.server.server import serve
from intonaco.infra.testing.servers import RunningServer, deploy_multiplier, running_server
from intonaco.infra.workspace import Workspace

pytest_plugins = ("intonaco.infra.testing.servers",)
pytestmark = pytest.mark.slow

TOKEN = "a-token-of-the-tests"
PATHS = (
    *("/", "/v2", "/v2/", "/v2/models/twice", "/v2/models/twice/ready", "/v2/models/twice/versions/1", "/v2/models/twice/versions/1/ready"),
    *("/v2/models/twice/infer", "/v2/models/twice/versions/1/infer", "/v2/models/nothing", "/metrics", "/nowhere"),
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, doubling: None) -> Iterator[Workspace]:
    with Workspace.open(tmp_path_factory.mktemp("workspace")) as workspace:
        yield workspace


@pytest.fixture(scope="module")
def server(served: Workspace) -> Iterator[RunningServer]:
    deploy_multiplier(served, wait_s=0)
    with running_server(served.root, serving__token=TOKEN) as server:
        yield server


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_without_the_token_every_path_and_verb_is_closed(server: RunningServer, method: str) -> None:
    for path in PATHS:
        assert server.ask(method, path, b"{}", {"authorization": "Bearer wrong"})[0] == 401, (method, path)
        assert server.ask(method, path, b"{}")[0] == 401, (method, path)


def test_the_health_of_the_server_is_open(server: RunningServer) -> None:
    assert server.ask("GET", "/v2/health/live")[0] == 200
    assert server.ask("GET", "/v2/health/ready")[0] in (200, 503)


@pytest.mark.parametrize("headers", [{"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}])
def test_a_foreign_page_is_refused_even_with_the_token(server: RunningServer, headers: dict[str, str]) -> None:
    for path in (*PATHS, "/v2/health/ready"):
        assert server.ask("GET", path, None, {"authorization": f"Bearer {TOKEN}", **headers})[0] == 403


def test_the_token_stands_in_no_argument_and_no_variable_of_any_process(server: RunningServer) -> None:
    for process in psutil.Process(server.process.pid).children(recursive=True):
        assert TOKEN not in " ".join(process.cmdline())
        assert TOKEN not in str(process.environ())


def test_every_listener_is_loopback(server: RunningServer) -> None:
    processes = [psutil.Process(server.process.pid), *psutil.Process(server.process.pid).children(recursive=True)]
    listening = [each for process in processes for each in process.net_connections("inet") if each.status == psutil.CONN_LISTEN]
    assert listening
    assert {each.laddr.ip for each in listening} == {"127.0.0.1"}


def test_beyond_loopback_it_refuses_to_start_without_a_token(tmp_path: Path) -> None:
    with Workspace.open(tmp_path) as workspace, pytest.raises(RefusedError, match="token"):
        serve(workspace, host="0.0.0.0", port=0)
