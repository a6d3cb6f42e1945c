"""Artifacts: immutable results, named by the SHA-256 of their content."""

import hashlib
import time
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Self

import sqlalchemy as sql
from attrs import asdict, define, field, frozen
from sqlalchemy.dialects import postgresql, sqlite

from intonaco.core.errors import ConflictError, CorruptError, IntonacoError, InvalidError, MissingError
from intonaco.core.references import Reference
from intonaco.infra.lineage.formats import format_named, format_of
from intonaco.infra.lineage.tables import ARTIFACTS
from intonaco.infra.storage.blobs import SupportsPath, blob_name, get, put
from intonaco.infra.storage.tables import Snapshot
from intonaco.infra.workspace import Workspace

__all__ = ["TABLE", "Artifact", "Artifacts", "insert_new"]

#: The kind of a table's snapshot, whose content stays in the table store.
TABLE = "table"


@frozen(kw_only=True)
class Artifact:
    """An immutable result.

    Parameters
    ----------
    digest
        SHA-256 of its bytes; of a snapshot, the snapshot's digest.
    kind
        The word of its format.
    reference
        Where the content lies if it is not a blob: `table:project/name@version`; else empty.
    """

    digest: str
    kind: str
    size_bytes: int
    reference: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values that can travel to another process."""
        return asdict(self)

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(**given)


@define
class Artifacts:
    """The artifacts of a workspace's project."""

    workspace: Workspace = field(repr=False)
    project: str = ""

    def __attrs_post_init__(self) -> None:
        self.project = self.project or self.workspace.settings.project

    def write(self, value: Any) -> Artifact:
        """Keep the content of a value without naming it in the catalog, which workers leave to their driver.

        Raises
        ------
        InvalidError
            No format keeps its type; the message names the hook.
        """
        if isinstance(value, Artifact):
            return value
        if isinstance(value, Snapshot):
            size_bytes = sum(part.size_bytes for part in value.parts)
            return Artifact(digest=value.digest, kind=TABLE, size_bytes=size_bytes, reference=value.reference)
        kept = format_of(value, self.workspace.plugins)
        data = kept.encode(value)
        artifact = Artifact(digest=hashlib.sha256(data).hexdigest(), kind=kept.kind, size_bytes=len(data))
        if self.present(artifact):
            get(self.workspace.blobs, artifact.digest)  # it may be damaged, and writing the bytes to find that out costs two syncs
        else:
            put(self.workspace.blobs, data)
        return artifact

    def save(self, value: Any) -> Artifact:
        """Keep a value, so that it can be found by its digest."""
        artifact = self.write(value)
        with self.workspace.catalog.transaction() as connection:
            self.record(connection, [artifact])
        return artifact

    def record(self, connection: sql.Connection, artifacts: Iterable[Artifact], at_us: int | None = None) -> None:
        """Name artifacts in the catalog as part of a transaction; those that are named already stay as they are."""
        at_us = time.time_ns() // 1000 if at_us is None else at_us
        for artifact in artifacts:
            insert_new(connection, ARTIFACTS, {"project": self.project, **artifact.to_json(), "at_us": at_us})

    def load(self, artifact: Artifact | str) -> Any:
        """The value, verified; a snapshot comes as `Snapshot`.

        Raises
        ------
        MissingError
            Nothing of that digest is known, or its content was removed.
        CorruptError
            Its content has another digest.
        """
        if isinstance(artifact, str):
            artifact = self.find(artifact)
        if artifact.kind == TABLE:
            return self._snapshot(artifact)
        return format_named(artifact.kind, self.workspace.plugins).decode(get(self.workspace.blobs, artifact.digest))

    def find(self, digest: str) -> Artifact:
        """The artifact of a digest; MissingError if there is none, ConflictError if it is of several kinds."""
        table = ARTIFACTS.c
        query = sql.select(table.digest, table.kind, table.size_bytes, table.reference)
        with self.workspace.catalog.read() as connection:
            rows = connection.execute(query.where(table.project == self.project, table.digest == digest)).all()
        if not rows:
            raise MissingError(f"project {self.project!r} has no artifact {digest!r}")
        if len(rows) > 1:
            kinds = ", ".join(row.kind for row in rows)
            raise ConflictError(f"{digest!r} names artifacts of the kinds {kinds}", hint="load it by an Artifact that says its kind")
        return Artifact(**rows[0]._mapping)

    def present(self, artifact: Artifact) -> bool:
        """Whether the content is still there; it is verified when it is loaded."""
        if artifact.kind == TABLE:
            return self._has_snapshot(artifact)
        store, name = self.workspace.blobs, blob_name(artifact.digest)
        return store.path(name).is_file() if isinstance(store, SupportsPath) else any(found == name for found in store.names(name))

    def _has_snapshot(self, artifact: Artifact) -> bool:
        try:
            return bool(self._snapshot(artifact))
        except IntonacoError:
            return False

    def _snapshot(self, artifact: Artifact) -> Snapshot:
        reference = Reference.parse(artifact.reference, kind=TABLE)
        if not reference.version.isdigit():
            raise InvalidError(f"{artifact.reference!r} does not name the version of a table")
        found = self.workspace.tables.snapshot(f"{reference.project}/{reference.name}", int(reference.version))
        if found.digest != artifact.digest:
            raise CorruptError(
                f"{artifact.reference} has the digest {found.digest}, recorded was {artifact.digest}",
                hint="the table was made anew; run again what read it",
            )
        return found


def insert_new(connection: sql.Connection, table: sql.Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless its primary key is taken, and tell whether it was inserted."""
    return connection.execute(_insert_new(table, connection.dialect.name), row).rowcount > 0


@cache
def _insert_new(table: sql.Table, dialect: str) -> sql.Insert:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    # PostgreSQL returns the keys of what was inserted, behind which SQLAlchemy forgets how many rows there were.
    return insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
