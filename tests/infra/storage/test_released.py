"""A catalog of any version that was ever released opens today, with all that it held.

`released/VERSION.DIALECT.sql` is a dump of a catalog with rows of each room, made by that version; a release adds its own.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sql
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from intonaco.core.plugins import Plugins, load_path
from intonaco.infra.lineage.tables import MOVES, USES, VERSIONS
from intonaco.infra.storage.catalog.catalog import Catalog, Room
from intonaco.infra.storage.catalog.seals import verify
from intonaco.infra.storage.record import CHANGES, LEASES
from intonaco.infra.testing.catalog import content

pytest_plugins = ("intonaco.ext.postgres.testing",)

RELEASED = Path(__file__).parent / "released"
VERSIONS_RELEASED = sorted({path.name.removesuffix(".sqlite.sql") for path in RELEASED.glob("*.sqlite.sql")})
ROOMS: list[Room] = [load_path(offer.path) for offer in Plugins.discover().offers("catalog_rooms").values()]
#: Tables whose rows are sealed, with what their seals leave out.
SEALED = {MOVES: {"id"}, USES: set[str](), VERSIONS: set[str](), CHANGES: {"number"}, LEASES: set[str]()}


def _sqlite(url: str, text: str) -> None:
    connection = sqlite3.connect(url.removeprefix("sqlite:"))
    connection.executescript(text)
    connection.close()


def _postgresql(url: str, text: str) -> None:
    from intonaco.ext.postgres.database import PostgresDatabase

    with PostgresDatabase.open(url) as database:
        database.prepare()
        with database.engine.begin() as connection:
            connection.exec_driver_sql(text.replace("%", "%%"))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def loaded(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Make a catalog of a released version, and tell its URL."""
    dialect: str = request.param

    def load(version: str) -> str:
        text = (RELEASED / f"{version}.{dialect}.sql").read_text(encoding="utf-8")
        url: str = request.getfixturevalue("postgres_url") if dialect == "postgresql" else f"sqlite:{tmp_path}/catalog.db"
        {"sqlite": _sqlite, "postgresql": _postgresql}[dialect](url, text)
        return url

    return load


def _rows(version: str) -> Counter[str]:
    """How many rows of each table the dump holds."""
    lines = (RELEASED / f"{version}.sqlite.sql").read_text(encoding="utf-8").splitlines()
    named = [line.split('"')[1] for line in lines if line.startswith("INSERT INTO")]
    return Counter(name for name in named if name not in ("alembic_version", "sqlite_sequence"))


@pytest.mark.parametrize("version", VERSIONS_RELEASED)
def test_a_released_catalog_has_todays_tables_and_its_own_rows(version: str, loaded: Callable[[str], str]) -> None:
    with Catalog.open(loaded(version), ROOMS) as catalog:
        found = content(catalog)
        assert {name: len(found[name]) for name in _rows(version)} == _rows(version)
        for room in catalog.rooms:
            assert _differences(catalog, room) == []


@pytest.mark.parametrize("version", VERSIONS_RELEASED)
def test_seals_of_released_rows_hold(version: str, loaded: Callable[[str], str]) -> None:
    with Catalog.open(loaded(version), ROOMS) as catalog, catalog.read() as connection:
        for table, left_out in SEALED.items():
            rows = connection.execute(sql.select(table)).mappings().all()
            assert rows
            for row in rows:
                verify(row, leave_out=left_out)


@pytest.mark.parametrize("version", VERSIONS_RELEASED)
def test_a_released_catalog_goes_on_counting_where_it_was(version: str, loaded: Callable[[str], str]) -> None:
    with Catalog.open(loaded(version), ROOMS) as catalog:
        last = catalog.changes("models")[-1].number
        with catalog.transaction() as connection:
            catalog.record_change(connection, "models", "next")
        assert catalog.changes("models")[-1].number > last


def _differences(catalog: Catalog, room: Room) -> list[object]:
    def mine(_: object, name: str | None, kind: str, __: bool, ___: object) -> bool:
        return kind != "table" or str(name).startswith(f"{room.name}_")

    with catalog.read() as connection:
        given = {"include_object": mine, "compare_type": True, "compare_server_default": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=given), room.tables))
