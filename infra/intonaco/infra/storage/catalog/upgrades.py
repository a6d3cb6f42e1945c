"""Which migrations a database has seen, and running those that it has not."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sql

from intonaco.core.errors import InvalidError
from intonaco.infra.storage.rooms import Room

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

__all__ = ["is_current", "recorded", "refuse_newer", "upgrade"]

#: As Alembic makes it.
_VERSIONS = sql.table("alembic_version", sql.column("version_num"))


def recorded(connection: sql.Connection) -> set[str]:
    """The newest revision of every room that was ever migrated in this database."""
    if not sql.inspect(connection).has_table("alembic_version"):
        return set()
    return set(connection.execute(sql.select(_VERSIONS.c.version_num)).scalars())


def is_current(revisions: set[str], rooms: Sequence[Room]) -> bool:
    """Whether every room has seen its newest migration."""
    return all(room.head in revisions for room in rooms)


def refuse_newer(revisions: set[str], rooms: Sequence[Room], where: str) -> None:
    """Raise InvalidError if a room of the database was migrated further than this installation knows."""
    for room in rooms:
        for revision in revisions:
            number, known = room.number(revision), room.number(room.head)
            if number is not None and known is not None and number > known:
                raise InvalidError(
                    f"{where} was made by a newer version: it is at {revision}, this installation knows {room.head}; nothing was changed",
                    hint="install the newer version, or use another catalog",
                )


def upgrade(connection: sql.Connection, rooms: Sequence[Room]) -> None:
    """Run the missing migrations of these rooms inside the connection's transaction; those of other rooms are left alone."""
    # Alembic takes 0.4 s to import and is needed on the first day alone.
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    folders = [room.migrations for room in rooms]
    scripts = ScriptDirectory(folders[0], version_locations=folders)
    mine = {script.revision for script in scripts.walk_revisions()}

    def missing(seen: Sequence[str], _: object) -> Any:
        return _steps(scripts, tuple(revision for revision in seen if revision in mine))

    environment = EnvironmentContext(Config(), scripts, fn=missing)
    environment.configure(connection=connection)
    environment.run_migrations()


def _steps(scripts: "ScriptDirectory", seen: tuple[str, ...]) -> list[Any]:
    # What `alembic upgrade heads` does; Alembic has no public call that takes the revisions to start from.
    return list(scripts._upgrade_revs("heads", seen))  # type: ignore[arg-type]
