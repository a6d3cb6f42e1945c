"""Server CPU per request over HTTP, all processes, beside a bare hello-world on the same server stack."""

import asyncio
import functools
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from attrs import frozen

from benchmarks.harness import Sample, Scale, compare
from benchmarks.loadgen import ask_for

__all__ = ["serving"]

HELLO = """
async def app(scope, receive, send):
    await receive()
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-type", b"application/json"), (b"content-length", b"17")]})
    await send({"type": "http.response.body", "body": b'{"hello":"world"}'})

if __name__ == "__main__":
    import sys, uvicorn
    uvicorn.run(app, port=int(sys.argv[1]), loop="uvloop", http="httptools", ws="none", lifespan="off", access_log=False,
                log_level="error", server_header=False)
"""
SERVE = """
import sys
from intonaco.infra.serving.server.server import serve
from intonaco.infra.workspace import Workspace

with Workspace.open(sys.argv[2]) as workspace:
    serve(workspace, port=int(sys.argv[1]))
"""
COLUMNS = 10
_START_S = 60.0


@frozen
class Server:
    """A server under measure, and the path on which it is asked."""

    process: psutil.Process
    port: int
    path: str

    def measure(self, payload: bytes, connections: int, seconds: float) -> Sample:
        """One run under load."""
        before, began = self._cpu(), time.perf_counter()
        answered = asyncio.run(ask_for(seconds, self.port, self.path, payload, connections))
        wall, spent = time.perf_counter() - began, self._cpu() - before
        return Sample(spent, wall, sum(process.memory_info().rss for process in self._processes()) / 2**20, answered)

    def _processes(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    def _cpu(self) -> float:
        return sum(sum(process.cpu_times()[:2]) for process in self._processes())


def serving(scale: Scale) -> None:
    """One row and 64 rows at 1, 16 and 64 connections that ask again as soon as they are answered; `n` is requests."""
    cases = [(1, 16)] if scale.smoke else [(rows, connections) for rows in (1, 64) for connections in (1, 16, 64)]
    with tempfile.TemporaryDirectory() as folder:
        _make_workspace(Path(folder))
        with _running(HELLO, "/", "/") as hello, _running(SERVE, "/v2/health/ready", "/v2/models/eta/infer", folder) as ours:
            for rows, connections in cases:
                _compare(hello, ours, rows, connections, scale)


def _compare(hello: Server, ours: Server, rows: int, connections: int, scale: Scale) -> None:
    seconds = 0.2 if scale.smoke else 1.2
    measures = [functools.partial(server.measure, _body(rows), connections, seconds) for server in (hello, ours)]
    reach = 2.5 if (rows, connections) == (1, 16) else None
    bench = f"serving_{rows}_{'row' if rows == 1 else 'rows'}_{connections}_{'connection' if connections == 1 else 'connections'}"
    compare(bench, dict(zip(("hello-world", "intonaco"), measures, strict=True)), n=1, rounds=scale(10 if reach else 4), reach=reach)


def _make_workspace(root: Path) -> None:
    """A workspace with one deployed LightGBM model of ten columns and a hundred trees."""
    import lightgbm
    import numpy as np

    from intonaco.core.schema import Field, Schema
    from intonaco.infra.serving.endpoints.deployment import Route
    from intonaco.infra.serving.endpoints.deployments import Deployments
    from intonaco.infra.serving.packages import packages
    from intonaco.infra.serving.packages.servable import Signature
    from intonaco.infra.workspace import Workspace

    rng = np.random.default_rng(0)
    x = rng.normal(size=(5000, COLUMNS))
    booster = lightgbm.train({"objective": "regression", "verbose": -1}, lightgbm.Dataset(x, x[:, 0] * 3 + x[:, 1]), 100)
    inputs = Schema(tuple(Field(f"f{i}", "float64", nullable=True) for i in range(COLUMNS)))
    signature = Signature(inputs=inputs, outputs=Schema.of(y="float64"))
    with Workspace.open(root) as workspace:
        package = packages.build(workspace, booster, signature, samples={f"f{i}": x[:16, i].copy() for i in range(COLUMNS)})
        Deployments(workspace).deploy("eta", Route(version=1, package=package.digest), wait_s=0)


def _body(rows: int) -> bytes:
    """A request of so many rows."""
    inputs = []
    for i in range(COLUMNS):
        data = [0.1 * i + 0.01 * r for r in range(rows)]
        inputs.append({"name": f"f{i}", "shape": [rows], "datatype": "FP64", "data": data})
    return json.dumps({"inputs": inputs}, separators=(",", ":")).encode()


@contextmanager
def _running(code: str, ready: str, path: str, *arguments: str) -> Iterator[Server]:
    """A server, until the context ends; it answers when the context begins."""
    port = _free_port()
    with tempfile.NamedTemporaryFile("w", suffix=".py") as script:
        script.write(code)
        script.flush()
        process = subprocess.Popen([sys.executable, script.name, str(port), *arguments], stdout=subprocess.DEVNULL)
        try:
            asyncio.run(_answers(process, port, ready))
            yield Server(psutil.Process(process.pid), port, path)
        finally:
            process.terminate()
            process.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _answers(process: "subprocess.Popen[bytes]", port: int, path: str) -> None:
    """Wait until the path answers 200."""
    until = time.monotonic() + _START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".encode())
            line = await reader.readline()
            writer.close()
            if b" 200 " in line:
                return
        except OSError:
            pass
        await asyncio.sleep(0.05)
    raise SystemExit(f"nothing answers on port {port}")
