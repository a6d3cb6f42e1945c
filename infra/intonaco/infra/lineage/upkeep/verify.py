"""`intonaco fsck`: reads everything that is stored and names each damaged object."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sql
from attrs import asdict, frozen

from intonaco.core.errors import IntonacoError, MissingError, UnavailableError
from intonaco.core.references import Reference
from intonaco.infra.lineage.tables import ARTIFACTS, VERSIONS
from intonaco.infra.storage.blobs import blob_name
from intonaco.infra.storage.catalog.seals import verify as verify_seal
from intonaco.infra.storage.keyvalue import SupportsListing
from intonaco.infra.storage.streams import SupportsTopics
from intonaco.infra.storage.tables import SupportsVerification
from intonaco.infra.workspace import Workspace

__all__ = ["Damage", "Verification", "verify"]


@frozen(kw_only=True)
class Damage:
    """An object that is not what was acknowledged.

    Parameters
    ----------
    store
        `catalog`, `blobs`, `tables`, `keyvalue` or `stream`.
    """

    store: str
    name: str
    reason: str


@frozen(kw_only=True)
class Verification:
    """What was read, by store, and what is damaged."""

    checked: dict[str, int]
    damages: tuple[Damage, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is damaged."""
        return not self.damages

    def to_json(self) -> dict[str, Any]:
        """Plain values, for `--json`."""
        return {"sound": self.sound, "checked": self.checked, "damages": [asdict(damage) for damage in self.damages]}


#: One object that was read: its name, and what is wrong with it, or "".
Finding = tuple[str, str]


def verify(workspace: Workspace, progress: Callable[[str], None] = lambda _: None) -> Verification:
    """Read every byte of every store.

    Parameters
    ----------
    progress
        Told the name of each store before it is read.

    Raises
    ------
    UnavailableError
        A store cannot be opened or listed.
    """
    readers = {"catalog": _catalog, "blobs": _blobs, "tables": _tables, "keyvalue": _keyvalue, "stream": _stream}
    checked: dict[str, int] = {}
    damages: list[Damage] = []
    for store, read in readers.items():
        progress(store)
        findings = list(_guarded(store, read, workspace))
        checked[store] = len(findings)
        damages += [Damage(store=store, name=name, reason=reason) for name, reason in findings if reason]
    return Verification(checked=checked, damages=tuple(damages))


def _guarded(store: str, read: Callable[[Workspace], Iterator[Finding]], workspace: Workspace) -> Iterator[Finding]:
    """What a reader finds; an error that ends it is a finding too, but for a store that does not answer: of that nothing is known."""
    try:
        yield from read(workspace)
    except UnavailableError:
        raise
    except IntonacoError as error:
        yield store, error.message


def _catalog(workspace: Workspace) -> Iterator[Finding]:
    yield from ((workspace.catalog.where, line) for line in workspace.catalog.damage())
    with workspace.catalog.read() as connection:
        for room in workspace.catalog.rooms:
            for table in room.tables.sorted_tables:
                yield from _rows(connection, table)
        yield from _gaps(connection)


def _rows(connection: sql.Connection, table: sql.Table) -> Iterator[Finding]:
    for row in connection.execute(sql.select(table)).mappings():
        name = f"{table.name}: {', '.join(str(row[key.name]) for key in table.primary_key)}"
        yield name, _seal_fault(row, table) if "seal" in row else ""


def _seal_fault(row: sql.RowMapping, table: sql.Table) -> str:
    try:
        verify_seal(row, leave_out=_unsealed(table), where=table.name)
    except IntonacoError as error:
        return error.message
    return ""


def _unsealed(table: sql.Table) -> set[str]:
    """The number that the database gives after the row was sealed, and columns that say `info={"sealed": False}`."""
    given = [] if table.autoincrement_column is None else [table.autoincrement_column.name]
    return {*given, *(column.name for column in table.columns if not column.info.get("sealed", True))}


