"""What every room of the catalog must hold, and the embedded catalog itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sql

from intonaco.infra.storage.catalog import Catalog, Room

__all__ = ["RoomContract"]


class RoomContract:
    """Subclass it with a fixture `room`; a fixture `catalog` may put another database in place of the embedded one."""

    @pytest.fixture
    def room(self) -> Room:
        """The room under test."""
        raise NotImplementedError("the subclass provides the fixture `room`")

    @pytest.fixture
    def catalog(self, room: Room, tmp_path: Path) -> Iterator[Catalog]:
        """An empty catalog that was migrated for the room."""
        with Catalog.open(f"sqlite:{tmp_path}/catalog.db", [room]) as catalog:
            yield catalog

    def test_migrations_make_exactly_the_tables_of_the_room(self, room: Room, catalog: Catalog) -> None:
        from alembic.autogenerate import compare_metadata
        from alembic.runtime.migration import MigrationContext

        def mine(_: object, name: str | None, kind: str, __: bool, ___: object) -> bool:
            return kind != "table" or str(name).startswith(f"{room.name}_")

        with catalog.read() as connection:
            context = MigrationContext.configure(
                connection, opts={"include_object": mine, "compare_type": True, "compare_server_default": True}
            )
            assert compare_metadata(context, room.tables) == []

    def test_tables_and_indexes_are_named_after_the_room(self, room: Room) -> None:
        named = [table.name for table in room.tables.tables.values()]
        named += [str(index.name) for table in room.tables.tables.values() for index in table.indexes]
        assert [name for name in named if not name.startswith(f"{room.name}_")] == []

    def test_migrations_follow_one_another_up_to_the_head(self, room: Room) -> None:
        from alembic.script import ScriptDirectory

        scripts = ScriptDirectory(str(room.migrations), version_locations=[str(room.migrations)])
        revisions = [script.revision for script in scripts.walk_revisions()][::-1]
        assert revisions == [f"{room.name}_{number:04}" for number in range(1, len(revisions) + 1)]
        assert revisions[-1] == room.head
        assert scripts.get_revision(revisions[0]).branch_labels == {room.name}

    def test_a_second_opening_migrates_nothing(self, catalog: Catalog) -> None:
        assert catalog.migrate() == []

    def test_every_table_can_be_read_after_the_migrations(self, room: Room, catalog: Catalog) -> None:
        with catalog.read() as connection:
            for table in room.tables.sorted_tables:
                assert connection.execute(sql.select(sql.func.count()).select_from(table)).scalar_one() == 0
