"""A server as a process of its own, for tests that ask it over HTTP, and fixtures for it.

A test module that says `pytest_plugins = ("intonaco.infra.testing.servers",)` has the fixtures `doubling` and `served`.
"""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from intonaco.infra.serving.endpoints.deployment import Route
from intonaco.infra.serving.endpoints.deployments import Deployed, Deployments
from intonaco.infra.testing.doubling import build_multiplier, offer_doubling
from intonaco.infra.workspace import Workspace

__all__ = ["RunningServer", "deploy_multiplier", "doubling", "running_server", "served"]

_CODE = """
import json, sys
from intonaco.infra.serving.server.server import serve
from intonaco.infra.workspace import Workspace

asked = json.loads(sys.argv[1])
with Workspace.open(asked["root"], overrides=asked["overrides"]) as workspace:
    serve(workspace, port=0, overrides=asked["overrides"], on_ready=lambda *told: print(json.dumps(told), flush=True))
"""
_TIMEOUT_S = 30.0

Answer = tuple[int, dict[str, Any]]


@define(eq=False)
class RunningServer:
    """A server that takes requests."""

    process: "subprocess.Popen[str]" = field(repr=False)
    url: str
    grpc_address: str = ""

    @property
    def address(self) -> str:
        """Host and port."""
        return self.url.removeprefix("http://")

    def ask(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Status and JSON of an answer, on a connection of its own."""
        connection = http.client.HTTPConnection(self.address, timeout=_TIMEOUT_S)
        try:
            connection.request(method, path, body, {"content-type": "application/json", **(headers or {})})
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text.startswith((b"{", b"[")) else {"text": text.decode()}
        finally:
            connection.close()

    def infer(self, endpoint: str, inputs: Mapping[str, tuple[str, Sequence[Any]]], **more: Any) -> Answer:
        """Ask an endpoint; inputs are names to datatype and values, one per row."""
        tensors = [{"name": n, "datatype": kind, "shape": [len(values)], "data": list(values)} for n, (kind, values) in inputs.items()]
        return self.ask("POST", f"/v2/models/{endpoint}/infer", json.dumps({"inputs": tensors, **more}).encode())

    def wait_ready(self, endpoint: str, timeout_s: float = _TIMEOUT_S) -> None:
        """Wait until the endpoint answers."""
        until = time.monotonic() + timeout_s
        while self.ask("GET", f"/v2/models/{endpoint}/ready")[0] != 200:
            if time.monotonic() > until:
                raise TimeoutError(f"{endpoint} is not ready after {timeout_s:g} s: {self.ask('GET', '/v2/health/ready')}")
            time.sleep(0.02)


@contextmanager
def running_server(root: Path, **overrides: Any) -> Iterator[RunningServer]:
    """Serve a workspace on a free port until the context ends; overrides are settings, with `__` for the dots."""
    asked = {"root": str(root), "overrides": {key.replace("__", "."): value for key, value in overrides.items()}}
    process = subprocess.Popen([sys.executable, "-c", _CODE, json.dumps(asked)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield RunningServer(process, *json.loads(process.stdout.readline() or '[""]'))
    finally:
        process.terminate()
        try:
            process.wait(_TIMEOUT_S)
        finally:
            process.kill()
            process.wait(10)
            if process.stdout is not None:
                process.stdout.close()


def deploy_multiplier(
    workspace: Workspace, endpoint: str = "twice", factor: float = 2.0, *, version: int = 1, wait_s: float = 30.0
) -> Deployed:
    """Deploy the model of `testing.doubling` alone under an endpoint."""
    package = build_multiplier(workspace, factor)
    return Deployments(workspace).deploy(endpoint, Route(version=version, package=package.digest), wait_s=wait_s)


@pytest.fixture(scope="module")
def doubling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The flavor `doubling` is installed, here and in every process that is started, for the tests of one module."""
    folder = tmp_path_factory.mktemp("plugins")
    offer_doubling(folder)
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(folder))
        patched.setenv("PYTHONPATH", os.pathsep.join(part for part in (str(folder), os.environ.get("PYTHONPATH", "")) if part))
        yield


@pytest.fixture
def served(tmp_path: Path, doubling: None) -> Iterator[Workspace]:
    """A workspace in which packages of the flavor `doubling` can be made."""
    root = tmp_path / "workspace"
    root.mkdir()
    with Workspace.open(root) as workspace:
        yield workspace