def _gaps(connection: sql.Connection) -> Iterator[Finding]:
    """Models whose versions are not numbered from 1 without gaps: a row is gone."""
    line = (VERSIONS.c.project, VERSIONS.c.model, VERSIONS.c.partition)
    query = sql.select(*line, sql.func.count(), sql.func.max(VERSIONS.c.number)).group_by(*line)
    for project, model, partition, count, newest in connection.execute(query):
        name = f"model:{project}/{model}{f'[{partition}]' if partition else ''}"
        yield name, "" if count == newest else f"{newest - count} of its {newest} versions are gone"


def _blobs(workspace: Workspace) -> Iterator[Finding]:
    found = set()
    for name in workspace.blobs.names("sha256/"):
        digest = name.rpartition("/")[2]
        found.add(digest)
        yield name, _blob_fault(workspace, name, digest)
    for digest, holder in _wanted(workspace):
        if digest not in found:
            yield blob_name(digest), f"{holder} names it, and it is not there"


def _blob_fault(workspace: Workspace, name: str, digest: str) -> str:
    try:
        data = workspace.blobs.read(name)
    except IntonacoError as error:
        return error.message
    return "" if hashlib.sha256(data).hexdigest() == digest else "its bytes have another SHA-256"


def _wanted(workspace: Workspace) -> Iterator[Finding]:
    """Digests that must be there, and who says so."""
    artifacts = sql.select(ARTIFACTS.c.digest, ARTIFACTS.c.kind, ARTIFACTS.c.project).where(ARTIFACTS.c.reference == "")
    packages = sql.select(VERSIONS.c.package, VERSIONS.c.project, VERSIONS.c.model, VERSIONS.c.number)
    with workspace.catalog.read() as connection:
        for digest, kind, project in connection.execute(artifacts):
            yield digest, f"an artifact ({kind}) of project {project!r}"
        for digest, project, model, number in connection.execute(packages):
            yield digest, f"model:{project}/{model}@{number}"


def _tables(workspace: Workspace) -> Iterator[Finding]:
    for table in workspace.tables.names():
        faults = workspace.tables.damaged(table) if isinstance(workspace.tables, SupportsVerification) else _unreadable(workspace, table)
        yield f"table:{table}", "; ".join(faults)
    with workspace.catalog.read() as connection:
        recorded = connection.execute(sql.select(ARTIFACTS.c.reference, ARTIFACTS.c.digest).where(ARTIFACTS.c.reference != "")).all()
    for reference, digest in recorded:
        yield reference, _snapshot_fault(workspace, Reference.parse(reference), digest)


def _snapshot_fault(workspace: Workspace, reference: Reference, digest: str) -> str:
    """Why a version of a table is not the one that the catalog names; one that `intonaco gc` removed is no fault."""
    table, version, newest = f"{reference.project}/{reference.name}", int(reference.version), -1
    try:
        newest = workspace.tables.snapshot(table).version
        found = workspace.tables.snapshot(table, version)
    except MissingError as error:
        return f"the catalog names it, and it is not there: {error.message}" if newest < version else ""
    except IntonacoError as error:
        return error.message
    return "" if found.digest == digest else f"it has the digest {found.digest}, the catalog names {digest}"


def _unreadable(workspace: Workspace, table: str) -> list[str]:
    try:
        workspace.tables.read(workspace.tables.snapshot(table))
    except IntonacoError as error:
        return [error.message]
    return []


def _keyvalue(workspace: Workspace) -> Iterator[Finding]:
    if isinstance(workspace.keyvalue, SupportsListing):
        yield from ((key.hex(), wrong) for key, wrong in workspace.keyvalue.listed())
        return
    for key, _ in workspace.keyvalue.scan():
        yield key.hex(), ""


def _stream(workspace: Workspace) -> Iterator[Finding]:
    """Every record of every topic, in a store that can list them."""
    for topic, partition in workspace.stream.topics() if isinstance(workspace.stream, SupportsTopics) else ():
        yield f"{topic}[{partition}]", _topic_fault(workspace, topic, partition)


def _topic_fault(workspace: Workspace, topic: str, partition: int) -> str:
    after = 0
    try:
        while records := workspace.stream.read(topic, after, partition=partition):
            after = records[-1][0]
    except IntonacoError as error:
        return error.message
    return ""
