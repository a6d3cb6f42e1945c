"""Aggregates of sorted events over many windows at once."""

from typing import Any

import numpy as np
from attrs import define, field
from numpy.typing import NDArray

from intonaco.infra.compute.algebra import finalize
from intonaco.infra.compute.eventindex import EventIndex
from intonaco.infra.compute.latest import latest_in
from intonaco.infra.compute.measures import Measure
from intonaco.infra.compute.merging import ByTime, Greatest, Sums
from intonaco.infra.compute.sliding import distinct_in, quantile_in
from intonaco.infra.compute.tables import WindowColumn
from intonaco.infra.compute.timeline import tail

__all__ = ["WindowSums"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@define(eq=False)
class WindowSums:
    """Merges intermediate values over windows of one source; what several windows share is made once."""

    index: EventIndex
    _starts: dict[tuple[int, int], Ints] = field(factory=dict, init=False)
    _merged: dict[Measure, Sums | Greatest | ByTime] = field(factory=dict, init=False)

    def column(self, wanted: WindowColumn) -> tuple[NDArray[Any], Bools]:
        """The aggregate for each sorted row, and where there is one; not of `last_k`."""
        start = self._start(wanted.over_us, wanted.hop_us)
        if wanted.kind == "distinct":
            return distinct_in(
                self.index.events.words(wanted.measures[0]),
                self.index.events.numbers(),
                start,
                self.index.head,
                wanted.measures[0].parameter,
            )
        if wanted.kind == "quantile":
            unit = 1.0 if wanted.floats else wanted.resolution
            return quantile_in(self.index.events.words(wanted.measures[0]), start, self.index.head, wanted.parameters, unit)
        words = [self._measure(measure).over(start) for measure in wanted.measures]
        return finalize(wanted.kind, words, wanted.resolution, wanted.floats)

    def lists(self, wanted: WindowColumn) -> tuple[NDArray[Any], Ints]:
        """The values of `last_k` for each sorted row, one row behind the other, and how many each has."""
        return latest_in(self.index, wanted.measures[0], self._start(wanted.over_us, wanted.hop_us), wanted.floats)

    def _start(self, over_us: int, hop_us: int) -> Ints:
        """How many sorted events lie before each window."""
        key = (over_us, hop_us)
        if key not in self._starts:
            first = self.index.position(tail(self.index.cuts, over_us, hop_us) * hop_us)
            self._starts[key] = np.minimum(first, self.index.head)
        return self._starts[key]

    def _measure(self, measure: Measure) -> Sums | Greatest | ByTime:
        if measure not in self._merged:
            make = Sums if measure.adds else ByTime if measure.by_time else Greatest
            self._merged[measure] = make.of(self.index, measure)
        return self._merged[measure]
