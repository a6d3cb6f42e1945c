"""What every database of a catalog must hold, and every room in it."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql

from intonaco.core.errors import ConflictError, InvalidError
from intonaco.infra.storage.catalog.catalog import Catalog, Room
from intonaco.infra.storage.catalog.leases import Leases
from intonaco.infra.storage.record import LEASES
from intonaco.infra.testing.lacking import check_lacks
from intonaco.infra.testing.writers import Writer

__all__ = ["CatalogContract", "RoomContract", "content", "pets", "tables"]

_LEASE: dict[str, Any] = {"name": "x", "number": 1, "holder": "h", "until_us": 0, "seal": ""}
_PATIENCE_S = 30.0


def pets(folder: Path, migrations: int) -> Room:
    """A room whose n-th migration makes the table `pets_n`."""
    folder.mkdir(exist_ok=True)
    made = sql.MetaData()
    for number in range(1, migrations + 1):
        sql.Table(f"pets_{number}", made, sql.Column("id", sql.Integer, primary_key=True))
        below = f"'pets_{number - 1:04}'" if number > 1 else "None"
        label = "('pets',)" if number == 1 else "None"
        (folder / f"{number:04}_pets.py").write_text(
            f"import sqlalchemy as sql\nfrom alembic import op\n"
            f"revision = 'pets_{number:04}'\ndown_revision = {below}\nbranch_labels = {label}\ndepends_on = None\n"
            f"def upgrade():\n    op.create_table('pets_{number}', sql.Column('id', sql.Integer, primary_key=True))\n"
        )
    return Room(name="pets", tables=made, head=f"pets_{migrations:04}", migrations=folder)


def tables(catalog: Catalog) -> set[str]:
    """The names of all tables of a catalog."""
    with catalog.read() as connection:
        return set(sql.inspect(connection).get_table_names())


def content(catalog: Catalog) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables of a catalog."""
    with catalog.read() as connection:
        return {
            name: sorted(map(tuple, connection.execute(sql.text(f'SELECT * FROM "{name}"'))), key=repr) for name in sorted(tables(catalog))
        }


