"""Fixtures for tests against a real server; a test module says `pytest_plugins = ("intonaco.ext.redis.testing",)`."""

from collections.abc import Iterator

import pytest

from intonaco.ext.redis.local import LocalRedis

__all__ = ["redis_server"]


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRedis]:
    """A server for all tests of the session: leave it running, and use names of your own."""
    with LocalRedis.start(tmp_path_factory.mktemp("redis")) as server:
        yield server
