"""Server CPU per request over HTTP, all processes, beside a bare hello-world on the same server stack.

`python benchmarks/serving.py [--seconds 2] [--rounds 3]` prints a JSON line for each system, connections and rows.
"""

import argparse
import asyncio
import functools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

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
from intonaco.infra.serving.server import serve
from intonaco.infra.workspace import Workspace

with Workspace.open(sys.argv[2]) as workspace:
    serve(workspace, port=int(sys.argv[1]))
"""
COLUMNS = 10


def make_workspace(root: Path) -> None:
    """A workspace with one deployed LightGBM model of ten columns and a hundred trees."""
    import lightgbm
    import numpy as np

    from intonaco.core.schema import Field, Schema
    from intonaco.infra.serving import packages
    from intonaco.infra.serving.deployment import Route
    from intonaco.infra.serving.deployments import Deployments
    from intonaco.infra.serving.servable import Signature
    from intonaco.infra.workspace import Workspace

    rng = np.random.default_rng(0)
    x = rng.normal(size=(5000, COLUMNS))
    booster = lightgbm.train({"objective": "regression", "verbose": -1}, lightgbm.Dataset(x, x[:, 0] * 3 + x[:, 1]), 100)
    inputs = Schema(tuple(Field(f"f{i}", "float64", nullable=True) for i in range(COLUMNS)))
    signature = Signature(inputs=inputs, outputs=Schema.of(y="float64"))
    with Workspace.open(root) as workspace:
        package = packages.build(workspace, booster, signature, samples={f"f{i}": x[:16, i].copy() for i in range(COLUMNS)})
        Deployments(workspace).deploy("eta", Route(version=1, package=package.digest), wait_s=0)


def body(rows: int) -> bytes:
    """A request of so many rows."""
    inputs = []
    for i in range(COLUMNS):
        data = [0.1 * i + 0.01 * r for r in range(rows)]
        inputs.append({"name": f"f{i}", "shape": [rows], "datatype": "FP64", "data": data})
    return json.dumps({"inputs": inputs}, separators=(",", ":")).encode()


@contextmanager
def running(code: str, port: int, path: str, *arguments: str) -> Iterator[psutil.Process]:
    """A server, until the context ends; it answers when the context begins."""
    with tempfile.NamedTemporaryFile("w", suffix=".py") as script:
        script.write(code)
        script.flush()
        process = subprocess.Popen([sys.executable, script.name, str(port), *arguments])
        try:
            asyncio.run(answers(port, path))
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(30)


async def answers(port: int, path: str) -> None:
    """Wait until the path answers 200."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
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


class Caller(asyncio.Protocol):
    """One connection that asks again as soon as it is answered."""

    def __init__(self, request: bytes) -> None:
        self.request, self.done, self.stopped, self.held = request, 0, False, b""
        self.latencies: list[float] = []
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self.asked = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        held = self.held + data
        head = held.find(b"\r\n\r\n")
        if head < 0:
            self.held = held
            return
        start = held.index(b"content-length: ") + 16
        if len(held) < head + 4 + int(held[start : held.index(b"\r", start)]):
            self.held = held
            return
        assert held.startswith(b"HTTP/1.1 200"), held[:300]
        self.held = b""
        self.done += 1
        self.latencies.append(time.perf_counter() - self.asked)
        if self.stopped:
            self.transport.close()
            self.ended.set_result(None)
        else:
            self.ask()


def _same(caller: Caller) -> Caller:
    return caller


async def load(port: int, path: str, payload: bytes, connections: int, seconds: float) -> tuple[int, list[float]]:
    """How many requests were answered, and how long each took."""
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\ncontent-length: {len(payload)}\r\n\r\n"
    loop = asyncio.get_running_loop()
    callers = [Caller(head.encode() + payload) for _ in range(connections)]
    for caller in callers:
        await loop.create_connection(functools.partial(_same, caller), "127.0.0.1", port)
    await asyncio.sleep(seconds)
    for caller in callers:
        caller.stopped = True
    await asyncio.wait_for(asyncio.gather(*(caller.ended for caller in callers)), 30)
    return sum(caller.done for caller in callers), sorted(each for caller in callers for each in caller.latencies)


def tree(server: psutil.Process) -> list[psutil.Process]:
    """All processes of a server."""
    return [server, *server.children(recursive=True)]


def cpu(server: psutil.Process) -> float:
    """Seconds of CPU of all processes of a server."""
    return sum(sum(process.cpu_times()[:2]) for process in tree(server))


def measure(server: psutil.Process, port: int, path: str, rows: int, connections: int, seconds: float) -> dict[str, float]:
    """One run under load."""
    before, began = cpu(server), time.perf_counter()
    n, latencies = asyncio.run(load(port, path, body(rows), connections, seconds))
    wall, spent = time.perf_counter() - began, cpu(server) - before
    peak = sum(process.memory_info().rss for process in tree(server)) / 1e6
    p50, p99 = latencies[n // 2] * 1e3, latencies[n * 99 // 100] * 1e3
    return {"n": n, "cpu_s": spent, "wall_s": wall, "peak_mb": peak, "p50_ms": p50, "p99_ms": p99}


def main() -> None:
    """Measure every case."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, default=8470)
    parser.add_argument("--only", default="", help="CONNECTIONSxROWS")
    given = parser.parse_args()
    cases = [(connections, rows) for rows in (1, 64) for connections in (1, 16, 64)]
    if given.only:
        cases = [tuple(int(part) for part in given.only.split("x"))]  # type: ignore[misc]
    with tempfile.TemporaryDirectory() as folder:
        make_workspace(Path(folder))
        hello, ours = given.port, given.port + 1
        with running(HELLO, hello, "/") as floor, running(SERVE, ours, "/v2/health/ready", folder) as server:
            for connections, rows in cases:
                systems = (("hello", floor, hello, "/"), ("intonaco", server, ours, "/v2/models/eta/infer"))
                compare(systems, connections, rows, given.seconds, given.rounds)


def compare(systems: tuple[tuple[str, psutil.Process, int, str], ...], connections: int, rows: int, seconds: float, rounds: int) -> None:
    """Both systems in turns; each one's round of least CPU per request."""
    best: dict[str, dict[str, float]] = {}
    for _ in range(rounds):
        for name, server, port, path in systems:
            found = measure(server, port, path, rows, connections, seconds)
            if name not in best or found["cpu_s"] / found["n"] < best[name]["cpu_s"] / best[name]["n"]:
                best[name] = found
    floor = best["hello"]["cpu_s"] / best["hello"]["n"]
    for name, found in best.items():
        each = found["cpu_s"] / found["n"]
        numbers = {key: round(value, 4) for key, value in found.items()}
        bench = f"serving_{connections}_connections_{rows}_rows"
        told = {"bench": bench, "system": name, **numbers, "cpu_us": round(each * 1e6, 1), "ratio": round(each / floor, 2)}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
