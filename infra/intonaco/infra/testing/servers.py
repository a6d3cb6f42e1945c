"""A server as a process of its own, for tests that ask it over HTTP."""

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import define, field

__all__ = ["RunningServer", "running_server"]

_CODE = """
import json, sys
from intonaco.infra.serving.server import serve
from intonaco.infra.workspace import Workspace

asked = json.loads(sys.argv[1])
with Workspace.open(asked["root"], overrides=asked["overrides"]) as workspace:
    serve(workspace, port=0, overrides=asked["overrides"], on_ready=lambda url: print(url, flush=True))
"""
_TIMEOUT_S = 30.0

Answer = tuple[int, dict[str, Any]]


@define(eq=False)
class RunningServer:
    """A server that takes requests."""

    process: "subprocess.Popen[str]" = field(repr=False)
    url: str

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
        yield RunningServer(process, process.stdout.readline().strip())
    finally:
        process.terminate()
        try:
            process.wait(_TIMEOUT_S)
        finally:
            process.kill()
            process.wait(10)
            if process.stdout is not None:
                process.stdout.close()
