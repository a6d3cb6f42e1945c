"""PostgreSQL on this machine, for tests, benchmarks and trials."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import psycopg
from attrs import define, field

from intonaco.core.errors import SettingsError, UnavailableError
from intonaco.infra.testing.programs import RunningProgram, free_port, stay

__all__ = ["LocalPostgres"]

_INIT_TIMEOUT_S = 60.0
_USERS = ("postgres", "nobody")


@define(eq=False)
class LocalPostgres:
    """A PostgreSQL server of its own on a free loopback port, from pgserver or from the system; stopped with its context.

    It keeps its data in the folder, for the next time; as root, which PostgreSQL refuses, in one of another user under the
    temporary folder, which goes with the context.
    """

    folder: Path
    port: int
    password: str = field(repr=False)
    _program: RunningProgram = field(repr=False)

    @classmethod
    def start(cls, folder: Path | str, *, settings: Sequence[str] = (), programs: Path | None = None) -> Self:
        """Make a database and start a server on it.

        Parameters
        ----------
        settings
            Of the server, `name=value`.
        programs
            The folder of `initdb` and `postgres`, if it is not to be pgserver's or the system's newest.

        Raises
        ------
        SettingsError
            There is no PostgreSQL on this machine.
        UnavailableError
            It does not start.
        """
        home, port, password = _home(Path(folder)), free_port(), secrets.token_hex(16)
        programs = programs or _programs()
        _initialize(programs, home, password)
        fixed = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "shared_buffers": "32MB"}
        options = [f"{name}={value}" for name, value in fixed.items()] + list(settings)
        command = [
            *_as_user(),
            str(programs / "postgres"),
            "-D",
            str(home / "data"),
            *(part for each in options for part in ("-c", each)),
        ]
        program = RunningProgram(
            name="PostgreSQL",
            command=command,
            folder=home,
            ready=lambda: _answers(port, password),
            stop_signal=signal.SIGINT,  # SIGTERM would wait for the clients
        )
        program.start()
        return cls(home, port, password, program)

    @property
    def url(self) -> str:
        """Where its database is, with the password."""
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/postgres"

    @property
    def address(self) -> str:
        """Where its database is, without the password: fit for settings and arguments of commands."""
        return self.url.replace(f":{self.password}@", "@")

    @property
    def environ(self) -> dict[str, str]:
        """What a process needs in its environment that uses `address`."""
        return {"INTONACO_POSTGRES_PASSWORD": self.password}

    @property
    def pid(self) -> int:
        """The id of its first process."""
        return self._program.pid

    def stop(self) -> None:
        """Let it end in order, keeping what it holds for `restart`; a second call does nothing."""
        self._signal(signal.SIGCONT)
        self._program.stop()

    def kill(self) -> None:
        """End all of its processes at once, as a crash does."""
        processes = self._processes()
        self._program.kill()
        for process in processes:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(processes, timeout=10)

    def restart(self) -> None:
        """Start it again on what it kept."""
        self._program.restart()

    def pause(self) -> None:
        """Make it hang: it keeps its connections and answers nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        if _user() is not None:  # it lay elsewhere than it was asked for
            shutil.rmtree(self.folder, ignore_errors=True)

    def _processes(self) -> list[psutil.Process]:
        try:
            first = psutil.Process(self.pid)
            return [first, *first.children(recursive=True)]
        except (psutil.NoSuchProcess, UnavailableError):
            return []

    def _signal(self, number: signal.Signals) -> None:
        for process in self._processes():
            try:
                process.send_signal(number)
            except psutil.NoSuchProcess:
                continue


def _programs() -> Path:
    """The folder of `initdb` and `postgres`: pgserver's, which is found without importing it, or the system's newest."""
    spec = find_spec("pgserver")
    found = [Path(place) / "pginstall" / "bin" for place in (spec.submodule_search_locations or ())] if spec else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name, reverse=True)
    usable = [path for path in found if (path / "initdb").exists() and (path / "postgres").exists()]
    if not usable:
        raise SettingsError("there is no PostgreSQL server on this machine", hint="pip install 'intonaco-postgres[server]'")
    return usable[0]


def _user() -> "pwd.struct_passwd | None":
    """Whose the server is to be; None for this process's own user."""
    if os.geteuid() != 0:
        return None
    users = {entry.pw_name: entry for entry in pwd.getpwall()}
    return next((users[name] for name in _USERS if name in users), None)


def _as_user() -> list[str]:
    user = _user()
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"] if user else []


def _home(folder: Path) -> Path:
    user = _user()
    if user is None:
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    home = Path(tempfile.mkdtemp(prefix="intonaco-postgres-"))
    os.chown(home, user.pw_uid, user.pw_gid)
    return home


def _initialize(programs: Path, home: Path, password: str) -> None:
    secret = home / "password"
    secret.touch(mode=0o600)
    user = _user()
    if user is not None:
        os.chown(secret, user.pw_uid, user.pw_gid)
    secret.write_text(password)
    command = [*_as_user(), str(programs / "initdb"), "-D", str(home / "data"), "-U", "postgres", "--pwfile", str(secret)]
    command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--data-checksums", "--no-sync"]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, timeout=_INIT_TIMEOUT_S)
    secret.unlink()
    if done.returncode:
        raise UnavailableError(f"PostgreSQL's data folder cannot be made: {(done.stderr or done.stdout).strip()}")


def _answers(port: int, password: str) -> bool:
    try:
        psycopg.connect(host="127.0.0.1", port=port, user="postgres", password=password, dbname="postgres", connect_timeout=2).close()
    except psycopg.OperationalError as error:
        raise UnavailableError(f"PostgreSQL does not answer: {error}") from error
    return True


def main(folder: str) -> None:
    """Run a server until this process is asked to end; `FOLDER/url` holds its URL, for its owner alone."""
    with LocalPostgres.start(Path(folder)) as server:
        url = Path(folder) / "url"
        stay(url, server.url, f"listening on 127.0.0.1:{server.port}; {url} holds the URL with the password")


if __name__ == "__main__":
    main(*sys.argv[1:])
