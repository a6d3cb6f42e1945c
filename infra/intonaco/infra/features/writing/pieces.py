"""Pieces of a source table: rows by position, read once for all views that want them."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from itertools import accumulate
from typing import TYPE_CHECKING

import pyarrow as pa
from attrs import define, evolve, field

from intonaco.infra.features.defined.joins import JoinSource
from intonaco.infra.features.defined.sources import QuerySource
from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.features.entries.entitykeys import EntityKeys
from intonaco.infra.features.offline.events import events_of
from intonaco.infra.storage.tables import Snapshot

if TYPE_CHECKING:
    from intonaco.infra.workspace import Workspace

__all__ = ["PieceReader"]


@define(eq=False)
class PieceReader:
    """Reads the events of views from rows of a snapshot; at most the parts in which a piece lies are in memory.

    Parameters
    ----------
    views
        Whose columns are read.
    """

    workspace: "Workspace"
    snapshot: Snapshot
    views: tuple[FeatureView, ...]
    _columns: list[str] = field(init=False)
    _ends: list[int] = field(init=False)
    _read: tuple[tuple[int, int], pa.Table] | None = field(default=None, init=False)
    _piece: tuple[int, int] = field(default=(0, 0), init=False)
    _keys: dict[object, EntityKeys] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._columns = sorted({name for view in self.views for name in view.source.needs(view.used)})
        self._ends = list(accumulate(part.rows for part in self.snapshot.parts))

    def events(self, view: FeatureView, start: int, end: int, joined: Mapping[str, Snapshot]) -> tuple[pa.Table, EntityKeys]:
        """The events that rows from `start` to `end` make for a view, and their entities.

        Parameters
        ----------
        joined
            Versions of the tables that a chained view is made of, by name.
        """
        if self._piece != (start, end):
            self._piece, self._keys = (start, end), {}
        if isinstance(view.source, JoinSource):
            events = pa.concat_tables(list(events_of(self.workspace.engine, self.workspace.tables, view, joined, slice(start, end))))
        else:
            events = view.source.events(self._rows(start, end).select(view.source.needs(view.used)), view.used)
        # A query leaves rows out, each in its own way.
        own = id(view.source) if isinstance(view.source, QuerySource | JoinSource) else None
        shared = (own, tuple((key.name, key.dtype) for key in view.entity.keys))
        if shared not in self._keys:
            self._keys[shared] = EntityKeys.of(events, view.entity.keys)
        return events, self._keys[shared]

    def _rows(self, start: int, end: int) -> pa.Table:
        if start == end:
            return self.workspace.tables.read(evolve(self.snapshot, parts=(), rows=0), self._columns)
        first, last = bisect_right(self._ends, start), bisect_left(self._ends, end)
        if self._read is None or self._read[0] != (first, last):
            self._read = None  # before others are read
            parts = self.snapshot.parts[first : last + 1]
            some = evolve(self.snapshot, parts=parts, rows=sum(part.rows for part in parts))
            self._read = ((first, last), self.workspace.tables.read(some, self._columns))
        return self._read[1].slice(start - (self._ends[first - 1] if first else 0), end - start)
