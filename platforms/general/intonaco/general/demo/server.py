"""A server of its own process, for as long as the job needs it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from intonaco.core.errors import UnavailableError

__all__ = ["running"]

_STOP_S = 20.0


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """`intonaco serve` on a free port, ready for requests; the URL."""
    command = [sys.executable, "-P", "-m", "intonaco.infra.platform.cli", "-C", str(folder), "serve", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as server:
        try:
            yield _url(server)
        finally:
            server.terminate()
            try:
                server.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                server.kill()


def _url(server: "subprocess.Popen[str]") -> str:
    assert server.stdout is not None
    told = server.stdout.readline()
    if not told:
        raise UnavailableError(f"the server ended with {server.wait(_STOP_S)} before it was ready", hint="its errors are above")
    return str(json.loads(told)["url"])
