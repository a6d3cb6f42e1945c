"""Renamed views: what belongs to them stays stored under the name that they were first applied under."""

from collections.abc import Collection

import sqlalchemy as sql

from intonaco.infra.features.tables import RENAMES
from intonaco.infra.storage.catalog.seals import seal, verify

__all__ = ["record_rename", "renamed_away", "stored_names"]


def record_rename(connection: sql.Connection, project: str, name: str, version: int, was: str) -> None:
    """Record that a version of a view is stored as `was`, or as that one is."""
    old, _, number = was.rpartition("@")
    stored = stored_names(connection, project, [old]).get((old, int(number)), (old, int(number)))
    row = {"project": project, "name": name, "version": version, "stored_name": stored[0], "stored_version": stored[1]}
    connection.execute(RENAMES.insert().values(**row, seal=seal(row)))


def stored_names(connection: sql.Connection, project: str, names: Collection[str]) -> dict[tuple[str, int], tuple[str, int]]:
    """For those of these views' versions that were renamed the name and version that they are stored under."""
    wanted = set(names)
    query = sql.select(RENAMES).where(RENAMES.c.project == project)
    if len(wanted) == 1:
        query = query.where(RENAMES.c.name == next(iter(wanted)))
    rows = [row for row in connection.execute(query).mappings() if row["name"] in wanted]
    for row in rows:
        verify(row, where="the record of a renamed feature view")
    return {(row["name"], row["version"]): (row["stored_name"], row["stored_version"]) for row in rows}


def renamed_away(connection: sql.Connection, project: str) -> set[str]:
    """The names that renamed views were first applied under."""
    return set(connection.scalars(sql.select(RENAMES.c.stored_name).where(RENAMES.c.project == project)))
