"""Functions that the conformance class of task engines calls in workers; here, since the kit needs pytest and they do not."""

import ctypes
import os
import sys
import time
from pathlib import Path
from typing import Any

from intonaco.core.errors import SchemaError, UnavailableError
from intonaco.infra.compute.tasks import report_progress

__all__: list[str] = []


def echo(value: Any) -> Any:
    """The value."""
    return value


def process() -> int:
    """The number of the process."""
    return os.getpid()


def variable(name: str) -> str | None:
    """A variable of the process's environment."""
    return os.environ.get(name)


def refuse() -> None:
    """Raise one of our errors."""
    raise SchemaError("a column is missing", hint="add it", field="origin")


def stumble() -> None:
    """Raise somebody else's error."""
    raise KeyError("origin")


def unplain() -> Any:
    """A value that cannot travel."""
    return {"rows": [(1, 2)]}


def crash() -> None:
    """End by a segmentation fault."""
    ctypes.string_at(0)


def leave(code: int) -> None:
    """End without a word."""
    os._exit(code)


def spin() -> None:
    """Never return."""
    while True:
        pass


def hold(seconds: float) -> float:
    """Hold the interpreter's lock in foreign code."""
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))
    return seconds


def rest(seconds: float) -> float:
    """Sleep."""
    time.sleep(seconds)
    return seconds


def hoard() -> None:
    """Take ever more memory."""
    kept = []
    while True:
        kept.append(bytearray(8 * 1024 * 1024))


def crash_until(folder: str, attempts: int) -> int:
    """Crash until called this often, then tell how often that was."""
    done = _count(folder)
    if done < attempts:
        crash()
    return done


def unavailable_until(folder: str, attempts: int) -> int:
    """Raise UnavailableError until called this often, then tell how often that was."""
    done = _count(folder)
    if done < attempts:
        raise UnavailableError("the store does not answer")
    return done


def _count(folder: str) -> int:
    (Path(folder) / f"{time.time_ns()}").touch()
    return len(list(Path(folder).iterdir()))


def climb(total: int) -> None:
    """Report progress."""
    for done in range(1, total + 1):
        report_progress(done, total, "up")


def chatter() -> str:
    """Print much, which must not come between the frames."""
    print("to the log " * 10_000)  # noqa: T201
    print("to the log " * 10_000, file=sys.stderr)  # noqa: T201
    return "said"
