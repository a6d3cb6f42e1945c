"""Events sorted by entity and time, and where in that order a moment of an entity lies."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from attrs import evolve, field, frozen
from numpy.typing import NDArray

from intonaco.core.errors import SchemaError
from intonaco.infra.compute.algebra import ordered
from intonaco.infra.compute.arrays import column_of, entity_codes, numbers, times
from intonaco.infra.compute.measures import Measure
from intonaco.infra.compute.preparation import Preparation
from intonaco.infra.compute.tables import Events
from intonaco.infra.compute.ticks import Ticks
from intonaco.infra.compute.timeline import cut

__all__ = ["EventIndex"]

Ints = NDArray[np.int64]


@frozen(eq=False)
class EventIndex:
    """Events of one source in the order of entity and time, and the rows in the same order.

    Parameters
    ----------
    table
        The events, in the order given.
    order : shape (events,)
        Positions in the table, sorted by entity and time; events without an entity or a time are left out.
    packed : shape (events,)
        Entity and tick of the sorted events in one integer.
    row_order : shape (rows,)
        Positions of the rows, sorted by entity and moment.
    base : shape (rows,)
        The packed start of each sorted row's entity.
    cuts : shape (rows,)
        The moment before which events are usable, for each sorted row.
    head : shape (rows,)
        How many sorted events lie before each sorted row's cut, those of smaller entities included.
    """

    source: Events
    table: pa.Table
    order: Ints
    packed: Ints
    row_order: Ints
    base: Ints
    cuts: Ints
    head: Ints
    _ticks: Ticks
    _preparation: Preparation = field(init=False, repr=False)

    @_preparation.default
    def _prepares(self) -> Preparation:
        return Preparation(self.table, "the source")

    @classmethod
    def build(cls, source: Events, table: pa.Table, rows: pa.Table, at: str) -> "EventIndex":
        """Sort events and rows."""
        event_times, timed = times(table, source.time, "the source")
        at_us, known = times(rows, at, "the rows")
        if not known.all():
            raise SchemaError(f"the rows lack a time in {at!r}, row {int(np.argmin(known))}", field=at)
        event_keys = [column_of(table, name, "the source") for name in source.keys]
        row_keys = [column_of(rows, name, "the rows") for name in source.row_keys or source.keys]
        event_codes, row_codes, entities = _checked_codes(event_keys, row_keys, source)
        kept = timed & (event_codes >= 0)
        if kept.all():
            kept_at, moments, codes = None, event_times, event_codes
        else:
            kept_at = np.flatnonzero(kept)
            moments, codes = event_times[kept_at], event_codes[kept_at]
        ticks = Ticks.of(moments, entities)
        packed = ticks.packed(codes, moments)
        order = _argsort(packed)
        packed = packed[order]
        row_codes[row_codes < 0] = entities
        cuts = cut(at_us, source.delay_us)
        target = ticks.packed(row_codes, cuts)
        row_order = _argsort(target)
        target, cuts = target[row_order], cuts[row_order]
        return cls(
            source,
            table,
            order if kept_at is None else kept_at[order],
            packed,
            row_order,
            target - ticks(cuts),
            cuts,
            np.searchsorted(packed, target),
            ticks,
        )

    def position(self, moments: Ints) -> Ints:
        """How many sorted events lie before a moment of each sorted row's entity."""
        return np.searchsorted(self.packed, self.base + self._ticks(moments))

    def ages(self) -> tuple[Ints, NDArray[np.bool_]]:
        """For each sorted row the age of its entity's newest usable event, and whether there is one."""
        seen = self.head > self._starts()
        if not seen.any():
            return np.zeros(len(seen), dtype=np.int64), seen
        newest = self._ticks.moments(np.where(seen, self.packed[self.head - 1] - self.base, 0))
        return np.where(seen, self.cuts + self.source.delay_us - newest, 0), seen

    def _starts(self) -> Ints:
        changes = np.flatnonzero(np.diff(self.base)) + 1
        firsts = np.concatenate([[0], changes]) if len(self.base) else changes
        starts = np.searchsorted(self.packed, self.base[firsts])
        return np.repeat(starts, np.diff(np.append(firsts, len(self.base))))

    def scatter(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values of the sorted rows, in the order of the rows as given."""
        placed = np.empty_like(values)
        placed[self.row_order] = values
        return placed

    def words(self, measure: Measure) -> Ints:
        """The intermediate values of the sorted events, as `algebra.prepare` gives them."""
        return self._preparation.words(measure)[self.order]

    def entities(self) -> Ints:
        """A number for the entity of each sorted event, rising."""
        return self.packed // self._ticks.span

    def pieces(self, most: int) -> "Iterator[EventIndex]":
        """The index in parts of whole entities, of at most that many events unless one entity has more, one after the other."""
        if len(self.order) <= most:
            yield self
            return
        events, rows = self._borders(most)
        for (start, end), (first, last) in zip(pairwise(events), pairwise(rows), strict=True):
            yield self._piece(slice(start, end), slice(first, last))

    def _borders(self, most: int) -> tuple[list[int], list[int]]:
        """Where parts begin and end among the events, and among the rows."""
        codes = np.unique(self.packed[::most] // self._ticks.span)[1:] * self._ticks.span
        events = np.searchsorted(self.packed, codes)
        rows = np.searchsorted(self.base, codes)
        return [0, *events.tolist(), len(self.order)], [0, *rows.tolist(), len(self.base)]

    def _piece(self, events: slice, rows: slice) -> "EventIndex":
        taken = self.order[events]
        return evolve(
            self,
            table=self.table.take(pa.array(taken)),
            order=np.arange(len(taken)),
            packed=self.packed[events],
            row_order=self.row_order[rows],
            base=self.base[rows],
            cuts=self.cuts[rows],
            head=self.head[rows] - events.start,
        )

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


def _argsort(packed: Ints) -> Ints:
    return np.argsort(packed)


def _checked_codes(event_keys: list[pa.Array], row_keys: list[pa.Array], source: Events) -> tuple[Ints, Ints, int]:
    try:
        return entity_codes(event_keys, row_keys)
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError) as error:
        kinds = [(str(event.type), str(row.type)) for event, row in zip(event_keys, row_keys, strict=True)]
        raise SchemaError(f"the keys {source.keys} have other types in the source than in the rows: {kinds}") from error
