"""Entity and time in one integer, so that events are sorted and found by one key."""

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

__all__ = ["Ticks"]

Ints = NDArray[np.int64]


@frozen
class Ticks:
    """Times as small numbers: microseconds since the first event, or ranks among the events' times where those do not fit."""

    first: int
    span: int
    ranked: Ints | None

    @classmethod
    def of(cls, moments: Ints, entities: int) -> "Ticks":
        """Ticks that, packed with the number of an entity, fit into 63 bits."""
        if not len(moments):
            return cls(0, 2, None)
        first, last = int(moments.min()), int(moments.max())
        if (entities + 1) * (last - first + 2) < 2**62:
            return cls(first, last - first + 2, None)
        ranked = np.unique(moments)
        return cls(first, len(ranked) + 2, ranked)

    def __call__(self, moments: Ints) -> Ints:
        """The tick of the first event time that is not before each moment."""
        if self.ranked is not None:
            return np.searchsorted(self.ranked, moments)
        ticks = np.clip(moments, self.first, self.first + self.span - 1)
        ticks -= self.first
        return ticks

    def packed(self, codes: Ints, moments: Ints) -> Ints:
        """Entity and tick in one integer each; the codes are used up."""
        codes *= self.span
        codes += self(moments)
        return codes

    def moments(self, ticks: Ints) -> Ints:
        """The times of events with these ticks."""
        return ticks + self.first if self.ranked is None else self.ranked[ticks]
