"""The catalog moves to another database while it is used, and back."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sql

from intonaco.core.errors import ConflictError, InvalidError, SettingsError
from intonaco.core.plugins import Plugins, load_path
from intonaco.infra.lineage.runs.metrics import read_metrics, write_metrics
from intonaco.infra.storage.catalog.catalog import Catalog, Room
from intonaco.infra.storage.catalog.catalogmigration import CatalogMigration
from intonaco.infra.storage.catalog.leases import Leases
from intonaco.infra.storage.databases import Database
from intonaco.infra.storage.record import CHANGES
from intonaco.infra.testing.catalog import content, pets

pytest_plugins = ("intonaco.ext.postgres.testing",)
pytestmark = pytest.mark.slow

PLUGINS = Plugins.discover()
ROOMS: list[Room] = [load_path(offer.path) for offer in PLUGINS.offers("catalog_rooms").values()]
Urls = tuple[str, str]


def _database(url: str) -> Database:
    scheme = url.partition(":")[0]
    Catalog.open(url, ROOMS, PLUGINS, gone_too=True).close()
    opened: Database = PLUGINS.load("catalog_databases", scheme, "database").open(url)
    return opened


@pytest.fixture(params=["sqlite to sqlite", "sqlite to postgresql", "postgresql to sqlite"])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> Urls:
    def url(scheme: str, name: str) -> str:
        return f"sqlite:{tmp_path}/{name}.db" if scheme == "sqlite" else request.getfixturevalue("postgres_url")

    old, _, new = str(request.param).split()
    return url(old, "old"), url(new, "new")


@contextmanager
def _migration(urls: Urls, folder: Path) -> Iterator[CatalogMigration]:
    with _database(urls[0]) as source:
        rooms = Catalog.open(urls[0], ROOMS, PLUGINS, gone_too=True)
        rooms.close()
        yield CatalogMigration("the catalog", urls[0], source, rooms.rooms, _database, folder / "lock")


def _open(url: str) -> Catalog:
    return Catalog.open(url, ROOMS, PLUGINS)


@contextmanager
def _writing(url: str, acknowledged: list[int], errors: list[Exception]) -> Iterator[None]:
    stop = threading.Event()

    def write() -> None:
        with _open(url) as catalog:
            while not stop.is_set():
                try:
                    with catalog.transaction() as connection:
                        last = connection.execute(sql.select(sql.func.count()).select_from(CHANGES)).scalar_one()
                        catalog.record_change(connection, "t", str(last))
                    acknowledged.append(last)
                except Exception as error:
                    errors.append(error)
                    return
                time.sleep(0.005)

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(120)


def test_it_moves_while_it_is_written_and_back_without_losing_a_commit(urls: Urls, tmp_path: Path) -> None:
    acknowledged: list[int] = []
    errors: list[Exception] = []
    with _writing(urls[0], acknowledged, errors), _migration(urls, tmp_path) as migration:
        time.sleep(0.2)
        migration.start(urls[1])
        assert migration.switch() < 15
        at_switch = len(acknowledged)
        time.sleep(1)
        with _database(urls[1]) as target, target.engine.connect() as connection:
            assert connection.execute(sql.select(sql.func.count()).select_from(CHANGES)).scalar_one() >= at_switch
        migration.rollback()
        time.sleep(1.5)
        migration.start(urls[1])
        migration.switch()
        time.sleep(1)
        assert migration.finish() == urls[1]
    assert errors == []
    assert sorted(acknowledged) == list(range(len(acknowledged)))
    with pytest.raises(SettingsError, match="was moved to"):
        _open(urls[0])
    with _open(urls[1]) as catalog:
        assert [int(each.subject) for each in catalog.changes("t")] == list(range(len(acknowledged)))


def test_every_row_comes_along_and_counting_goes_on(urls: Urls, tmp_path: Path) -> None:
    with _open(urls[0]) as catalog:
        Leases(catalog).take("batch", "me", 60)
        write_metrics(
            catalog, "r", "default", [("loss", 0.1, step) for step in range(1500)] + [("loss", float("nan")), ("é\n'", -1e300)], 7
        )
        with catalog.transaction() as connection:
            catalog.record_change(connection, "t", "s")
    with _migration(urls, tmp_path) as migration:
        migration.start(urls[1])
        migration.switch()
        migration.finish()
    with _open(urls[1]) as catalog:
        assert len(read_metrics(catalog, "r")) == 1502
        write_metrics(catalog, "r", "default", [("loss", 1.0)], 8)
        assert read_metrics(catalog, "r")[-1].value == 1.0
        with pytest.raises(ConflictError, match="me holds 'batch'"):
            Leases(catalog).take("batch", "you", 60)


def test_a_catalog_that_is_open_is_read_and_written_where_it_went(urls: Urls, tmp_path: Path) -> None:
    with _open(urls[0]) as catalog, _migration(urls, tmp_path) as migration:
        with catalog.transaction() as connection:
            catalog.record_change(connection, "t", "before")
        migration.start(urls[1])
        migration.switch()
        time.sleep(1.1)
        with catalog.transaction() as connection:
            catalog.record_change(connection, "t", "after")
        assert [each.subject for each in catalog.changes("t")] == ["before", "after"]
        with _open(urls[0]) as other:  # the settings still name the old one
            assert [each.subject for each in other.changes("t")] == ["before", "after"]


def test_a_database_that_holds_something_else_is_not_moved_to(tmp_path: Path) -> None:
    urls = (f"sqlite:{tmp_path}/old.db", f"sqlite:{tmp_path}/new.db")
    with _open(urls[1]) as catalog, catalog.transaction() as connection:
        catalog.record_change(connection, "t", "s")
    with _migration(urls, tmp_path) as migration, pytest.raises(InvalidError, match="holds something else already: storage_change"):
        migration.start(urls[1])


def test_tables_of_a_room_that_is_not_installed_are_not_left_behind(tmp_path: Path) -> None:
    urls = (f"sqlite:{tmp_path}/old.db", f"sqlite:{tmp_path}/new.db")
    Catalog.open(urls[0], [*ROOMS, pets(tmp_path / "pets", 1)], PLUGINS).close()
    with _migration(urls, tmp_path) as migration, pytest.raises(InvalidError, match="not installed here: pets_1"):
        migration.start(urls[1])


def test_a_hold_that_nobody_ends_ends_by_itself_and_he_who_held_cannot_switch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    urls = (f"sqlite:{tmp_path}/old.db", f"sqlite:{tmp_path}/new.db")
    monkeypatch.setattr("intonaco.infra.storage.catalog.catalogmigration.HOLD_S", 0.2)
    monkeypatch.setattr("intonaco.infra.storage.catalog.catalogmigration.in_time", lambda until: None)
    with _open(urls[0]) as catalog, _migration(urls, tmp_path) as migration:
        migration.start(urls[1])
        write = partial(_write_late, catalog)
        monkeypatch.setattr(CatalogMigration, "_sync", _interrupted(CatalogMigration._sync, write, at=3))
        with pytest.raises(ConflictError):
            migration.switch()
        assert [each.subject for each in catalog.changes("t")] == ["late"]
        state = migration.state()
        assert state is not None
        assert not state.phase.reads_target


def _write_late(catalog: Catalog) -> None:
    with catalog.transaction() as connection:
        catalog.record_change(connection, "t", "late")


def _interrupted(sync: Callable[..., object], write: Callable[[], None], at: int) -> Callable[..., object]:
    calls = [0]

    def synced(*given: object) -> object:
        calls[0] += 1
        found = sync(*given)
        if calls[0] == at:
            write()
        return found

    return synced


def test_moving_leaves_equal_content(tmp_path: Path) -> None:
    urls = (f"sqlite:{tmp_path}/old.db", f"sqlite:{tmp_path}/new.db")
    with _open(urls[0]) as catalog:
        write_metrics(catalog, "r", "default", [("loss", 0.1, step) for step in range(10)], 7)
    with _migration(urls, tmp_path) as migration:
        migration.start(urls[1])
        migration.start(urls[1])
    with _open(urls[0]) as old, _open(urls[1]) as new:
        left, right = content(old), content(new)
        for table in ("storage_move", "alembic_version"):
            left.pop(table), right.pop(table)
        assert left == right
