"""The last k values of a window: states of rows that merge by keeping the greatest."""

import numpy as np
from numpy.typing import NDArray

from intonaco.infra.compute.measures import NONE, Measure

__all__ = ["merge_listed"]

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
