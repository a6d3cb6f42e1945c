"""Which events can take effect: all that every view of their topic can fold; of the others each is told why not."""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
from attrs import frozen
from numpy.typing import NDArray

from intonaco.core.errors import InvalidError
from intonaco.infra.compute.arrays import times
from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.features.streams.eventrecords import EventRecords
from intonaco.infra.features.streams.received import Fault, Received

__all__ = ["AHEAD_US", "dated", "refused"]

#: An event dated further ahead of the clock than this is a fault of its clock; one dated less far waits for its time.
AHEAD_US = 86_400_000_000
_WHERE = "the events"
Bools = NDArray[np.bool_]


@frozen
class _Reason:
    text: str
    field: str = ""


def dated(views: Sequence[FeatureView], records: EventRecords, received: Received, clock_us: int) -> tuple[Received, list[Fault]]:
    """The events that have an entity and a time that can be meant, in any of the views; and why the others have none."""
    count = received.events.num_rows
    timed, near, owned = (np.zeros(count, dtype=np.bool_) for _ in range(3))
    for view in views:
        moments, held = times(received.events, view.source.time, _WHERE)
        timed |= held
        near |= held & (moments <= clock_us + AHEAD_US)
        owned |= _owned(view, received.events)
    good = near & owned
    if good.all():
        return received, []
    view = views[0]
    faults = []
    for row in np.flatnonzero(~good).tolist():
        reason = _reason(view, received.events, row, bool(timed[row]), bool(near[row]), clock_us)
        faults.append(Fault(received.origin(row), reason.text, records.record_of(received.events, row), reason.field))
    return received.chosen(good), faults


def _owned(view: FeatureView, events: pa.Table) -> Bools:
    owned = np.ones(events.num_rows, dtype=np.bool_)
    for key in view.entity.keys:
        owned &= events[key.name].is_valid().to_numpy()
    return owned


def _reason(view: FeatureView, events: pa.Table, row: int, timed: bool, near: bool, clock_us: int) -> _Reason:
    name = view.source.time
    if not timed:
        return _Reason(f"it has no time: {name!r} is null", name)
    if not near:
        ahead_s = (events[name][row].value - clock_us) / 1e6
        return _Reason(f"{name!r} is {ahead_s / 3600:,.1f} h ahead of the clock, more than {AHEAD_US // 3_600_000_000} h", name)
    null = next(key.name for key in view.entity.keys if not events[key.name][row].is_valid)
    return _Reason(f"it has no entity: the key {null!r} is null", null)


def refused(attempt: Callable[[Bools], None], count: int) -> dict[int, InvalidError]:
    """Rows that an attempt cannot take, and why; it takes all the others together.

    Parameters
    ----------
    attempt
        Tries some rows, without effect, and raises InvalidError if it cannot take them.
    """
    taken = np.zeros(count, dtype=np.bool_)
    found: dict[int, InvalidError] = {}

    def grow(start: int, end: int) -> None:
        tried = taken.copy()
        tried[start:end] = True
        try:
            attempt(tried)
        except InvalidError as error:
            if end - start == 1:
                found[start] = error
                return
            middle = (start + end) // 2
            grow(start, middle)
            grow(middle, end)
        else:
            taken[start:end] = True

    if count:
        grow(0, count)
    return found
