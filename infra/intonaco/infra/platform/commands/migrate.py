"""`intonaco migrate`: move a store to another URL while it is written and read."""

import os
import time
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import click
from attrs import define

from intonaco.core.errors import InvalidError, UnavailableError
from intonaco.infra.platform.answers import Answer, answering, say
from intonaco.infra.platform.cli import open_workspace
from intonaco.infra.platform.groups import Commands

if TYPE_CHECKING:
    from intonaco.core.urls import StoreUrl
    from intonaco.infra.storage.catalog.catalogmigration import CatalogMigration
    from intonaco.infra.storage.moving.migration import Migration
    from intonaco.infra.storage.moving.moves import Move
    from intonaco.infra.workspace import Workspace

__all__ = ["migrate"]

STORES = ("blobs", "tables", "keyvalue", "stream", "catalog")
_STORE = click.argument("store", type=click.Choice(STORES))
#: The exit code of a store that cannot be asked.
_UNAVAILABLE = 5
_NEXT = {
    "copying": "intonaco migrate switch {store}",
    "held": "intonaco migrate switch {store}",
    "held back": "intonaco migrate rollback {store}",
    "switched": "intonaco migrate finish {store}, or intonaco migrate rollback {store}",
    "finished": "intonaco status",
}


@click.group(cls=Commands)
def migrate() -> None:
    """Move a store to another URL while it is written and read: start, switch, finish; or roll back."""


@migrate.command()
@_STORE
@click.argument("url")
@answering
def start(store: str, url: str) -> Answer:
    """Copy a store to URL and compare; the same command goes on after an interruption."""
    from intonaco.core.urls import StoreUrl
    from intonaco.infra.storage.moving.moves import url_text

    with open_workspace() as workspace, _opened(workspace, store) as migration:
        asked = workspace.absolute(StoreUrl.parse(url))
        target = url_text(asked)
        if _place(asked) == _place(workspace.absolute(workspace.url(store))):
            raise InvalidError(f"stores.{store} is at {workspace.url(store)} already", hint="name another place", field="url")
        begun = time.monotonic()
        found = migration.start(target)
    seconds = time.monotonic() - begun
    lines = [f"{store} was copied to {target} in {seconds:.1f} s: {found.equal:,} equal, {found.repaired:,} written while comparing."]
    lines += [
        "Writers write to both from now on." if store == "keyvalue" else "Writers go on with the old one; the switch copies the rest."
    ]
    rows = [{"differs": each.kind, "name": each.name} for each in found.first]
    data = {"store": store, "url": target, "equal": found.equal, "repaired": found.repaired, "differences": rows, "seconds": seconds}
    return Answer(data=data, lines=lines, rows=rows, next=_NEXT["copying"].format(store=store))


@migrate.command()
@answering
def status() -> Answer:
    """Say of each store where it is and whether it moves."""
    with open_workspace() as workspace:
        rows = [_row(workspace, store) for store in STORES]
    moving, faults = [row for row in rows if row["phase"]], [row for row in rows if row["fault"]]
    following = _NEXT[moving[0]["phase"]].format(store=moving[0]["store"]) if moving else "intonaco migrate start STORE URL"
    lines = [f"{len(moving)} of {len(rows)} stores move.", *(f"{row['store']} cannot be asked: {row['fault']}" for row in faults)]
    shown = [{name: row[name] for name in ("store", "url", "phase", "to", "behind")} for row in rows]
    following = f"intonaco doctor, then {following}" if faults else following
    return Answer(data={"stores": rows}, lines=lines, rows=shown, next=following, exit_code=_UNAVAILABLE if faults else 0)


@migrate.command()
@_STORE
@answering
def switch(store: str) -> Answer:
    """Let the new store count; writers wait for a moment until both are equal."""
    with open_workspace() as workspace, _opened(workspace, store) as migration:
        stopped_s = migration.switch()
        url = _url_of(migration.state())
    lines = [f"{store} is read from {url}; writers waited for {stopped_s:.2f} s. Running processes follow within a second."]
    return Answer(data={"store": store, "url": url, "writers_waited_s": stopped_s}, lines=lines, next=_NEXT["switched"].format(store=store))


