"""Old versions of Delta tables: which blobs only they need, and how they are let go."""

import time
from collections.abc import Collection, Iterable

from intonaco.core.errors import AlreadyExistsError
from intonaco.infra.storage.delta.deltafiles import written_at
from intonaco.infra.storage.delta.deltahistory import History, Log
from intonaco.infra.storage.delta.deltalog import Entry

__all__ = ["expirable", "expire"]


def expirable(log: Log, table: str, keep: Collection[int], older_than_s: float) -> list[str]:
    """The parts that no kept version needs, named longer ago than this: of old versions, and left by interrupted writers."""
    history = log.refreshed(table)
    needed = {part.name for version in _kept(history, keep) for part in history.snapshot(version).parts}
    before = time.time() - older_than_s
    parts = ((name, written_at(name)) for name in log.blobs.names(f"{table}/part-"))
    return [name for name, moment in parts if name not in needed and moment is not None and moment < before]


def expire(log: Log, table: str, keep: Collection[int], older_than_s: float) -> list[str]:
    """Remove those parts, after a commit that says which versions cannot be read any more."""
    names = expirable(log, table, keep, older_than_s)
    history = log.known(table)
    lost = tuple(sorted(set(_readable(history)) - set(_kept(history, keep)) - set(_untouched(history, names))))
    if lost:
        entry = Entry(version=history.next_version, schema=None, replaces=False, parts=(), expired=lost)
        try:
            log.commit(entry, history)
        except AlreadyExistsError:
            return expire(log, table, keep, older_than_s)
    for name in names:
        log.blobs.delete(name)
    return names


def _readable(history: History) -> list[int]:
    return [version for version in range(history.next_version) if version not in history.expired]


def _kept(history: History, keep: Collection[int]) -> list[int]:
    """The newest version is always kept."""
    return [version for version in _readable(history) if version in keep or version == history.next_version - 1]


def _untouched(history: History, names: Iterable[str]) -> list[int]:
    """Versions that need none of these parts."""
    gone = set(names)
    return [version for version in _readable(history) if not any(part.name in gone for part in history.snapshot(version).parts)]
