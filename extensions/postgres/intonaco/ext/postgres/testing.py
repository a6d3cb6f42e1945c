"""Fixtures of a PostgreSQL server of this machine, for test modules that name this one in `pytest_plugins`."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from intonaco.ext.postgres.local import LocalPostgres

__all__ = ["postgres_server", "postgres_url"]


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalPostgres]:
    """A server for all tests of a session."""
    with LocalPostgres.start(tmp_path_factory.mktemp("postgres")) as server:
        yield server
        server.kill()  # to stop in order it would write thousands of files of tests, and nothing of this is kept


@pytest.fixture
def postgres_url(postgres_server: LocalPostgres) -> str:
    """A place for a catalog in which nothing is yet."""
    return f"{postgres_server.url}?schema=test_{uuid4().hex}"
