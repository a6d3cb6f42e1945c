"""The catalog on SQLite."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sql

from intonaco.core.errors import (
    CorruptError,
    DefinitionError,
    InvalidError,
    NotRegisteredError,
    SettingsError,
    UnavailableError,
)
from intonaco.infra.storage.catalog.catalog import Catalog, Room
from intonaco.infra.storage.record import ROOM
from intonaco.infra.testing.catalog import CatalogContract, RoomContract, pets


class TestStorageRoom(RoomContract):
    @pytest.fixture
    def room(self) -> Room:
        return ROOM


class TestSqliteCatalog(CatalogContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:{tmp_path}/made/below/catalog.db"


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(f"sqlite:{tmp_path}/catalog.db") as catalog:
        yield catalog


def test_opening_a_current_catalog_does_not_import_alembic(catalog: Catalog, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom intonaco.infra.storage.catalog.catalog import Catalog\n"
        f"Catalog.open('sqlite:{tmp_path}/catalog.db').close()\nsys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_migrating_storage_leaves_a_room_that_is_not_loaded_alone(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path}/catalog.db"
    Catalog.open(url, [pets(tmp_path / "pets", 1)]).close()
    other = Room(name="other", tables=sql.MetaData(), head="other_0001", migrations=tmp_path / "other")
    other.migrations.mkdir()
    (other.migrations / "0001_other.py").write_text(
        "revision = 'other_0001'\ndown_revision = None\nbranch_labels = ('other',)\ndepends_on = None\ndef upgrade():\n    pass\n"
    )
    with Catalog.open(url, [other]) as catalog, catalog.read() as connection:
        seen = set(connection.execute(sql.text("select version_num from alembic_version")).scalars())
    assert seen == {ROOM.head, "pets_0001", "other_0001"}


def test_a_newer_schema_is_refused_and_the_file_stays_as_it_is(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path}/catalog.db"
    newer, older = pets(tmp_path / "newer", 2), pets(tmp_path / "older", 1)
    Catalog.open(url, [newer]).close()
    before = (tmp_path / "catalog.db").read_bytes()
    with pytest.raises(InvalidError, match="newer version: it is at pets_0002"):
        Catalog.open(url, [older])
    assert (tmp_path / "catalog.db").read_bytes() == before


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
