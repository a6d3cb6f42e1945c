"""Movable names of versions: `eta@stable`."""

import time

import sqlalchemy as sql

from intonaco.core.errors import InvalidError
from intonaco.core.references import check_name
from intonaco.infra.features.tables import ALIASES
from intonaco.infra.storage.catalog.seals import seal, verify

__all__ = ["aliases_of", "check_alias", "move_alias", "named_by_aliases"]


def check_alias(alias: str) -> str:
    """The alias, if it is a name and no number."""
    check_name(alias, "alias")
    if alias.isdigit():
        raise InvalidError(f"{alias!r} is a number of a version, not an alias", hint="such as 'stable'", field="alias")
    return alias


def aliases_of(connection: sql.Connection, project: str, kind: str, name: str) -> dict[str, int]:
    """What the last move of each alias says."""
    return {alias: version for (_, alias), version in named_by_aliases(connection, project, kind, ALIASES.c.name == name).items()}


def named_by_aliases(connection: sql.Connection, project: str, kind: str, *of: sql.ColumnElement[bool]) -> dict[tuple[str, str], int]:
    """The versions of all definitions of a kind that have aliases, by name and alias."""
    query = sql.select(ALIASES).where(ALIASES.c.project == project, ALIASES.c.kind == kind, *of)
    last: dict[tuple[str, str], int] = {}
    for row in connection.execute(query.order_by(ALIASES.c.name, ALIASES.c.alias, ALIASES.c.move)).mappings():
        verify(row, where="an alias of a feature definition")
        last[row["name"], row["alias"]] = row["version"]
    return {each: version for each, version in last.items() if version}


def move_alias(connection: sql.Connection, project: str, kind: str, name: str, alias: str, version: int, by: str) -> None:
    """Record a move; version 0 removes the alias."""
    own = {"project": project, "kind": kind, "name": name, "alias": alias}
    last = connection.scalar(sql.select(sql.func.max(ALIASES.c.move)).where(*(ALIASES.c[key] == value for key, value in own.items())))
    row = {**own, "move": (last or 0) + 1, "version": version, "by": by, "moved_us": time.time_ns() // 1000}
    connection.execute(ALIASES.insert().values(**row, seal=seal(row)))
