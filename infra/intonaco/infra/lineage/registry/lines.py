"""Lines of versions, and what the catalog holds of them."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sql
from attrs import evolve, frozen

from intonaco.core.errors import MissingError
from intonaco.core.references import Reference
from intonaco.core.schema import suggestion
from intonaco.infra.lineage.registry.versions import Move, Version, move_of_row, version_of_row
from intonaco.infra.lineage.tables import INPUTS, MOVES, USES, VERSIONS
from intonaco.infra.storage.catalog.seals import seal

__all__ = [
    "Line",
    "aliases_of",
    "insert_uses",
    "models_of",
    "moves_of",
    "newest_of",
    "number_of",
    "sealed",
    "tables_of_run",
    "versions_of",
]


def _own(table: sql.Table) -> sql.ColumnElement[bool]:
    """The rows of the line whose keys are given with the statement."""
    return sql.and_(*(table.c[name] == sql.bindparam(name) for name in ("project", "model", "partition")))


# Built once: SQLAlchemy takes longer to build a statement than SQLite to run it.
_NEWEST = sql.select(VERSIONS.c.number, VERSIONS.c.package).where(_own(VERSIONS)).order_by(VERSIONS.c.number.desc()).limit(1)
_VERSIONS = sql.select(VERSIONS).where(_own(VERSIONS)).order_by(VERSIONS.c.number)
_VERSION = _VERSIONS.where(VERSIONS.c.number == sql.bindparam("number"))
_MODELS = sql.select(VERSIONS.c.model).where(VERSIONS.c.project == sql.bindparam("project")).distinct().order_by(VERSIONS.c.model)
_MOVES = sql.select(MOVES).where(_own(MOVES)).order_by(MOVES.c.id)
_READ = sql.select(INPUTS.c.reference).where(INPUTS.c.run == sql.bindparam("run"), INPUTS.c.reference != "").distinct()


@frozen
class Line:
    """A named line of versions."""

    project: str
    model: str
    partition: str = ""

    def keys(self) -> dict[str, str]:
        """The columns that name this line."""
        return {"project": self.project, "model": self.model, "partition": self.partition}

    def __str__(self) -> str:
        return str(self.at(""))

    def at(self, version: str) -> Reference:
        """The reference of a version of this line."""
        return Reference("model", self.model, self.project, self.partition, version)


def newest_of(connection: sql.Connection, line: Line) -> tuple[int, str]:
    """The number of the newest version and the digest of its package; 0 and "" if there is none."""
    row = connection.execute(_NEWEST, line.keys()).first()
    return (0, "") if row is None else (row.number, row.package)


def versions_of(connection: sql.Connection, line: Line, number: int | None = None) -> list[Version]:
    """All versions, the oldest first, or the one of a number; MissingError if there is none."""
    query, given = (_VERSIONS, {}) if number is None else (_VERSION, {"number": number})
    found = [version_of_row(row) for row in connection.execute(query, {**line.keys(), **given}).mappings()]
    if not found:
        raise _missing(connection, line, "" if number is None else str(number))
    return found


def number_of(connection: sql.Connection, line: Line, version: str) -> int:
    """The number behind a version's name: itself, an alias, or empty for the newest; MissingError if there is none."""
    if version.isdigit():
        return int(version)
    number = aliases_of(connection, line).get(version, 0) if version else newest_of(connection, line)[0]
    if number == 0:
        raise _missing(connection, line, version)
    return number


def _missing(connection: sql.Connection, line: Line, version: str) -> MissingError:
    newest, _ = newest_of(connection, line)
    if newest == 0:
        return MissingError(f"no {line}", hint=suggestion(line.model, models_of(connection, line.project)), field=line.model)
    aliases = ", ".join(aliases_of(connection, line)) or "none"
    return MissingError(f"{line} has no version {version!r}", hint=f"its versions are 1 to {newest}, its aliases: {aliases}", field=version)


def models_of(connection: sql.Connection, project: str) -> list[str]:
    """The names of a project's models, sorted."""
    return list(connection.execute(_MODELS, {"project": project}).scalars())


def moves_of(connection: sql.Connection, line: Line) -> list[Move]:
    """All moves of the line's aliases, the oldest first."""
    return [move_of_row(row) for row in connection.execute(_MOVES, line.keys()).mappings()]


def aliases_of(connection: sql.Connection, line: Line) -> dict[str, int]:
    """What the last move of each alias says."""
    last = {move.alias: move.after for move in moves_of(connection, line)}
    return {alias: number for alias, number in sorted(last.items()) if number is not None}


def tables_of_run(connection: sql.Connection, run_id: str) -> list[str]:
    """References of the tables that a run read."""
    return list(connection.execute(_READ, {"run": run_id}).scalars())


def insert_uses(connection: sql.Connection, line: Line, number: int, read: Iterable[Reference]) -> None:
    """Record what a version was made from or reads."""
    own = {**line.keys(), "number": number}
    rows = [sealed({**own, "reference": str(evolve(each, version="")), "at": each.version}) for each in dict.fromkeys(read)]
    if rows:
        connection.execute(USES.insert(), rows)


def sealed(row: dict[str, Any]) -> dict[str, Any]:
    """The row with its seal."""
    return {**row, "seal": seal(row)}
