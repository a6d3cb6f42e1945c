import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from intonaco.ext.s3.blobs import S3BlobStore
from intonaco.ext.s3.local import LocalS3

pytestmark = pytest.mark.slow


def _listening(server: LocalS3) -> set[tuple[str, int]]:
    return {(each.laddr.ip, each.laddr.port) for each in psutil.Process(server.pid).net_connections() if each.status == "LISTEN"}


def test_two_servers_run_side_by_side_on_loopback_and_leave_nothing(tmp_path: Path) -> None:
    with LocalS3.start(tmp_path / "one") as one, LocalS3.start(tmp_path / "two") as two:
        found = [_listening(server) for server in (one, two)]
        assert found[0].isdisjoint(found[1])
        assert {host for each in found for host, _ in each} == {"127.0.0.1"}
        command = " ".join(psutil.Process(one.pid).cmdline())
        assert one.environ["AWS_SECRET_ACCESS_KEY"] not in command
    ports = {port for each in found for _, port in each}
    assert not [path for path in Path("/tmp").glob("seaweedfs-*.sock") if int(path.stem.rpartition("-")[2]) in ports]


def test_what_was_kept_is_there_after_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalS3.start(tmp_path) as server:
        for name, value in server.environ.items():
            monkeypatch.setenv(name, value)
        with S3BlobStore.open(server.url) as store:
            store.create("a", b"kept")
            server.restart()
            assert store.read("a") == b"kept"
            assert list(store.names()) == ["a"]  # neither the probe nor what the server was tried with


def test_importing_the_plugin_brings_no_client() -> None:
    code = "import sys, json, intonaco.ext.s3.plugin; print(json.dumps(sorted(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert {"aiobotocore", "botocore", "s3fs"}.isdisjoint(json.loads(found.stdout))
