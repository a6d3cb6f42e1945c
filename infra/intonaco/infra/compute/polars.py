"""The table engine of one machine: Polars for grouping, NumPy where sorted arrays and prefix sums are the shorter way."""

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import pyarrow as pa
from attrs import define
from numpy.typing import NDArray

from intonaco.core.errors import SchemaError
from intonaco.core.schema import suggestion
from intonaco.infra.compute.arrays import column_of
from intonaco.infra.compute.decimals import as_arrow
from intonaco.infra.compute.eventindex import EventIndex
from intonaco.infra.compute.tables import AsofColumns, Events, HasTables, TableEngine, WindowColumn, Windows
from intonaco.infra.compute.timeline import is_expired
from intonaco.infra.compute.windows import WindowSums
from intonaco.infra.storage.tables import Snapshot

__all__ = ["PolarsTableEngine"]

#: Values, and where there are any; or values of lists, and how many each has.
Found = tuple[NDArray[Any], NDArray[Any]]


@define(eq=False)
class PolarsTableEngine(TableEngine):
    """Works in this process, on the threads that Polars takes; keeps nothing between calls.

    Parameters
    ----------
    events_at_once
        Of which windows are merged at a time: what that takes grows with it, and not with the table.
    """

    workspace: HasTables
    events_at_once: int = 1 << 20

    @classmethod
    def open(cls, workspace: HasTables) -> Self:
        return cls(workspace)

    def asof_join(self, rows: Snapshot | pa.Table, at: str, joins: Sequence[AsofColumns]) -> pa.Table:
        table = self._table(rows)
        answer: dict[str, pa.Array] = {}
        for join in joins:
            index = self._index(join.events, [column for column, _ in join.columns] + list(join.ties), table, at)
            answer.update(_asof(index, join))
        return pa.table(answer)

    def window_aggregates(self, rows: Snapshot | pa.Table, at: str, windows: Sequence[Windows]) -> pa.Table:
        table = self._table(rows)
        answer: dict[str, pa.Array] = {}
        for each in windows:
            index = self._index(each.events, [column.column for column in each.columns if column.column], table, at)
            answer.update(_aggregates(index, each, self.events_at_once))
        return pa.table(answer)

    def latest_per_key(self, data: Snapshot | pa.Table, keys: Sequence[str], order: Sequence[str]) -> pa.Table:
        import polars as pl

        table = self._table(data)
        for name in (*keys, *order):
            column_of(table, name, "the table")
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        numbered = frame.with_row_index("__row").sort(*order, "__row", nulls_last=False)
        latest = numbered.group_by(*keys).agg(pl.col("__row").last(), pl.col("__row").min().alias("__first")).sort("__first")
        return table.take(pa.array(latest["__row"].to_numpy()))

    def map_batches(self, data: Snapshot | pa.Table, function: Callable[[pa.Table], pa.Table], *, rows: int = 65_536) -> pa.Table:
        table = self._table(data)
        pieces = [function(table.slice(start, rows)) for start in range(0, max(1, table.num_rows), rows)]
        try:
            return pa.concat_tables(pieces)
        except pa.ArrowInvalid as error:
            raise SchemaError(f"the function gave batches of different columns: {error}") from error

    def _table(self, data: Snapshot | pa.Table, columns: Sequence[str] | None = None) -> pa.Table:
        if not isinstance(data, Snapshot):
            return data
        for name in columns or ():
            if name not in data.schema:
                raise SchemaError(f"table {data.table!r} lacks the column {name!r}", hint=suggestion(name, data.schema.names), field=name)
        return self.workspace.tables.read(data, columns)

    def _index(self, events: Events, columns: Sequence[str], rows: pa.Table, at: str) -> EventIndex:
        needed = [*events.keys, events.time, *([events.created] if events.created else []), *columns]
        return EventIndex.build(events, self._table(events.data, list(dict.fromkeys(needed))), rows, at)


def _asof(index: EventIndex, join: AsofColumns) -> dict[str, pa.Array]:
    ages, seen = index.ages()
    usable = seen & ~is_expired(ages, join.valid_for_us)
    places = index.scatter(np.where(usable, index.head - 1, -1))
    sorted_events = index.order[index.by_value(index.ranks_of(join.ties))]
    rows = sorted_events[np.maximum(places, 0)] if len(sorted_events) else np.zeros(len(places), dtype=np.int64)
    chosen = pa.array(rows, mask=places < 0)
    answer = {name: column_of(index.table, column, "the source").take(chosen) for column, name in join.columns}
    return answer | _age(index, join.age, ages, seen)


def _aggregates(index: EventIndex, windows: Windows, events_at_once: int) -> dict[str, pa.Array]:
    ages, seen = index.ages()
    usable = seen & ~is_expired(ages, windows.valid_for_us)
    found: dict[str, list[Found]] = {column.name: [] for column in windows.columns}
    for piece in index.pieces(events_at_once):
        sums = WindowSums(piece)
        for column in windows.columns:
            found[column.name].append(sums.lists(column) if column.kind == "last_k" else sums.column(column))
    answer = {column.name: _answered(index, column, found.pop(column.name), usable) for column in windows.columns}
    return answer | _age(index, windows.age, ages, seen)


def _answered(index: EventIndex, column: WindowColumn, found: list[Found], usable: NDArray[np.bool_]) -> pa.Array:
    """The values of all pieces, in the order of the rows as given."""
    values, which = (np.concatenate(each) if len(found) > 1 else each[0] for each in zip(*found, strict=True))
    if column.kind == "last_k":
        offsets = np.append(0, np.cumsum(which))
        lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), _exact(values, None, column.dtype), mask=pa.array(~usable))
        return lists.take(pa.array(np.argsort(index.row_order)))
    return _exact(index.scatter(values), index.scatter(which & usable), column.dtype)


def _exact(values: NDArray[Any], held: NDArray[np.bool_] | None, dtype: str) -> pa.Array:
    if dtype.startswith("decimal"):
        return as_arrow(values, held, dtype)
    return pa.array(values) if held is None or held.all() else pa.array(values, mask=~held)


def _age(index: EventIndex, name: str, ages: NDArray[np.int64], seen: NDArray[np.bool_]) -> dict[str, pa.Array]:
    return {name: _nullable(index.scatter(ages), index.scatter(seen))} if name else {}


def _nullable(values: NDArray[Any], held: NDArray[np.bool_]) -> pa.Array:
    return pa.array(values) if held.all() else pa.array(values, mask=~held)
