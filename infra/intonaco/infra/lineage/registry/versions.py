"""Versions of models: what stands in the registry, and how it stands in the catalog."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sql
from attrs import field, frozen

from intonaco.core.references import Reference
from intonaco.infra.lineage.cells import Cells
from intonaco.infra.storage.catalog.seals import verify

__all__ = ["Move", "Version", "move_of_row", "row_of_move", "row_of_version", "version_of_row"]

#: What a version and its row hold alike, and a move and its row.
_MOVE = ("alias", "before", "after", "by", "why", "at_us")
_PLAIN = ("project", "model", "partition", "number", "package", "held_out", "notes", "created_us")


@frozen(kw_only=True)
class Version:
    """One version of a model; it never changes.

    Parameters
    ----------
    number
        Counts from 1 in its line, without gaps.
    package
        The digest of its package.
    run_id
        The run that made it.
    cells
        What its evaluation returned; empty if it was not evaluated.
    held_out
        Whether it was evaluated on rows that it had not learned from.
    reports
        Names to digests of reports.
    parents
        References of the versions that it was made from.
    new
        Whether the call that returned it registered it.
    """

    project: str
    model: str
    number: int
    package: str
    run_id: str
    created_us: int
    partition: str = ""
    cells: Cells = field(default=Cells(), repr=False)
    held_out: bool = False
    reports: Mapping[str, str] = field(factory=dict, repr=False)
    parents: tuple[str, ...] = ()
    notes: str = field(default="", repr=False)
    new: bool = field(default=False, eq=False)

    @property
    def reference(self) -> str:
        """`model:project/name@number`."""
        return str(self._reference)

    @property
    def short(self) -> str:
        """The reference as people write it: `eta@3`."""
        return self._reference.short

    @property
    def _reference(self) -> Reference:
        return Reference("model", self.model, self.project, self.partition, str(self.number))

    @property
    def created_at(self) -> datetime:
        """When it was registered, in UTC."""
        return datetime.fromtimestamp(self.created_us / 1e6, UTC)

    def to_json(self) -> dict[str, Any]:
        """Plain values, for `--json` and pages."""
        plain = {name: getattr(self, name) for name in (*_PLAIN, "run_id", "new")}
        values = {"reference": self.reference, "created_at": self.created_at.isoformat(), "cells": self.cells.to_json()}
        return {**plain, **values, "reports": dict(self.reports), "parents": list(self.parents)}


@frozen(kw_only=True)
class Move:
    """An alias was moved: from which version (None: it was new) to which (None: it was removed), by whom, why and when."""

    alias: str
    before: int | None
    after: int | None
    by: str
    why: str
    at_us: int

    @property
    def at(self) -> datetime:
        """When, in UTC."""
        return datetime.fromtimestamp(self.at_us / 1e6, UTC)


def row_of_version(version: Version) -> dict[str, Any]:
    """The row of a version, without its seal."""
    plain = {name: getattr(version, name) for name in _PLAIN}
    texts = {"cells": version.cells.to_json(), "reports": dict(version.reports), "parents": list(version.parents)}
    encoded = {name: json.dumps(value, allow_nan=False, sort_keys=True) for name, value in texts.items()}
    return {**plain, "run": version.run_id, **encoded}


def version_of_row(row: sql.RowMapping) -> Version:
    """The version of a row; CorruptError if the row is not as it was written."""
    verify(row, where="the registry of models")
    plain = {name: row[name] for name in _PLAIN}
    return Version(
        **plain,
        run_id=row["run"],
        cells=Cells.from_json(json.loads(row["cells"])),
        reports=json.loads(row["reports"]),
        parents=tuple(json.loads(row["parents"])),
    )


def row_of_move(move: Move) -> dict[str, Any]:
    """The columns of a move, without its line and its seal."""
    return {name: getattr(move, name) for name in _MOVE}


def move_of_row(row: sql.RowMapping) -> Move:
    """The move of a row; CorruptError if the row is not as it was written."""
    verify(row, leave_out=("id",), where="the history of aliases")
    return Move(**{name: row[name] for name in _MOVE})
