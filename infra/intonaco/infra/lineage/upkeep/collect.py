"""`intonaco gc`: what nothing refers to any more, why it may go, and what keeps the rest.

What is young, or younger than the oldest run that goes on, stays: a command may have written it and not yet named it.
"""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sql
from attrs import asdict, frozen

from intonaco.infra.lineage.runs.records import RunRecord
from intonaco.infra.lineage.tables import INPUTS, RUNS, USES, VERSIONS
from intonaco.infra.lineage.upkeep.holding import held_blobs
from intonaco.infra.storage.blobs import BlobStatus, SupportsLeftovers, SupportsStatuses, blob_name
from intonaco.infra.storage.catalog.leases import Leases
from intonaco.infra.storage.tables import SupportsExpiry
from intonaco.infra.workspace import Workspace

__all__ = ["Collection", "Removal", "collect", "plan_collection"]

OLDER_THAN_S = 3600.0
_LEASE_S = 3600.0
_UNNAMED = "no row of the catalog and no kept blob names it"
_UNREAD = "only old versions of the table need it, and no registered model was made from them"
_UNCOMMITTED = "an interrupted writer left it: no version of the table needs it"


@frozen(kw_only=True)
class Removal:
    """Something that nothing needs.

    Parameters
    ----------
    store
        `blobs`, `tables` or a table's name.
    what
        `blob`, `leftover` of an interrupted writer, or `part` of old versions of a table.
    """

    store: str
    what: str
    name: str
    size_bytes: int
    why: str


@frozen(kw_only=True)
class Collection:
    """What would go or has gone, and how much is kept by what.

    Parameters
    ----------
    kept
        By what something is kept, to how many.
    done
        Whether the removals were made.
    """

    removals: tuple[Removal, ...]
    kept: dict[str, int]
    done: bool = False

    @property
    def size_bytes(self) -> int:
        """What goes, together."""
        return sum(removal.size_bytes for removal in self.removals)

    def to_json(self) -> dict[str, Any]:
        """Plain values, for `--json`."""
        removals = [asdict(removal) for removal in self.removals]
        return {"removals": removals, "kept": self.kept, "size_bytes": self.size_bytes, "done": self.done}


def plan_collection(workspace: Workspace, *, older_than_s: float = OLDER_THAN_S, tables_older_than_s: float | None = None) -> Collection:
    """What `collect` would remove; nothing is changed.

    Parameters
    ----------
    older_than_s
        What is younger stays, since a command that goes on may be about to name it.
    tables_older_than_s
        Let old versions of tables go that are older than this and were not read for any registered model; None lets none go.
    """
    moments = _Moments.of(workspace, older_than_s, tables_older_than_s)
    kept: Counter[str] = Counter()
    removals = [*_blobs(workspace, moments.cutoff_s, kept), *_leftovers(workspace, moments.older_than_s)]
    removals += _parts(workspace, _KeptVersions(workspace, tables_older_than_s is None), moments.parts_older_than_s)
    return Collection(removals=tuple(removals), kept=dict(sorted(kept.items())))


def collect(workspace: Workspace, *, older_than_s: float = OLDER_THAN_S, tables_older_than_s: float | None = None) -> Collection:
    """Remove what nothing needs, and tell what that was.

    Raises
    ------
    ConflictError
        Another collection goes on.
    """
    leases = Leases(workspace.catalog)
    lease = leases.take("gc", f"gc {time.time_ns()}", _LEASE_S)
    try:
        planned = plan_collection(workspace, older_than_s=older_than_s, tables_older_than_s=tables_older_than_s)
        moments = _Moments.of(workspace, older_than_s, tables_older_than_s)
        gone = [removal for removal in planned.removals if removal.what != "part" and _remove(workspace, removal, moments.cutoff_s)]
        gone += _expire(workspace, planned, _KeptVersions(workspace, tables_older_than_s is None), moments.parts_older_than_s)
        return Collection(removals=tuple(gone), kept=planned.kept, done=True)
    finally:
        leases.release(lease)


@frozen
class _Moments:
    """How old a thing has to be to go: nothing goes that is younger than the oldest run that goes on."""

    cutoff_s: float
    older_than_s: float
    parts_older_than_s: float

    @classmethod
    def of(cls, workspace: Workspace, older_than_s: float, tables_older_than_s: float | None) -> "_Moments":
        now_s = time.time()
        cutoff_s = min(now_s - older_than_s, _oldest_running_s(workspace))
        return cls(cutoff_s, now_s - cutoff_s, max(tables_older_than_s or 0.0, now_s - cutoff_s))


