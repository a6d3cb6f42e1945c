"""What keeps a blob: a row of the catalog that names its digest, or a kept blob of JSON that does.

A package's manifest names its files, a step's result the package that it made. As any digest in any text counts, neither a room
nor a plugin has to register what it keeps.
"""

import re
from collections.abc import Container, Iterator

import sqlalchemy as sql

from intonaco.core.errors import CorruptError, MissingError
from intonaco.infra.storage.blobs import SupportsRange, blob_name
from intonaco.infra.workspace import Workspace

__all__ = ["held_blobs"]

_DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")

_JSON = (b"{", b"[", b'"')


def held_blobs(workspace: Workspace, blobs: Container[str]) -> dict[str, str]:
    """Digests of blobs to what keeps them: rows of the catalog first, then what those blobs name, and so on."""
    holders: dict[str, str] = {}
    waiting: list[str] = []
    for digest, table in _named_by_rows(workspace):
        if digest in blobs and digest not in holders:
            holders[digest] = f"rows of {table}"
            waiting.append(digest)
    while waiting:
        for digest in _named_by_blob(workspace, waiting.pop()):
            if digest in blobs and digest not in holders:
                holders[digest] = "other blobs that are kept"
                waiting.append(digest)
    return holders


def _named_by_rows(workspace: Workspace) -> Iterator[tuple[str, str]]:
    """Every digest that stands in a text of the catalog, and the table."""
    with workspace.catalog.read() as connection:
        for room in workspace.catalog.rooms:
            for table in room.tables.sorted_tables:
                texts = [column for column in table.columns if isinstance(column.type, sql.Text)]
                for row in connection.execute(sql.select(*texts)) if texts else ():
                    for text in row:
                        yield from ((digest, table.name) for digest in _DIGEST.findall(text or ""))


def _named_by_blob(workspace: Workspace, digest: str) -> list[str]:
    """Digests that a JSON blob names; a damaged or absent one names nothing, and `intonaco fsck` tells."""
    blobs, name = workspace.blobs, blob_name(digest)
    try:
        if isinstance(blobs, SupportsRange) and blobs.read_range(name, 0, 1) not in _JSON:
            return []  # most bytes are of payloads, which need not be fetched
        data = blobs.read(name)
    except (MissingError, CorruptError):
        return []
    return _DIGEST.findall(data.decode("utf-8", "replace")) if data[:1] in _JSON else []
