"""Memos: what a key stands for, and the result that is recorded under it."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sql
from attrs import define, field, frozen

from intonaco.core.errors import MissingError
from intonaco.infra.lineage import values
from intonaco.infra.lineage.artifacts import Artifact, Artifacts, insert_new
from intonaco.infra.lineage.runs.keys import Key
from intonaco.infra.lineage.tables import MEMOS
from intonaco.infra.storage.catalog.seals import seal, verify

__all__ = ["Memo", "Memos"]


@frozen(kw_only=True)
class Memo:
    """The first result of a key, the parts of the key, and which step of which run made it."""

    artifact: Artifact
    parts: Mapping[str, Any] = field(repr=False)
    run: str
    step: int


@define
class Memos:
    """The memos of a project."""

    artifacts: Artifacts

    def find(self, key: str) -> Memo | None:
        """The memo of a key's digest; CorruptError if it is damaged."""
        query = sql.select(MEMOS).where(MEMOS.c.project == self.artifacts.project, MEMOS.c.key == key)
        with self.artifacts.workspace.catalog.read() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _memo(row)

    def get(self, key: str) -> Memo:
        """The memo of a key's digest; MissingError if there is none, since the step failed or is not memoized."""
        memo = self.find(key)
        if memo is None:
            raise MissingError(f"project {self.artifacts.project!r} has no memo of the key {key[:12]}", hint="the step did not finish")
        return memo

    def record(self, connection: sql.Connection, key: Key, memo: Memo) -> None:
        """Keep a result under its key as part of a transaction; one that is there and whose artifact is present stays."""
        row = {"project": self.artifacts.project, "key": key.digest, "function": key.parts["function"], "parts": values.dumps(key.parts)}
        row |= {**memo.artifact.to_json(), "run": memo.run, "step": memo.step}
        own = (MEMOS.c.project == self.artifacts.project, MEMOS.c.key == key.digest)
        known = connection.execute(sql.select(MEMOS).where(*own)).mappings().first()
        if known is not None and not self.artifacts.present(_memo(known).artifact):
            connection.execute(MEMOS.delete().where(*own))
        insert_new(connection, MEMOS, row | {"seal": seal(row)})


def _memo(row: Mapping[Any, Any]) -> Memo:
    verify(row, where="the catalog's memos")
    artifact = Artifact(digest=row["digest"], kind=row["kind"], size_bytes=row["size_bytes"], reference=row["reference"])
    return Memo(artifact=artifact, parts=values.loads(row["parts"]), run=row["run"], step=row["step"])