def _oldest_running_s(workspace: Workspace) -> float:
    """When the oldest run that goes on was started."""
    with workspace.catalog.read() as connection:
        rows = connection.execute(sql.select(RUNS).where(RUNS.c.status == "running")).mappings().all()
    runs = [RunRecord.from_row(row) for row in rows]
    return min((run.started_at.timestamp() for run in runs if run.status == "running"), default=time.time())


def _blobs(workspace: Workspace, cutoff_s: float, kept: Counter[str]) -> Iterator[Removal]:
    found = {each.name.rpartition("/")[2]: each for each in _statuses(workspace, "sha256/")}
    holders = held_blobs(workspace, found)
    for digest, status in found.items():
        if digest in holders:
            kept[holders[digest]] += 1
        elif status.changed_s >= cutoff_s:
            kept["its age: a command may be about to name it"] += 1
        else:
            yield Removal(store="blobs", what="blob", name=blob_name(digest), size_bytes=status.size_bytes, why=_UNNAMED)


def _statuses(workspace: Workspace, prefix: str) -> Iterator[BlobStatus]:
    """Sizes and ages of blobs; what a store cannot tell the age of counts as young."""
    if isinstance(workspace.blobs, SupportsStatuses):
        return workspace.blobs.statuses(prefix)
    return (BlobStatus(name=name, size_bytes=0, changed_s=time.time()) for name in workspace.blobs.names(prefix))


def _leftovers(workspace: Workspace, older_than_s: float) -> Iterator[Removal]:
    for name, store in (("blobs", workspace.blobs), ("tables", workspace.tables)):
        if isinstance(store, SupportsLeftovers):
            for leftover in store.leftovers(older_than_s):
                yield Removal(store=name, what="leftover", name=leftover, size_bytes=0, why="an interrupted writer left it")


def _parts(workspace: Workspace, kept: "_KeptVersions", older_than_s: float) -> Iterator[Removal]:
    """The parts of tables that no version to keep needs."""
    store, why = workspace.tables, _UNCOMMITTED if kept.every else _UNREAD
    if isinstance(store, SupportsExpiry):
        for table in workspace.tables.names():
            for name in store.expirable(table, kept.of(table), older_than_s):
                yield Removal(store=table, what="part", name=name, size_bytes=0, why=why)


@frozen
class _KeptVersions:
    """Which versions of a table stay: all, or those that a registered model was made from, and always the newest."""

    workspace: Workspace
    every: bool

    def of(self, table: str) -> set[int]:
        if self.every:
            return set(range(self.workspace.tables.snapshot(table).version + 1))
        versions = [text.rpartition("@")[2] for text in self._references(f"table:{table}@")]
        return {int(version) for version in versions if version.isdigit()}

    def _references(self, start: str) -> list[str]:
        """What registered models were made from."""
        used = sql.select(USES.c.reference.concat("@").concat(USES.c.at))
        read = sql.select(INPUTS.c.reference).join(VERSIONS, VERSIONS.c.run == INPUTS.c.run)
        with self.workspace.catalog.read() as connection:
            found = [*connection.execute(used).scalars(), *connection.execute(read).scalars()]
        return [text for text in found if text.startswith(start)]


def _remove(workspace: Workspace, removal: Removal, cutoff_s: float) -> bool:
    """Remove a blob or a leftover, unless it was written anew meanwhile."""
    if removal.what == "leftover":
        store = workspace.blobs if removal.store == "blobs" else workspace.tables
        assert isinstance(store, SupportsLeftovers)
        store.remove_leftover(removal.name)
        return True
    if not any(each.changed_s < cutoff_s for each in _statuses(workspace, removal.name)):
        return False
    workspace.blobs.delete(removal.name)
    return True


def _expire(workspace: Workspace, planned: Collection, kept: _KeptVersions, older_than_s: float) -> list[Removal]:
    """Remove the planned parts of tables."""
    store, parts = workspace.tables, [removal for removal in planned.removals if removal.what == "part"]
    if not isinstance(store, SupportsExpiry):
        return []
    gone = {name for table in dict.fromkeys(part.store for part in parts) for name in store.expire(table, kept.of(table), older_than_s)}
    return [part for part in parts if part.name in gone]
