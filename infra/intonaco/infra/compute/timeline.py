"""The rule of time, in one place: which event may be seen at which moment, offline and online alike.

Times are int64 microseconds since 1970 in UTC. A value is usable at `t` if its event time + the delay < `t`, and its age,
`t` - event time, is at most `valid_for`. The events before `cut(t, delay)` are the usable ones. A window `W` over hops `H`
holds the usable events from `tail(t - delay, W, H)` on: its tail is aligned to a hop, its head is exact.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from intonaco.core.errors import DefinitionError, InvalidError

__all__ = ["NEVER", "as_us", "as_us_array", "cut", "default_hop", "duration", "duration_text", "hop_of", "is_expired", "tail"]

#: Stands for "there is no such event"; no event time may be as small.
NEVER = -(2**63)

Ints = NDArray[np.int64]

_UNITS = {"us": 1, "ms": 1000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000, "w": 604_800_000_000}
_DURATION = re.compile(r"(\d+)\s*(us|ms|s|m|h|d|w)")
#: Each divides the next, so coarse hops are made of fine ones.
_HOPS = (1_000_000, 5_000_000, 15_000_000, 60_000_000, 300_000_000, 900_000_000, 3_600_000_000, 21_600_000_000, 86_400_000_000)
_HOPS_IN_WINDOW = 24
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@overload
def cut(at_us: int, delay_us: int) -> int: ...
@overload
def cut(at_us: Ints, delay_us: int | Ints) -> Ints: ...
def cut(at_us: int | Ints, delay_us: int | Ints) -> int | Ints:
    """The moment before which events are usable at `at_us`."""
    return at_us - delay_us


@overload
def hop_of(time_us: int, hop_us: int) -> int: ...
@overload
def hop_of(time_us: Ints, hop_us: int | Ints) -> Ints: ...
def hop_of(time_us: int | Ints, hop_us: int | Ints) -> int | Ints:
    """The number of the hop that holds a time; hops are aligned to 1970."""
    return time_us // hop_us


@overload
def tail(cut_us: int, window_us: int, hop_us: int) -> int: ...
@overload
def tail(cut_us: Ints, window_us: int | Ints, hop_us: int | Ints) -> Ints: ...
def tail(cut_us: int | Ints, window_us: int | Ints, hop_us: int | Ints) -> int | Ints:
    """The number of the first hop of a window that ends at `cut_us`."""
    return (cut_us - window_us) // hop_us


def is_expired(age_us: Ints, valid_for_us: int | Ints | None) -> NDArray[np.bool_]:
    """Where a value of this age is too old to be used."""
    return np.zeros(age_us.shape, dtype=np.bool_) if valid_for_us is None else age_us > valid_for_us


def default_hop(window_us: int) -> int:
    """The coarsest hop of the ladder of which a window holds at least 24."""
    return max((hop for hop in _HOPS if hop * _HOPS_IN_WINDOW <= window_us), default=max(1, window_us // _HOPS_IN_WINDOW))


def duration(given: str | int | timedelta) -> int:
    """Microseconds of `"90d"`, `"6h"`, `"5m"`, `"30s"`, a timedelta, or a number of microseconds.

    Examples
    --------
    >>> duration("6h")
    21600000000
    """
    if isinstance(given, timedelta):
        return given // timedelta(microseconds=1)
    if isinstance(given, str):
        match = _DURATION.fullmatch(given.strip())
        if match is None:
            raise DefinitionError(f"{given!r} is not a duration", hint="write a whole number and one of us, ms, s, m, h, d, w: 6h")
        return int(match[1]) * _UNITS[match[2]]
    return int(given)


def duration_text(duration_us: int) -> str:
    """The shortest text that `duration` reads; the inverse of `duration` in the largest unit that divides it."""
    for unit, size in reversed(_UNITS.items()):
        if duration_us % size == 0 and unit != "w":
            return f"{duration_us // size}{unit}"
    raise AssertionError("every duration is a number of microseconds")


def as_us(at: datetime | np.datetime64 | int) -> int:
    """Microseconds since 1970 of a moment; a datetime without a zone is refused."""
    if isinstance(at, np.datetime64):
        return int(at.astype("datetime64[us]").astype(np.int64))
    if isinstance(at, datetime):
        if at.tzinfo is None:
            raise InvalidError(f"{at} has no time zone", hint="datetime(..., tzinfo=UTC)", field="at")
        return (at - _EPOCH) // timedelta(microseconds=1)
    return int(at)


def as_us_array(at: Any) -> NDArray[np.int64]:
    """Microseconds since 1970 of many moments: int64 as they are, or datetime64, or one moment."""
    if not isinstance(at, np.ndarray) and isinstance(at, datetime | int | np.datetime64):
        return np.array([as_us(at)], dtype=np.int64)
    array = np.asarray(at)
    if array.dtype == np.int64:
        return array
    if array.dtype.kind == "M":
        return array.astype("datetime64[us]").astype(np.int64)
    if array.dtype.kind not in "iu":
        raise InvalidError(f"times are {array.dtype}, expected int64 microseconds since 1970 or datetime64", field="at")
    return array.astype(np.int64)
