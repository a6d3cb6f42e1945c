"""A workspace in which nothing that a step writes to a table stays: what is reproduced must not replace what is current."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from attrs import define, field

from intonaco.core.errors import InvalidError, MissingError
from intonaco.core.urls import StoreUrl
from intonaco.infra.storage.checks import Check
from intonaco.infra.storage.tables import Snapshot, SupportsPaths, TableStore
from intonaco.infra.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ScratchTables", "ScratchWorkspace"]


@define(eq=False)
class ScratchTables(TableStore):
    """The tables of another store, of which those that are written here are kept in a store to be thrown away."""

    below: TableStore
    scratch: TableStore
    _written: list[Snapshot] = field(factory=list, init=False)

    @classmethod
    def open(cls, url: StoreUrl | str) -> Self:
        raise InvalidError("scratch tables have no URL")

    def write(
        self,
        table: str,
        data: "pa.Table | Iterable[pa.Table]",
        *,
        mode: Literal["append", "replace"] = "append",
        checks: Sequence[Check] = (),
        token: str = "",
    ) -> Snapshot:
        if mode == "append" and table not in self.scratch.names() and table in self.below.names():
            self.scratch.write(table, self.below.batches(self.below.snapshot(table)))
        self._written.append(self.scratch.write(table, data, mode=mode, checks=checks, token=token))
        return self._written[-1]

    def snapshot(self, table: str, version: int | None = None) -> Snapshot:
        written = [each for each in self._written if each.table == table and version in (None, each.version)]
        return written[-1] if written and version is None else self._earlier(table, version, written)

    def read(self, snapshot: Snapshot, columns: Sequence[str] | None = None) -> "pa.Table":
        return self._home(snapshot).read(snapshot, columns)

    def batches(self, snapshot: Snapshot, columns: Sequence[str] | None = None) -> "Iterator[pa.Table]":
        return self._home(snapshot).batches(snapshot, columns)

    def names(self, project: str = "") -> list[str]:
        return sorted({*self.below.names(project), *self.scratch.names(project)})

    def paths(self, snapshot: Snapshot) -> list[Path] | None:
        home = self._home(snapshot)
        return home.paths(snapshot) if isinstance(home, SupportsPaths) else None

    def close(self) -> None:
        self.scratch.close()
        self.below.close()

    def _earlier(self, table: str, version: int | None, written: list[Snapshot]) -> Snapshot:
        """A version that was there before; one of those written here only where there is no other of its number."""
        try:
            return self.below.snapshot(table, version)
        except MissingError:
            if not written:
                raise
            return written[-1]

    def _home(self, snapshot: Snapshot) -> TableStore:
        return self.scratch if snapshot in self._written else self.below


@define(eq=False)
class ScratchWorkspace(Workspace):
    """A workspace with scratch tables, which lie in a folder."""

    folder: Path = field(kw_only=True)

    @property
    def tables(self) -> TableStore:
        made: TableStore = self._once("scratch", lambda: ScratchTables(super(ScratchWorkspace, self).tables, self._scratch()))
        return made

    def _scratch(self) -> TableStore:
        store: TableStore = self.plugins.load("table_stores", "file", "table store").open(StoreUrl("file", str(self.folder)))
        return store
