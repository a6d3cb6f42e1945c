"""Rooms: the parts of the system that own tables in the catalog."""

import re
from pathlib import Path

import sqlalchemy as sql
from attrs import field, frozen

from intonaco.core.errors import DefinitionError

__all__ = ["Room"]

# Alembic records a revision in 32 characters.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,26}")


@frozen(kw_only=True)
class Room:
    """A part of the system that owns tables: their definition, their newest migration, and the folder of all migrations.

    Migrations are Alembic scripts `0001_<name>.py`, `0002_...`, one after the other, whose revisions are `<name>_0001`,
    `<name>_0002`, ...; the first has `down_revision = None` and `branch_labels = (<name>,)`. All tables and indexes are
    named `<name>_...`. `intonaco.infra.testing.catalog.RoomContract` proves it.

    Parameters
    ----------
    head
        The newest revision, `<name>_0001`.
    """

    name: str
    tables: sql.MetaData = field(repr=False, eq=False)
    head: str
    migrations: Path

    def __attrs_post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise DefinitionError(
                f"{self.name!r} cannot name a room of the catalog", hint="use up to 27 of a-z, 0-9 and '_', starting with a letter"
            )
        if self.number(self.head) is None:
            raise DefinitionError(f"room {self.name!r} has the head {self.head!r}, expected a revision such as '{self.name}_0001'")

    def number(self, revision: str) -> int | None:
        """Which of this room's migrations the revision is, counted from 1; None if it is another room's."""
        match = re.fullmatch(rf"{self.name}_(\d{{4}})", revision)
        return int(match[1]) if match else None
