"""Where in sorted events the moments of rows lie."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from attrs import frozen
from numpy.typing import NDArray

from intonaco.core.errors import SchemaError
from intonaco.infra.compute.arrays import column_of, times
from intonaco.infra.compute.sortedevents import SortedEvents
from intonaco.infra.compute.timeline import cut

__all__ = ["EventIndex"]

Ints = NDArray[np.int64]


@frozen(eq=False)
class EventIndex:
    """Rows in the order of the events of one source, and where among these they lie.

    Parameters
    ----------
    row_order : shape (rows,)
        Positions of the rows, sorted by entity and moment.
    base : shape (rows,)
        The packed start of each sorted row's entity.
    cuts : shape (rows,)
        The moment before which events are usable, for each sorted row.
    head : shape (rows,)
        How many sorted events lie before each sorted row's cut, those of smaller entities included.
    """

    events: SortedEvents
    row_order: Ints
    base: Ints
    cuts: Ints
    head: Ints

    @classmethod
    def of(cls, events: SortedEvents, rows: pa.Table, at: str, first: int = 0) -> "EventIndex":
        """Find the rows, of which `first` is the number of the first; SchemaError if one has no moment."""
        at_us, known = times(rows, at, "the rows")
        if not known.all():
            raise SchemaError(f"the rows lack a time in {at!r}, row {first + int(np.argmin(known))}", field=at)
        codes = _codes(events, rows)
        codes[codes < 0] = events.entities.bound
        cuts = cut(at_us, events.source.delay_us)
        target = events.ticks.packed(codes, cuts)
        row_order = np.argsort(target)
        target, cuts = target[row_order], cuts[row_order]
        return cls(events, row_order, target - events.ticks(cuts), cuts, np.searchsorted(events.packed, target))

    def position(self, moments: Ints) -> Ints:
        """How many sorted events lie before a moment of each sorted row's entity."""
        return np.searchsorted(self.events.packed, self.base + self.events.ticks(moments))

    def ages(self) -> tuple[Ints, NDArray[np.bool_]]:
        """For each sorted row the age of its entity's newest usable event, and whether there is one."""
        seen = self.head > self._starts()
        if not seen.any():
            return np.zeros(len(seen), dtype=np.int64), seen
        newest = self.events.ticks.moments(np.where(seen, self.events.packed[self.head - 1] - self.base, 0))
        return np.where(seen, self.cuts + self.events.source.delay_us - newest, 0), seen

    def _starts(self) -> Ints:
        changes = np.flatnonzero(np.diff(self.base)) + 1
        firsts = np.concatenate([[0], changes]) if len(self.base) else changes
        starts = np.searchsorted(self.events.packed, self.base[firsts])
        return np.repeat(starts, np.diff(np.append(firsts, len(self.base))))

    def scatter(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values of the sorted rows, in the order of the rows as given."""
        placed = np.empty_like(values)
        placed[self.row_order] = values
        return placed

    def pieces(self, most: int) -> "Iterator[EventIndex]":
        """The index in parts of whole entities, of at most that many events unless one entity has more, one after the other."""
        if len(self.events) <= most:
            yield self
            return
        events, rows = self._borders(most)
        for (start, end), (first, last) in zip(pairwise(events), pairwise(rows), strict=True):
            if first < last or last == len(self.base):
                yield self._piece(slice(start, end), slice(first, last))

    def _borders(self, most: int) -> tuple[list[int], list[int]]:
        """Where parts begin and end among the events, and among the rows."""
        span = self.events.ticks.span
        codes = np.unique(self.events.packed[::most] // span)[1:] * span
        events = np.searchsorted(self.events.packed, codes)
        rows = np.searchsorted(self.base, codes)
        return [0, *events.tolist(), len(self.events)], [0, *rows.tolist(), len(self.base)]

    def _piece(self, events: slice, rows: slice) -> "EventIndex":
        found = self.head[rows] - events.start
        return EventIndex(self.events.piece(events), self.row_order[rows], self.base[rows], self.cuts[rows], found)


def _codes(events: SortedEvents, rows: pa.Table) -> Ints:
    source = events.source
    keys = [column_of(rows, name, "the rows") for name in source.row_keys or source.keys]
    try:
        return events.entities.find(keys)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, TypeError) as error:
        kinds = [(str(known.type), str(key.type)) for known, key in zip(events.entities.known, keys, strict=True)]
        raise SchemaError(f"the keys {source.keys} have other types in the source than in the rows: {kinds}") from error
