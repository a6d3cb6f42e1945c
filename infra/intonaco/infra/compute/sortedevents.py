"""Events sorted by entity and time."""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
from attrs import frozen
from numpy.typing import NDArray

from intonaco.infra.compute.algebra import ordered
from intonaco.infra.compute.arrays import column_of, numbers, times
from intonaco.infra.compute.entitycodes import EntityCodes
from intonaco.infra.compute.measures import Measure
from intonaco.infra.compute.preparation import Preparation
from intonaco.infra.compute.tables import Events
from intonaco.infra.compute.ticks import Ticks

__all__ = ["SortedEvents"]

Ints = NDArray[np.int64]


@frozen(eq=False)
class SortedEvents:
    """Events of one source in the order of entity and time.

    Parameters
    ----------
    table
        The events, in the order given.
    order : shape (events,)
        Positions in the table, sorted by entity and time; events without an entity or a time are left out.
    packed : shape (events,)
        Entity and tick of the sorted events in one integer.
    """

    source: Events
    table: pa.Table
    order: Ints
    packed: Ints
    entities: EntityCodes
    ticks: Ticks
    preparation: Preparation

    @classmethod
    def of(cls, source: Events, table: pa.Table, columns: Sequence[str]) -> "SortedEvents":
        """Sort the events of a table, of which these columns are read."""
        read = {source.time, source.created, *columns}
        moments, timed = times(table, source.time, "the source")
        entities, codes = EntityCodes.of([column_of(table, name, "the source") for name in source.keys])
        kept = timed & (codes >= 0)
        chosen = None if kept.all() else np.flatnonzero(kept)
        if chosen is not None:
            moments, codes = moments[chosen], codes[chosen]
        ticks = Ticks.of(moments, entities.bound)
        packed = ticks.packed(codes, moments)
        order = np.argsort(packed)
        packed = packed[order]
        held = table.drop_columns([name for name in source.keys if name not in read])  # the numbers tell all that they did
        return cls(source, held, order if chosen is None else chosen[order], packed, entities, ticks, Preparation(held, "the source"))

    def __len__(self) -> int:
        return len(self.order)

    def words(self, measure: Measure) -> Ints:
        """The intermediate values of the sorted events, as `algebra.prepare` gives them."""
        return self.preparation.words(measure)[self.order]

    def numbers(self) -> Ints:
        """A number for the entity of each sorted event, rising."""
        return self.packed // self.ticks.span

    def piece(self, chosen: slice) -> "SortedEvents":
        """Some of the sorted events, with a table of their own."""
        table = self.table.take(pa.array(self.order[chosen]))
        order = np.arange(table.num_rows)
        return SortedEvents(self.source, table, order, self.packed[chosen], self.entities, self.ticks, Preparation(table, "the source"))

    def by_value(self, keys: Callable[[Ints], list[Ints]]) -> Ints:
        """Positions of the sorted events, with those of one entity and time sorted by creation time, then by these keys.

        Parameters
        ----------
        keys
            Gives for positions of sorted events integers in the order of their values; the first decides first. Only events
            that share entity and time are asked for.
        """
        positions = np.arange(len(self.packed))
        same = self.packed[1:] == self.packed[:-1]
        if not same.any():
            return positions
        tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
        created = [self._created()[tied]] if self.source.created else []
        columns = [self.packed[tied], *created, *keys(tied)]
        positions[tied] = tied[np.lexsort(columns[::-1])]
        return positions

    def _created(self) -> Ints:
        assert self.source.created is not None
        created, held = times(self.table, self.source.created, "the source")
        return np.where(held, created, np.iinfo(np.int64).min)[self.order]

    def ranks_of(self, columns: tuple[str, ...]) -> Callable[[Ints], list[Ints]]:
        """For `by_value`: of each column integers in the order of its values, null least."""

        def ranks(positions: Ints) -> list[Ints]:
            rows = pa.array(self.order[positions])
            return [_ranks(column_of(self.table, name, "the source").take(rows)) for name in columns]

        return ranks


def _ranks(array: pa.Array) -> Ints:
    if (
        pa.types.is_floating(array.type)
        or pa.types.is_integer(array.type)
        or pa.types.is_boolean(array.type)
        or pa.types.is_timestamp(array.type)
    ):
        values, held = numbers(pa.table({"value": array}), "value", "the source")
        held = held & ~np.isnan(values) if values.dtype.kind == "f" else held
        return np.where(held, ordered(values), np.iinfo(np.int64).min)
    texts = array.to_pylist()
    rank = {value: number for number, value in enumerate(sorted({text for text in texts if text is not None}))}
    return np.array([-1 if text is None else rank[text] for text in texts], dtype=np.int64)
