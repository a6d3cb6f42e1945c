"""The last k values of a window: states of rows that merge by keeping the greatest."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from intonaco.infra.compute.algebra import unordered
from intonaco.infra.compute.eventindex import EventIndex
from intonaco.infra.compute.measures import NONE, Measure

__all__ = ["latest_in", "merge_listed"]

Ints = NDArray[np.int64]


def merge_listed(measure: Measure, groups: Ints, rows: Ints) -> tuple[Ints, Ints]:
    """The states of groups, one behind the other in the order of the groups: the k newest rows of each, the newest first.

    Parameters
    ----------
    groups : shape (n,)
        Not negative.
    rows : shape (n, 3)
        Event time, creation time and ordered value, of states and of events; a row whose value is NONE is left out.
    """
    held = rows[:, 2] != NONE
    if not held.all():
        groups, rows = groups[held], rows[held]
    order = np.lexsort([~rows[:, 2], ~rows[:, 1], ~rows[:, 0], groups])
    groups, rows = groups[order], rows[order]
    starts = np.searchsorted(groups, groups)
    kept = np.arange(len(groups)) - starts < measure.parameter
    return groups[kept], rows[kept]


def latest_in(index: EventIndex, measure: Measure, start: Ints, floats: bool) -> tuple[NDArray[Any], Ints]:
    """The k newest values of each window over sorted events, the newest first, one window behind the other; and how many.

    Parameters
    ----------
    start : shape (rows,)
        How many events lie before each window; it ends at the index's head.
    """
    words = index.events.words(measure)
    words = words[index.events.by_value(lambda tied: [words[tied]])]
    held = words != NONE
    before = np.append(0, np.cumsum(held))
    high = before[index.head]
    sizes = np.minimum(high - before[start], measure.parameter)
    ends = np.cumsum(sizes)
    back = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - sizes, sizes)
    return unordered(words[held][np.repeat(high, sizes) - 1 - back], floats), sizes