@migrate.command()
@_STORE
@answering
def rollback(store: str) -> Answer:
    """Let the old store count again, with all that was written since."""
    with open_workspace() as workspace, _opened(workspace, store) as migration:
        stopped_s = migration.rollback()
    lines = [f"{store} is where it was; writers waited for {stopped_s:.2f} s."]
    data = {"store": store, "url": str(workspace.url(store)), "writers_waited_s": stopped_s}
    return Answer(data=data, lines=lines, next="intonaco migrate status")


@migrate.command()
@_STORE
@answering
def finish(store: str) -> Answer:
    """Leave the old store for good: it says from now on where it went."""
    with open_workspace() as workspace, _opened(workspace, store) as migration:
        url = migration.finish()
    line = f'{store} = "{url}"'
    lines = [f"{store} has moved to {url}. Under [stores] in intonaco.toml of every workspace, write:", "", f"    {line}", ""]
    lines += ["Until then opening the old URL is refused. Running processes go on with the new one."]
    return Answer(data={"store": store, "url": url, "setting": line}, lines=lines, next="intonaco doctor, after the line was written")


@define
class _Progress:
    """Says at most once a second how far the work is."""

    _said_at: float = 0.0

    def __call__(self, work: str, objects: int, size_bytes: int) -> None:
        now = time.monotonic()
        if now - self._said_at >= 1:
            self._said_at = now
            say(f"{work} {objects:,}" + (f", {size_bytes:,} bytes" if size_bytes else ""))


def _opened(workspace: "Workspace", store: str) -> AbstractContextManager["Migration | CatalogMigration"]:
    from contextlib import contextmanager

    @contextmanager
    def opened() -> Any:
        make = _catalog_migration if store == "catalog" else _store_migration
        with workspace.open_store(store, workspace.url(store)) as source:
            yield make(workspace, store, source)

    return opened()


def _store_migration(workspace: "Workspace", store: str, source: Any) -> "Migration":
    from functools import partial

    from intonaco.infra.storage.moving.migration import Migration
    from intonaco.infra.storage.moving.moves import journal_of

    where = f"stores.{store} ({workspace.url(store)})"
    lock = workspace.home / f"migrate-{store}.lock"
    return Migration(where, source, journal_of(source, where), partial(workspace.open_store, store), lock, _Progress())


def _catalog_migration(workspace: "Workspace", store: str, source: Any) -> "CatalogMigration":
    from intonaco.core.plugins import load_path
    from intonaco.infra.storage.catalog.catalog import Catalog
    from intonaco.infra.storage.catalog.catalogmigration import CatalogMigration

    rooms = [load_path(offer.path) for offer in workspace.plugins.offers("catalog_rooms").values()]
    url = workspace.url(store)

    def made(target: str) -> Any:
        Catalog.open(target, rooms, workspace.plugins, gone_too=True).close()
        return workspace.open_store(store, target)

    with Catalog.open(url, rooms, workspace.plugins, gone_too=True) as catalog:
        known = catalog.rooms
    lock = workspace.home / "migrate-catalog.lock"
    return CatalogMigration(f"stores.catalog ({url})", url, source, known, made, lock, _Progress())


def _place(url: "StoreUrl") -> tuple[str, ...]:
    """Where a URL leads to, however its path is written."""
    return (url.scheme, os.path.realpath(url.path)) if not url.host else (str(url),)


def _row(workspace: "Workspace", store: str) -> dict[str, Any]:
    """Where a store is; `behind` is null of one that does not move, `fault` says why one cannot be asked."""
    row = {"store": store, "url": str(workspace.url(store)), "phase": "", "to": "", "behind": None, "fault": ""}
    try:
        with _opened(workspace, store) as migration:
            move = migration.state()
    except UnavailableError as error:
        return {**row, "fault": error.message}
    return row if move is None else {**row, "phase": move.phase.value, "to": _url_of(move), "behind": move.behind}


def _url_of(move: "Move | None") -> str:
    return move.target if move else ""
