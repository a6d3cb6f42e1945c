"""Applied definitions: the rows in which the catalog holds them, many at a time."""

import time
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec
import sqlalchemy as sql
from attrs import frozen

from intonaco.infra.features.defined.meaning import Definition
from intonaco.infra.features.recorded.stored import decode
from intonaco.infra.features.tables import DEFINITIONS
from intonaco.infra.storage.catalog.seals import seal, verify

__all__ = ["Applied", "Recorded", "newest", "row_of", "versions_by_meaning"]

#: Names in one statement; databases allow tens of thousands of values, SQLite once 999.
_NAMES = 500
_OUTER = DEFINITIONS.alias("newest")
_SAME_NAME = tuple(DEFINITIONS.c[name] == _OUTER.c[name] for name in ("project", "kind", "name"))
_NEWEST = sql.select(_OUTER).where(_OUTER.c.version == sql.select(sql.func.max(DEFINITIONS.c.version)).where(*_SAME_NAME).scalar_subquery())


@frozen(kw_only=True)
class Applied:
    """One version of a definition as recorded."""

    kind: str
    name: str
    version: int
    meaning: str
    definition: Definition
    applied_us: int


@frozen
class Recorded:
    """The row of a version; its definition is read when it is asked for."""

    row: Mapping[Any, Any]

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> "Recorded":
        """What a row says, once its seal is verified."""
        verify(row, where="a recorded feature definition")
        return cls(dict(row))

    @property
    def key(self) -> tuple[str, str]:
        """Kind and name."""
        return self.row["kind"], self.row["name"]

    @property
    def version(self) -> int:
        """Counts from 1."""
        return int(self.row["version"])

    def read(self) -> Applied:
        """The version with its definition."""
        shared = {name: self.row[name] for name in ("kind", "name", "version", "meaning", "applied_us")}
        return Applied(definition=decode(self.row["kind"], self.row["body"]), **shared)


def newest(connection: sql.Connection, project: str, kind: str = "", names: Collection[str] | None = None) -> Iterator[Recorded]:
    """The newest versions of a project's definitions, of a kind and of names if they are given; by kind and name."""
    query = _NEWEST.where(_OUTER.c.project == project).order_by(_OUTER.c.kind, _OUTER.c.name)
    if kind:
        query = query.where(_OUTER.c.kind == kind)
    for part in [None] if names is None else _parts(names):
        chosen = query if part is None else query.where(_OUTER.c.name.in_(part))
        yield from (Recorded.of(row) for row in connection.execute(chosen).mappings())


def versions_by_meaning(connection: sql.Connection, project: str, kind: str, names: Collection[str]) -> dict[tuple[str, str], int]:
    """For names and digests of their meanings the newest version of them."""
    columns = (DEFINITIONS.c.name, DEFINITIONS.c.meaning, sql.func.max(DEFINITIONS.c.version))
    query = sql.select(*columns).where(DEFINITIONS.c.project == project, DEFINITIONS.c.kind == kind)
    found: dict[tuple[str, str], int] = {}
    for part in _parts(names):
        rows = connection.execute(query.where(DEFINITIONS.c.name.in_(part)).group_by(DEFINITIONS.c.name, DEFINITIONS.c.meaning))
        found |= {(name, meaning): int(version) for name, meaning, version in rows}
    return found


def row_of(project: str, kind: str, version: int, definition: Definition, meaning: str, body: str) -> dict[str, Any]:
    """The sealed row of a version."""
    row = {
        "project": project,
        "kind": kind,
        "name": definition.name,
        "version": version,
        "meaning": meaning,
        "body": body,
        "owner": definition.owner,
        "description": definition.description,
        "tags": msgspec.json.encode(getattr(definition, "tags", ())).decode(),
        "applied_us": time.time_ns() // 1000,
    }
    return {**row, "seal": seal(row)}


def _parts(names: Collection[str]) -> Iterator[list[str]]:
    every = sorted(set(names))
    return (every[start : start + _NAMES] for start in range(0, len(every), _NAMES))
