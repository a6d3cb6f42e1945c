"""The table engine of one machine: Polars for grouping, NumPy where sorted arrays and prefix sums are the shorter way."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import numpy as np
import pyarrow as pa
from attrs import define, frozen
from numpy.typing import NDArray

from intonaco.core.errors import SchemaError
from intonaco.core.schema import suggestion
from intonaco.infra.compute.arrays import column_of
from intonaco.infra.compute.decimals import as_arrow
from intonaco.infra.compute.eventindex import EventIndex
from intonaco.infra.compute.sortedevents import SortedEvents
from intonaco.infra.compute.tables import AsofColumns, Events, HasTables, TableEngine, WindowColumn, Windows
from intonaco.infra.compute.timeline import is_expired
from intonaco.infra.compute.windows import WindowSums
from intonaco.infra.storage.delta.batches import cut
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
    rows_at_once
        Of which an answer is made at a time. Windows are answered for as many rows as a source has events, where these are more.
    """

    workspace: HasTables
    events_at_once: int = 1 << 20
    rows_at_once: int = 250_000

    @classmethod
    def open(cls, workspace: HasTables) -> Self:
        return cls(workspace)

    def asof_join(self, rows: Snapshot | pa.Table, at: str, joins: Sequence[AsofColumns]) -> Iterator[pa.Table]:
        newest = [_Newest.of(join, self._sorted(join.events, [*(column for column, _ in join.columns), *join.ties])) for join in joins]
        for first, batch in self._moments(rows, at, [join.events for join in joins], self.rows_at_once):
            yield pa.table({name: column for each in newest for name, column in each.columns(batch, at, first).items()})

    def window_aggregates(self, rows: Snapshot | pa.Table, at: str, windows: Sequence[Windows]) -> Iterator[pa.Table]:
        events = [self._sorted(each.events, [column.column for column in each.columns if column.column]) for each in windows]
        most = max([self.rows_at_once, *map(len, events)])  # what is merged of all events is merged anew for each batch
        for first, batch in self._moments(rows, at, [each.events for each in windows], most):
            answer: dict[str, pa.Array] = {}
            for each, found in zip(windows, events, strict=True):
                answer.update(_aggregates(EventIndex.of(found, batch, at, first), each, self.events_at_once))
            yield pa.table(answer)

    def latest_per_key(self, data: Snapshot | pa.Table, keys: Sequence[str], order: Sequence[str]) -> Iterator[pa.Table]:
        latest: pa.Table | None = None
        for batch in self._batches(data, None, self.rows_at_once):
            latest = _latest(batch if latest is None else pa.concat_tables([latest, batch]), keys, order)
        assert latest is not None
        yield latest

    def map_batches(self, data: Snapshot | pa.Table, function: Callable[[pa.Table], pa.Table], *, rows: int = 65_536) -> Iterator[pa.Table]:
        schema: pa.Schema | None = None
        for batch in self._batches(data, None, rows):
            made = function(batch)
            schema = made.schema if schema is None else schema
            if made.schema != schema:
                raise SchemaError(f"the function gave batches of different columns: {made.schema} after {schema}")
            yield made

    def _sorted(self, events: Events, columns: Sequence[str]) -> SortedEvents:
        needed = dict.fromkeys([*events.keys, events.time, *([events.created] if events.created else []), *columns])
        data = events.data
        return SortedEvents.of(events, self._read(data, list(needed)) if isinstance(data, Snapshot) else data, columns)

    def _moments(self, rows: Snapshot | pa.Table, at: str, sources: Sequence[Events], most: int) -> Iterator[tuple[int, pa.Table]]:
        """Moments and keys of the rows, batch by batch, each with the number of its first row."""
        first = 0
        needed = dict.fromkeys([at, *(name for each in sources for name in each.row_keys or each.keys)])
        for batch in self._batches(rows, list(needed), most):
            yield first, batch
            first += batch.num_rows

    def _batches(self, data: Snapshot | pa.Table, columns: Sequence[str] | None, most: int) -> Iterator[pa.Table]:
        """The rows in batches of so many; one that is empty where there are none."""
        if isinstance(data, Snapshot):
            _check_columns(data, columns or ())
            yield from cut(self.workspace.tables.batches(data, columns), most) if data.rows else (self._read(data, columns),)
        else:
            yield from cut((data,), most) if data.num_rows else (data,)

    def _read(self, data: Snapshot, columns: Sequence[str] | None) -> pa.Table:
        _check_columns(data, columns or ())
        return self.workspace.tables.read(data, columns)


def _check_columns(data: Snapshot, columns: Sequence[str]) -> None:
    for name in columns:
        if name not in data.schema:
            raise SchemaError(f"table {data.table!r} lacks the column {name!r}", hint=suggestion(name, data.schema.names), field=name)


def _latest(table: pa.Table, keys: Sequence[str], order: Sequence[str]) -> pa.Table:
    import polars as pl

    for name in (*keys, *order):
        column_of(table, name, "the table")
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    numbered = frame.with_row_index("__row").sort(*order, "__row", nulls_last=False)
    latest = numbered.group_by(*keys).agg(pl.col("__row").last(), pl.col("__row").min().alias("__first")).sort("__first")
    return table.take(pa.array(latest["__row"].to_numpy()))


@frozen(eq=False)
class _Newest:
    """What an as-of join takes of the newest usable event, from events that are in order once for all rows."""

    join: AsofColumns
    events: SortedEvents
    places: NDArray[np.int64]

    @classmethod
    def of(cls, join: AsofColumns, events: SortedEvents) -> "_Newest":
        return cls(join, events, events.order[events.by_value(events.ranks_of(join.ties))])

    def columns(self, rows: pa.Table, at: str, first: int) -> dict[str, pa.Array]:
        """The join's columns for a batch of rows, of which `first` is the number of the first."""
        index = EventIndex.of(self.events, rows, at, first)
        ages, seen = index.ages()
        usable = seen & ~is_expired(ages, self.join.valid_for_us)
        newest = index.scatter(np.where(usable, index.head - 1, -1))
        places = self.places[np.maximum(newest, 0)] if len(self.places) else np.zeros(len(newest), dtype=np.int64)
        chosen = pa.array(places, mask=newest < 0)
        answer = {name: column_of(self.events.table, column, "the source").take(chosen) for column, name in self.join.columns}
        return answer | _age(index, self.join.age, ages, seen)


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
