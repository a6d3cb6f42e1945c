"""Servers of others as processes of this machine, for tests, benchmarks and trials: started, waited for, stopped, killed, stalled.

A program ends with the process that started it, however that ends: a shell waits at the other end of a pipe.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import define, field

from intonaco.core.errors import UnavailableError

__all__ = ["RunningProgram", "free_port", "stay"]

_POLL_S = 0.01
_PORTS = (15_000, 30_000)
_chosen = random.SystemRandom()  # two test processes may have been given the same seed
_STOP_S = 10.0


def free_port() -> int:
    """A loopback port that nothing listens on now, of those that no system gives to clients while a server is down."""
    while True:
        port = _chosen.randrange(*_PORTS)
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


@define(eq=False, kw_only=True)
class RunningProgram:
    """A program that runs from `start` to `stop`, and again after `restart`, with the same command.

    Parameters
    ----------
    name
        What messages call it.
    command
        The program and its arguments, without secrets: everybody can read them.
    folder
        Where it runs and keeps its `log.txt`; made if absent.
    ready
        Whether it answers a real request; OSError (so UnavailableError) means not yet.
    environ
        Variables of its environment beside those of this process.
    timeout_s
        How long to wait until it is ready.
    stop_signal
        What asks it to end at once and in order.
    """

    name: str
    command: Sequence[str]
    folder: Path
    ready: Callable[[], bool]
    environ: Mapping[str, str] = field(factory=dict, repr=False)
    timeout_s: float = 30.0
    stop_signal: signal.Signals = signal.SIGTERM
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False, repr=False)
    _guard: "subprocess.Popen[bytes] | None" = field(default=None, init=False, repr=False)

    @property
    def pid(self) -> int:
        """The id of its process."""
        if self._process is None:
            raise UnavailableError(f"{self.name} is not running")
        return self._process.pid

    @property
    def log(self) -> Path:
        """What it said."""
        return self.folder / "log.txt"

    def start(self) -> None:
        """Start it and wait until it is ready.

        Raises
        ------
        UnavailableError
            It ended, or was not ready in time; the message has the last lines of its log.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                list(self.command),
                cwd=self.folder,
                env={**os.environ, **self.environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._guard = _guard(self._process.pid)
        try:
            self._wait()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Ask it to end, and kill it if it does not; a second call does nothing."""
        if self._process is not None:
            self.resume()
            self._process.send_signal(self.stop_signal)
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                pass
            self.kill()

    def kill(self) -> None:
        """End it at once, with all that it started, as `kill -9` does."""
        process, self._process = self._process, None
        if process is not None:
            _signal_group(process.pid, signal.SIGKILL)
            process.wait(_STOP_S)
            self._dismiss()

    def restart(self) -> None:
        """Stop it if it runs, and start it again on what it kept."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Make it hang: it keeps its connections and answers nothing."""
        _signal_group(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        _signal_group(self.pid, signal.SIGCONT)

    def _wait(self) -> None:
        until = time.monotonic() + self.timeout_s
        while not self._answers():
            if self._process is None or self._process.poll() is not None:
                raise UnavailableError(f"{self.name} ended before it was ready: {self._last_words()}")
            if time.monotonic() > until:
                raise UnavailableError(f"{self.name} was not ready after {self.timeout_s:g} s: {self._last_words()}")
            time.sleep(_POLL_S)

    def _answers(self) -> bool:
        try:
            return self.ready()
        except OSError:
            return False

    def _last_words(self) -> str:
        return " | ".join(self.log.read_text(errors="replace").splitlines()[-5:])

    def _dismiss(self) -> None:
        guard, self._guard = self._guard, None
        if guard is not None and guard.stdin is not None:
            guard.kill()
            guard.stdin.close()
            guard.wait(_STOP_S)


def _guard(pid: int) -> "subprocess.Popen[bytes]":
    """A shell that kills the group once this process, and so its end of the pipe, is gone."""
    watch = 'read -r _ || kill -9 "-$1"'
    return subprocess.Popen(
        ["/bin/sh", "-c", watch, "sh", str(pid)], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        pass


def stay(file: Path, content: str, said: str) -> None:
    """Keep what clients of a server need in a file for its owner alone, say so, and wait until this process is asked to end."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(content)
    sys.stdout.write(f"{said}\n")
    sys.stdout.flush()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.pause()
