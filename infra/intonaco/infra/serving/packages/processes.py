"""The target `process`: a package with code scores in a process of its own, which is given columns and nothing else."""

import functools
import logging
import os
import select
import signal
import struct
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import msgspec
from attrs import define, field

from intonaco.core.columns import Column, Columns
from intonaco.core.errors import CorruptError, DeadlineError, UnavailableError
from intonaco.infra.compute.tasks import Resources
from intonaco.infra.serving.packages.package import Package
from intonaco.infra.serving.packages.servable import Servable, Signature
from intonaco.infra.serving.packages.target import Target
from intonaco.infra.serving.wire.columnframes import pack, unpack

if TYPE_CHECKING:
    from intonaco.infra.workspace import Workspace

__all__ = ["LENGTH", "ProcessServable", "ProcessTarget", "Task", "Told"]

_LOG = logging.getLogger(__name__)
LENGTH = struct.Struct("<I")
LOAD_S = 120.0
_ANSWER_LIMIT_BYTES = 1 << 30


class Task(msgspec.Struct):
    """What the process is given first: a package, and how much memory it may take."""

    manifest: bytes
    files: dict[str, bytes]
    memory_mb: int


class Told(msgspec.Struct):
    """What the process says: columns, or why there are none."""

    columns: bytes = b""
    fault: str = ""


@define(eq=False)
class ProcessTarget(Target):
    """Starts one process for each package: `python -I`, no environment, no network where the kernel allows to take it away.

    Where `unshare` may not make a network namespace, the process has the machine's network, and the log says so.

    Parameters
    ----------
    deadline_s
        Of one scoring; the process is killed then, and the next scoring starts another.
    """

    deadline_s: float = 9.0
    memory_mb: int = 2048
    _loaded: list["ProcessServable"] = field(factory=list, init=False)

    @classmethod
    def open(cls, workspace: "Workspace") -> "ProcessTarget":
        """With the limits of the workspace's settings, and a deadline a little before the server's own."""
        settings = workspace.settings.serving
        return cls(settings.deadline_s * 0.9, settings.memory_limit_mb)

    def load(self, package: Package, resources: Resources) -> Servable:
        servable = ProcessServable(package.signature, package, self.deadline_s, resources.memory_mb or self.memory_mb)
        servable.start()
        self._loaded.append(servable)
        return servable

    def close(self) -> None:
        for servable in self._loaded:
            servable.close()
        self._loaded.clear()


@define(eq=False)
class ProcessServable(Servable):
    """A package in a process of its own."""

    signature: Signature
    package: Package = field(repr=False)
    deadline_s: float
    memory_mb: int
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)
    _closed: bool = field(default=False, init=False)

    def predict(self, columns: Columns) -> dict[str, Column]:
        """Score in the process; a dead one is replaced first.

        Raises
        ------
        DeadlineError
            It took longer than `deadline_s`, and was killed.
        UnavailableError
            It died.
        CorruptError
            It answered what does not fit the signature.
        """
        if self._closed:
            raise UnavailableError(f"the process of package {self.package.digest[:12]} was closed")
        if self._process is None:
            self.start()
        answer = unpack(self._ask(pack(columns), self.deadline_s).columns)
        self.signature.outputs.check(answer, f"the answer of package {self.package.digest[:12]}")
        return answer

    def start(self) -> None:
        """Start the process, and wait until it has loaded the package."""
        command = [*_without_network(), sys.executable, "-I", "-m", "intonaco.infra.serving.packages.targetprocess"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env={"LANG": "C.UTF-8"}, cwd="/", start_new_session=True)
        task = Task(self.package.manifest.encode(), dict(self.package.files), self.memory_mb)
        self._ask(msgspec.msgpack.encode(task), LOAD_S)

    def close(self) -> None:
        """Kill the process; there will be no other."""
        self._closed = True
        self._kill()

    def _ask(self, payload: bytes, timeout_s: float) -> Told:
        until = time.monotonic() + timeout_s
        try:
            self._write(LENGTH.pack(len(payload)) + payload, until)
            (length,) = LENGTH.unpack(self._read(LENGTH.size, until))
            if length > _ANSWER_LIMIT_BYTES:
                raise CorruptError(f"package {self.package.digest[:12]} answers {length} bytes at once")
            told = msgspec.msgpack.decode(self._read(length, until), type=Told)
        except TimeoutError as error:
            self._kill()
            name = f"package {self.package.digest[:12]}"
            raise DeadlineError(f"{name} did not answer within {timeout_s:g} s; its process was killed") from error
        except (OSError, EOFError) as error:
            raise UnavailableError(f"the process of package {self.package.digest[:12]} {self._kill()}") from error
        except (msgspec.MsgspecError, CorruptError) as error:
            self._kill()
            raise CorruptError(f"package {self.package.digest[:12]} answered what cannot be read: {error}") from error
        if told.fault:
            raise CorruptError(f"package {self.package.digest[:12]} failed: {told.fault}")
        return told

    def _write(self, data: bytes, until: float) -> None:
        """Write all of it, without waiting for longer than the process may take to read it."""
        assert self._process is not None
        assert self._process.stdin is not None
        pipe, left = self._process.stdin.fileno(), memoryview(data)
        os.set_blocking(pipe, False)
        while left:
            _, ready, _ = select.select([], [pipe], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise TimeoutError
            left = left[os.write(pipe, left) :]

    def _read(self, size: int, until: float) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        pipe, parts = self._process.stdout.fileno(), []
        while size:
            ready, _, _ = select.select([pipe], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise TimeoutError
            part = os.read(pipe, min(size, 1 << 20))
            if not part:
                raise EOFError
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _kill(self) -> str:
        """End the process and all that it started; how it had ended."""
        process, self._process = self._process, None
        if process is None:
            return "is not there"
        try:
            code = process.wait(0.2)
        except subprocess.TimeoutExpired:
            code = None
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait(10)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        return "was killed" if code is None else f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


@functools.cache
def _without_network() -> tuple[str, ...]:
    """The words before a command that take the network away from it; none where the kernel does not allow it."""
    for words in (("unshare", "-n", "--"), ("unshare", "-rn", "--")):
        try:
            if subprocess.run([*words, "true"], capture_output=True, timeout=10, check=False).returncode == 0:
                return words
        except (OSError, subprocess.TimeoutExpired):
            continue
    _LOG.warning("no network namespace can be made here: packages with code have the network of this machine")
    return ()
