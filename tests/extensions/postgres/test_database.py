"""The catalog on PostgreSQL."""

from pathlib import Path

import pytest
import sqlalchemy as sql

from intonaco.core.errors import DeadlineError, InvalidError, SettingsError, UnavailableError
from intonaco.core.urls import StoreUrl
from intonaco.ext.postgres.database import PostgresDatabase
from intonaco.ext.postgres.local import LocalPostgres
from intonaco.infra.storage.catalog.catalog import Catalog
from intonaco.infra.storage.guarantees import Guarantee
from intonaco.infra.storage.record import LEASES
from intonaco.infra.testing.catalog import CatalogContract

pytest_plugins = ("intonaco.ext.postgres.testing",)
pytestmark = pytest.mark.slow


class TestPostgresCatalog(CatalogContract):
    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        return postgres_url


def _altered(url: str, **parts: object) -> str:
    """The URL with other parts, `user`, `password`, `host`, `port` or `path`."""
    old = StoreUrl.parse(url)
    new = {name: parts.get(name, getattr(old, name)) for name in ("user", "password", "host", "port", "path")}
    return "postgresql://{user}:{password}@{host}:{port}{path}".format(**new)


@pytest.mark.parametrize(
    ("parts", "kind", "told"),
    [
        ({"password": "not-this-one"}, SettingsError, "refuses the user or the password"),
        ({"user": "nobody-of-that-name"}, SettingsError, "refuses the user or the password"),
        ({"path": "/no_such_database"}, SettingsError, "the server has no such database"),
        ({"port": 1}, UnavailableError, "cannot be reached"),
        ({"path": ""}, SettingsError, "names no database"),
        ({"path": "/a/b"}, SettingsError, "names no database"),
        ({"path": "/postgres?schema=pg_mine"}, SettingsError, "cannot name a schema"),
        ({"path": "/postgres?speed=high"}, SettingsError, "unknown option 'speed'"),
    ],
)
def test_a_url_that_cannot_work_is_told_without_its_secret(
    postgres_url: str, parts: dict[str, object], kind: type[Exception], told: str
) -> None:
    url = _altered(postgres_url, **parts)
    with pytest.raises(kind, match=told) as error:
        Catalog.open(url)
    assert StoreUrl.parse(url).password not in f"{error.value} {error.value!r}"


def test_the_password_may_stand_in_the_environment(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    password = StoreUrl.parse(postgres_url).password
    monkeypatch.setenv("INTONACO_POSTGRES_PASSWORD", password)
    with Catalog.open(postgres_url.replace(f":{password}@", "@")) as catalog:
        assert catalog.changes("t") == []


def test_catalogs_in_two_schemas_do_not_see_each_other(postgres_server: LocalPostgres) -> None:
    with (
        Catalog.open(f"{postgres_server.url}?schema=one 'odd\"%5C") as one,
        Catalog.open(f"{postgres_server.url}?schema=One 'odd\"%5C") as two,
    ):
        with one.transaction() as connection, two.transaction() as other:  # nor wait for each other
            one.record_change(connection, "t", "s")
            two.record_change(other, "t", "r")
        assert [each.subject for each in one.changes("t")] == ["s"]


def test_a_value_that_postgres_cannot_hold_is_refused(postgres_url: str) -> None:
    row = {"name": "a\0b", "number": 1, "holder": "h", "until_us": 0, "seal": ""}
    with Catalog.open(postgres_url) as catalog:
        with pytest.raises(InvalidError, match="cannot hold a value"), catalog.transaction() as connection:
            connection.execute(LEASES.insert().values(row))
        with pytest.raises(InvalidError, match="cannot hold a value"), catalog.transaction() as connection:
            connection.execute(LEASES.insert().values({**row, "name": "", "number": 2**63}))


def test_a_reader_cannot_write(postgres_url: str) -> None:
    with Catalog.open(postgres_url) as catalog, pytest.raises(UnavailableError), catalog.read() as connection:
        connection.execute(LEASES.delete())


def test_a_statement_that_does_not_end_is_ended(postgres_url: str) -> None:
    with Catalog.open(postgres_url) as catalog, pytest.raises(DeadlineError, match="in time"), catalog.transaction() as connection:
        connection.execute(sql.text("SET LOCAL statement_timeout = '50ms'; SELECT pg_sleep(10)"))


def test_a_writer_does_not_wait_for_ever(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intonaco.ext.postgres.connecting.LOCK_TIMEOUT_S", 1)
    with (
        Catalog.open(postgres_url) as catalog,
        catalog.transaction(),
        pytest.raises(UnavailableError, match="held by another writer"),
        catalog.transaction(),
    ):
        raise AssertionError


def test_commits_are_synced_whatever_the_server_is_set_to(postgres_url: str, postgres_server: LocalPostgres) -> None:
    engine = sql.create_engine(postgres_server.url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("ALTER ROLE postgres SET synchronous_commit = off")
    try:
        with Catalog.open(postgres_url) as catalog, catalog.transaction() as connection:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == "on"
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql("ALTER ROLE postgres RESET synchronous_commit")
        engine.dispose()


def test_a_server_that_does_not_sync_is_not_durable(tmp_path: Path) -> None:
    with LocalPostgres.start(tmp_path, settings=["fsync=off"]) as server, PostgresDatabase.open(server.url) as database:
        assert database.lacks() == {Guarantee.DURABLE: "set fsync = on in postgresql.conf"}
