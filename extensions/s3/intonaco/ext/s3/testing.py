"""Fixtures with a real S3: a test module says `pytest_plugins = ("intonaco.ext.s3.testing",)`."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from intonaco.ext.s3.local import LocalS3

__all__ = ["s3", "s3_server"]


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalS3]:
    """A server for all tests of a session."""
    server = LocalS3.start(tmp_path_factory.mktemp("s3"))
    try:
        yield server
    finally:
        server.kill()  # a stop waits for connections, and nothing of this is kept


@pytest.fixture
def s3(s3_server: LocalS3, monkeypatch: pytest.MonkeyPatch) -> str:
    """A URL under which nothing is yet; the environment names the server."""
    for name, value in s3_server.environ.items():
        monkeypatch.setenv(name, value)
    return f"{s3_server.url}/{uuid4().hex}"
