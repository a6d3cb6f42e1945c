"""The catalog on SQLite."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sql

from intonaco.core.errors import (
    ConflictError,
    CorruptError,
    DefinitionError,
    InvalidError,
    NotRegisteredError,
    SettingsError,
    UnavailableError,
)
from intonaco.infra.storage.catalog import Catalog, Room
from intonaco.infra.storage.record import LEASES, ROOM
from intonaco.infra.testing.catalog import RoomContract


class TestStorageRoom(RoomContract):
    @pytest.fixture
    def room(self) -> Room:
        return ROOM


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(f"sqlite:{tmp_path}/catalog.db") as catalog:
        yield catalog


def _pets(folder: Path, migrations: int) -> Room:
    """A room whose n-th migration makes the table `pets_n`."""
    folder.mkdir(exist_ok=True)
    for number in range(1, migrations + 1):
        below = f"'pets_{number - 1:04}'" if number > 1 else "None"
        label = "('pets',)" if number == 1 else "None"
        (folder / f"{number:04}_pets.py").write_text(
            f"import sqlalchemy as sql\nfrom alembic import op\n"
            f"revision = 'pets_{number:04}'\ndown_revision = {below}\nbranch_labels = {label}\ndepends_on = None\n"
            f"def upgrade():\n    op.create_table('pets_{number}', sql.Column('id', sql.Integer, primary_key=True))\n"
        )
    tables = sql.MetaData()
    for number in range(1, migrations + 1):
        sql.Table(f"pets_{number}", tables, sql.Column("id", sql.Integer, primary_key=True))
    return Room(name="pets", tables=tables, head=f"pets_{migrations:04}", migrations=folder)


def _tables(catalog: Catalog) -> set[str]:
    with catalog.read() as connection:
        return set(sql.inspect(connection).get_table_names())


def test_what_was_committed_is_read_after_reopening(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path}/made/below/catalog.db"
    with Catalog.open(url) as catalog, catalog.transaction() as connection:
        catalog.record_change(connection, "models", "eta", at_us=7)
    with Catalog.open(url) as catalog:
        assert [(each.number, each.subject, each.at_us) for each in catalog.changes("models")] == [(1, "eta", 7)]


def test_an_error_inside_a_transaction_leaves_the_previous_state(catalog: Catalog) -> None:
    with suppress(ZeroDivisionError), catalog.transaction() as connection:
        catalog.record_change(connection, "models", "eta")
        raise ZeroDivisionError
    assert catalog.changes("models") == []


def test_changes_of_a_topic_come_in_order_and_only_behind_the_given_number(catalog: Catalog) -> None:
    with catalog.transaction() as connection:
        for subject in "abc":
            catalog.record_change(connection, "deployments", subject)
            catalog.record_change(connection, "models", subject)
    first = catalog.changes("deployments")
    assert [each.subject for each in first] == ["a", "b", "c"]
    assert [each.subject for each in catalog.changes("deployments", after=first[0].number)] == ["b", "c"]


def test_a_broken_constraint_is_a_conflict(catalog: Catalog) -> None:
    row = {"name": "x", "number": 1, "holder": "h", "until_us": 0, "seal": ""}
    with catalog.transaction() as connection:
        connection.execute(LEASES.insert().values(row))
    with pytest.raises(ConflictError, match="storage_lease"), catalog.transaction() as connection:
        connection.execute(LEASES.insert().values(row))


def test_readers_see_one_state_while_others_write(catalog: Catalog) -> None:
    with catalog.read() as reading:
        count = sql.select(sql.func.count()).select_from(LEASES)
        assert reading.execute(count).scalar_one() == 0
        with catalog.transaction() as writing:
            writing.execute(LEASES.insert().values(name="x", number=1, holder="h", until_us=0, seal=""))
        assert reading.execute(count).scalar_one() == 0


def test_threads_do_not_lose_each_others_writes(catalog: Catalog) -> None:
    def write() -> None:
        for _ in range(10):
            with catalog.transaction() as connection:
                catalog.record_change(connection, "t", "s")

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each.number for each in catalog.changes("t")] == list(range(1, 41))


def test_opening_a_current_catalog_does_not_import_alembic(catalog: Catalog, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom intonaco.infra.storage.catalog import Catalog\n"
        f"Catalog.open('sqlite:{tmp_path}/catalog.db').close()\nsys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_a_room_that_came_later_is_migrated_and_rows_of_absent_rooms_stay(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path}/catalog.db"
    Catalog.open(url).close()
    with Catalog.open(url, [_pets(tmp_path / "pets", 1)]) as catalog:
        assert {"pets_1", "storage_change"} <= _tables(catalog)
    with Catalog.open(url) as catalog:
        assert "pets_1" in _tables(catalog)
    with Catalog.open(url, [_pets(tmp_path / "pets", 2)]) as catalog:
        assert {"pets_1", "pets_2"} <= _tables(catalog)


def test_migrating_storage_leaves_a_room_that_is_not_loaded_alone(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path}/catalog.db"
    Catalog.open(url, [_pets(tmp_path / "pets", 1)]).close()
    other = Room(name="other", tables=sql.MetaData(), head="other_0001", migrations=tmp_path / "other")
    other.migrations.mkdir()
    (other.migrations / "0001_other.py").write_text(
        "revision = 'other_0001'\ndown_revision = None\nbranch_labels = ('other',)\ndepends_on = None\ndef upgrade():\n    pass\n"
    )
    with Catalog.open(url, [other]) as catalog, catalog.read() as connection:
        seen = set(connection.execute(sql.text("select version_num from alembic_version")).scalars())
    assert seen == {"storage_0001", "pets_0001", "other_0001"}


def test_a_newer_schema_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path}/catalog.db"
    newer, older = _pets(tmp_path / "newer", 2), _pets(tmp_path / "older", 1)
    Catalog.open(url, [newer]).close()
    before = (tmp_path / "catalog.db").read_bytes()
    with pytest.raises(InvalidError, match="newer version: it is at pets_0002"):
        Catalog.open(url, [older])
    assert (tmp_path / "catalog.db").read_bytes() == before


def test_a_migration_that_fails_leaves_the_previous_schema_and_can_be_repeated(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path}/catalog.db"
    room = _pets(tmp_path / "pets", 2)
    good = (room.migrations / "0002_pets.py").read_text()
    (room.migrations / "0002_pets.py").write_text(good + "    raise ZeroDivisionError\n")
    with pytest.raises(ZeroDivisionError):
        Catalog.open(url, [room])
    with Catalog.open(url) as catalog:
        assert not {"pets_1", "pets_2"} & _tables(catalog)
    shutil.rmtree(room.migrations / "__pycache__", ignore_errors=True)
    (room.migrations / "0002_pets.py").write_text(good)
    with Catalog.open(url, [room]) as catalog:
        assert {"pets_1", "pets_2"} <= _tables(catalog)


def test_a_file_that_is_no_database_is_corrupt_and_named(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    path.write_bytes(b"x" * 8192)
    with pytest.raises(CorruptError, match=str(path)):
        Catalog.open(f"sqlite:{path}")
    assert path.read_bytes() == b"x" * 8192


def test_what_is_wrong_with_the_file_is_told(catalog: Catalog, tmp_path: Path) -> None:
    assert catalog.damage() == []
    with catalog.transaction() as connection:
        for number in range(500):
            catalog.record_change(connection, "t", f"subject {number}")
    catalog.close()
    path = tmp_path / "catalog.db"
    data = path.read_bytes().replace(b"subject 250", b"subject 251", 1)
    path.write_bytes(data[:-4096] + bytes(4096))
    assert catalog.damage() != []


@pytest.mark.parametrize("url", ["mysql:catalog", "sqlite:", "sqlite::memory:", "sqlite://host/x", "sqlite:x?mode=fast"])
def test_a_url_that_cannot_hold_a_catalog_is_refused(url: str) -> None:
    with pytest.raises((SettingsError, NotRegisteredError)):
        Catalog.open(url)


def test_a_path_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError):
        Catalog.open(f"sqlite:{tmp_path}/file/catalog.db")
    with pytest.raises(UnavailableError):
        Catalog.open(f"sqlite:{tmp_path}")


@pytest.mark.parametrize(
    ("name", "head"), [("Pets", "Pets_0001"), ("pets", "pets_1"), ("pets", "cats_0001"), ("p" * 28, "p" * 28 + "_0001")]
)
def test_a_room_with_a_name_or_head_that_cannot_work_is_refused(name: str, head: str, tmp_path: Path) -> None:
    with pytest.raises(DefinitionError):
        Room(name=name, tables=sql.MetaData(), head=head, migrations=tmp_path)