def _together(work: Sequence[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_PATIENCE_S * 2)


class CatalogContract:
    """What every database of a catalog must hold; subclass it with a fixture `url` of a place in which no catalog is yet."""

    @pytest.fixture
    def url(self) -> str:
        """Where a new catalog can be made."""
        raise NotImplementedError("the subclass provides the fixture `url`")

    @pytest.fixture
    def catalog(self, url: str) -> Iterator[Catalog]:
        """An empty catalog."""
        with Catalog.open(url) as catalog:
            yield catalog

    def test_what_was_committed_is_read_after_reopening(self, url: str) -> None:
        with Catalog.open(url) as catalog, catalog.transaction() as connection:
            catalog.record_change(connection, "models", "eta", at_us=7)
        with Catalog.open(url) as catalog:
            assert [(each.number, each.subject, each.at_us) for each in catalog.changes("models")] == [(1, "eta", 7)]

    @staticmethod
    def keep(catalog: Catalog, mark: str, number: int) -> None:
        """A change of its own."""
        with catalog.transaction() as connection:
            catalog.record_change(connection, mark, str(number))

    def test_what_was_acknowledged_outlives_the_process_that_wrote_it(self, url: str, catalog: Catalog) -> None:
        with Writer.start(type(self), Catalog, url, "first") as first, Writer.start(type(self), Catalog, url, "second") as second:
            for writer in (first, second):
                writer.wait_for(10)
            told = {"first": first.kill(), "second": second.kill()}
        for mark, numbers in told.items():
            kept = [int(each.subject) for each in catalog.changes(mark)]
            assert kept in (numbers, [*numbers, len(numbers)])

    def test_an_error_inside_a_transaction_leaves_the_previous_state(self, catalog: Catalog) -> None:
        with suppress(ZeroDivisionError), catalog.transaction() as connection:
            catalog.record_change(connection, "models", "eta")
            raise ZeroDivisionError
        assert catalog.changes("models") == []

    def test_changes_of_a_topic_come_in_order_and_only_behind_the_given_number(self, catalog: Catalog) -> None:
        with catalog.transaction() as connection:
            for subject in "abc":
                catalog.record_change(connection, "deployments", subject)
                catalog.record_change(connection, "models", subject)
        first = catalog.changes("deployments")
        assert [each.subject for each in first] == ["a", "b", "c"]
        assert [each.subject for each in catalog.changes("deployments", after=first[0].number)] == ["b", "c"]

    def test_a_broken_constraint_is_a_conflict(self, catalog: Catalog) -> None:
        with catalog.transaction() as connection:
            connection.execute(LEASES.insert().values(_LEASE))
        with pytest.raises(ConflictError, match="storage_lease"), catalog.transaction() as connection:
            connection.execute(LEASES.insert().values(_LEASE))

    def test_readers_see_one_state_while_others_write(self, catalog: Catalog) -> None:
        with catalog.read() as reading:
            count = sql.select(sql.func.count()).select_from(LEASES)
            assert reading.execute(count).scalar_one() == 0
            with catalog.transaction() as writing:
                writing.execute(LEASES.insert().values(_LEASE))
            assert reading.execute(count).scalar_one() == 0

    def test_what_a_writer_reads_holds_until_it_commits(self, catalog: Catalog) -> None:
        with catalog.transaction() as connection:
            connection.execute(LEASES.insert().values(_LEASE))

        def count() -> None:
            for _ in range(20):
                with catalog.transaction() as connection:
                    number = connection.execute(sql.select(LEASES.c.number)).scalar_one()
                    connection.execute(LEASES.update().values(number=number + 1))

        _together([count] * 4)
        with catalog.read() as connection:
            assert connection.execute(sql.select(LEASES.c.number)).scalar_one() == _LEASE["number"] + 80

    def test_no_change_is_overlooked_by_who_asks_for_those_behind_the_last(self, catalog: Catalog) -> None:
        def write() -> None:
            for _ in range(20):
                with catalog.transaction() as connection:
                    catalog.record_change(connection, "t", "s")

        seen: list[int] = []

        def follow() -> None:
            until = time.monotonic() + _PATIENCE_S
            while len(seen) < 60 and time.monotonic() < until:
                seen.extend(each.number for each in catalog.changes("t", after=seen[-1] if seen else 0))

        _together([write, write, write, follow])
        assert seen == list(range(1, 61))

    def test_values_come_back_as_they_went(self, catalog: Catalog) -> None:
        rows = [
            {**_LEASE, "name": name, "number": number}
            for name, number in (("", 0), ("a'b\"c\\d%s", -(2**63)), ("\U0001f3a8\n\t\x01", 2**63 - 1), ("x" * 2000, 1))
        ]
        with catalog.transaction() as connection:
            connection.execute(LEASES.insert(), rows)
        with catalog.read() as connection:
            found = connection.execute(sql.select(LEASES).order_by(LEASES.c.number)).mappings().all()
        assert [dict(row) for row in found] == sorted(rows, key=lambda row: int(str(row["number"])))

    def test_text_is_in_the_order_of_its_bytes(self, catalog: Catalog) -> None:
        names = ["Z", "a", "a b", "a-b", "a_b", "ab", "é", "\uffff", "\U0001f3a8"]
        with catalog.transaction() as connection:
            connection.execute(LEASES.insert(), [{**_LEASE, "name": name} for name in reversed(names)])
        with catalog.read() as connection:
            assert list(connection.execute(sql.select(LEASES.c.name).order_by(LEASES.c.name)).scalars()) == names

    def test_a_lease_is_held_by_one_and_a_late_holder_passes_no_check(self, catalog: Catalog) -> None:
        now = [0]
        leases = Leases(catalog, lambda: now[0])
        stale = leases.take("batch", "me", 10)
        with pytest.raises(ConflictError, match="me holds 'batch'"):
            leases.take("batch", "you", 10)
        now[0] = 11_000_000
        fresh = leases.take("batch", "you", 10)
        with catalog.transaction() as connection:
            leases.check(connection, fresh)
        with pytest.raises(ConflictError, match="you took it"), catalog.transaction() as connection:
            leases.check(connection, stale)

    def test_of_those_who_take_a_lease_at_once_one_holds_it(self, catalog: Catalog) -> None:
        taken: list[str] = []

        def take(holder: str) -> None:
            with suppress(ConflictError):
                taken.append(Leases(catalog).take("batch", holder, 60).holder)

        _together([partial(take, f"holder {number}") for number in range(6)])
        assert len(taken) == 1

    def test_a_room_that_came_later_is_migrated_and_rows_of_absent_rooms_stay(self, url: str, tmp_path: Path) -> None:
        Catalog.open(url).close()
        with Catalog.open(url, [pets(tmp_path / "pets", 1)]) as catalog:
            assert {"pets_1", "storage_change"} <= tables(catalog)
        with Catalog.open(url) as catalog:
            assert "pets_1" in tables(catalog)
        with Catalog.open(url, [pets(tmp_path / "pets", 2)]) as catalog:
            assert {"pets_1", "pets_2"} <= tables(catalog)

    def test_a_newer_schema_is_refused_and_stays_as_it_is(self, url: str, tmp_path: Path) -> None:
        newer, older = pets(tmp_path / "newer", 2), pets(tmp_path / "older", 1)
        with Catalog.open(url, [newer]) as catalog:
            before = content(catalog)
        with pytest.raises(InvalidError, match="newer version: it is at pets_0002"):
            Catalog.open(url, [older])
        with Catalog.open(url, [newer]) as catalog:
            assert content(catalog) == before

    def test_a_migration_that_fails_leaves_the_previous_schema_and_can_be_repeated(self, url: str, tmp_path: Path) -> None:
        room, broken = pets(tmp_path / "pets", 2), pets(tmp_path / "broken", 2)
        script = broken.migrations / "0002_pets.py"
        script.write_text(script.read_text() + "    raise ZeroDivisionError\n")
        with pytest.raises(ZeroDivisionError):
            Catalog.open(url, [broken])
        with Catalog.open(url) as catalog:
            assert not {"pets_1", "pets_2"} & tables(catalog)
        with Catalog.open(url, [room]) as catalog:
            assert {"pets_1", "pets_2"} <= tables(catalog)

    def test_a_sound_database_has_no_damage(self, catalog: Catalog) -> None:
        with catalog.transaction() as connection:
            catalog.record_change(connection, "t", "s")
        assert catalog.damage() == []

    def test_what_it_lacks_is_said_with_what_could_give_it(self, catalog: Catalog) -> None:
        check_lacks(catalog.database)


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
