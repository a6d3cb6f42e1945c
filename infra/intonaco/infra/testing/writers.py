"""Processes that write into a store until they are killed, and tell what was acknowledged."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from itertools import count
from types import TracebackType
from typing import Any, Self

from attrs import define, field

from intonaco.core.plugins import load_path

__all__ = ["Writer", "write"]

_VARIABLE = "INTONACO_WRITER"
_TIMEOUT_S = 120.0


@define(eq=False)
class Writer:
    """A process that keeps one number after the other, as a contract keeps them, in the store behind a URL."""

    process: "subprocess.Popen[str]"
    _told: list[int] = field(factory=list, init=False)
    _ended: bool = field(default=False, init=False)
    _news: threading.Condition = field(factory=threading.Condition, init=False)
    _listener: threading.Thread = field(init=False)

    @classmethod
    def start(cls, contract: type, opens: type, url: str, mark: str, first: int = 0, largest_file: int = 0) -> Self:
        """Start one, whose files may not grow beyond a size if that is given; the URL goes by its environment, with its password."""
        owner = next(each for each in contract.__mro__ if "keep" in vars(each))
        job = {
            "contract": _path_of(owner),
            "opens": _path_of(opens),
            "url": url,
            "mark": mark,
            "first": first,
            "largest_file": largest_file,
        }
        environ = {**os.environ, _VARIABLE: json.dumps(job), "PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
        command = [sys.executable, "-c", f"from {__name__} import write; write()"]
        return cls(
            subprocess.Popen(command, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )

    def __attrs_post_init__(self) -> None:
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def wait_for(self, acknowledged: int) -> None:
        """Wait until it has told of so many; AssertionError with what it says if it ends before."""
        with self._news:
            assert self._news.wait_for(lambda: len(self._told) >= acknowledged or self._ended, _TIMEOUT_S), "it hangs"
        if len(self._told) < acknowledged:
            errors = self.process.stderr.read() if self.process.stderr else ""
            raise AssertionError(f"a process that opened the store and wrote to it ended: {errors[-2000:]}")

    def wait(self) -> tuple[list[int], str]:
        """Wait until it has written all it was to or could; what was acknowledged, and the kind of error that ended it."""
        assert self.process.stderr is not None
        ended = self.process.stderr.read().strip().rpartition("\n")[2]
        return self.kill(), ended

    def kill(self) -> list[int]:
        """Kill it, and tell all numbers that were acknowledged."""
        self.process.kill()
        self.process.wait(_TIMEOUT_S)
        self._listener.join(_TIMEOUT_S)
        return list(self._told)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()
        for stream in (self.process.stdout, self.process.stderr):
            if stream:
                stream.close()

    def _listen(self) -> None:
        for line in self.process.stdout or ():
            if line.endswith("\n"):
                with self._news:
                    self._told.append(int(line))
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


def write() -> None:
    """What the process does: until it is killed, or, if its files may not grow, until that is felt or 100 are kept."""
    job: dict[str, Any] = json.loads(os.environ[_VARIABLE])
    contract: Any = load_path(job["contract"])
    opens: Any = load_path(job["opens"])
    store, first, largest_file = opens.open(job["url"]), job["first"], job["largest_file"]
    if largest_file:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails instead
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    for number in range(first, first + 100) if largest_file else count(first):
        try:
            contract.keep(store, job["mark"], number)
        except Exception as error:
            sys.exit(f"{number} {type(error).__name__}")
        os.write(1, b"%d\n" % number)


def _path_of(of: type) -> str:
    return f"{of.__module__}:{of.__qualname__}"
