"""Axes of charts: where values stand, from 0 to 1, and what is written beside them."""

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import frozen

from intonaco.infra.lineage.reports.numerals import numeral

__all__ = ["Axis", "named_axis", "number_axis", "x_axis"]

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MOST_NAMES = 12


@frozen
class Axis:
    """An axis.

    Parameters
    ----------
    places
        Where each of its values stands.
    marks
        Places and texts of what is written beside it.
    zero
        Where bars begin.
    """

    places: tuple[float, ...]
    marks: tuple[tuple[float, str], ...]
    zero: float = 0.0


def number_axis(values: Sequence[float], *, from_zero: bool = False) -> Axis:
    """An axis of numbers, its marks at round ones (1, 2 or 5 times a power of ten)."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    low, high = (min(low, 0.0), max(high, 0.0)) if from_zero else (low, high)
    if low == high:
        low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
    step = _step(high - low)
    first, last = math.floor(low / step), math.ceil(high / step)
    begin, span = first * step, (last - first) * step
    marks = [((number * step - begin) / span, numeral(float(f"{number * step:.12g}"))) for number in range(first, last + 1)]
    return Axis(tuple((value - begin) / span for value in values), tuple(marks), min(max(-begin / span, 0.0), 1.0))


def named_axis(names: Sequence[Any], most: int = _MOST_NAMES) -> Axis:
    """An axis of names, each in the middle of its share; of many names only some are written."""
    places = [(number + 0.5) / len(names) for number in range(len(names))]
    every = math.ceil(len(names) / most) or 1
    return Axis(tuple(places), tuple((place, _short(numeral(name))) for place, name in list(zip(places, names, strict=True))[::every]))


def x_axis(values: Sequence[Any]) -> Axis:
    """Of numbers and of moments by their size, of names one behind the other."""
    if values and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return number_axis([float(value) for value in values])
    moments = _moments(values)
    if len(set(moments)) < 2:
        return named_axis(values)
    low, span = min(moments), max(moments) - min(moments)
    places = [(moment - low) / span for moment in moments]
    every = math.ceil(len(values) / _MOST_NAMES)
    return Axis(
        tuple(places), tuple((place, str(text)[:16].replace("T", " ")) for place, text in list(zip(places, values, strict=True))[::every])
    )


def _step(span: float) -> float:
    """The distance of some six round marks over a span."""
    power = 10.0 ** math.floor(math.log10(span / 6))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor * 6 >= span * 0.999)


def _moments(values: Sequence[Any]) -> list[float]:
    """The values as seconds, if all are days or times in ISO 8601; else none."""
    try:
        return [_seconds(value) for value in values if isinstance(value, str) and _DAY.match(value)] if _all_days(values) else []
    except ValueError:
        return []


def _all_days(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str) and _DAY.match(value) for value in values)


def _seconds(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _short(text: str) -> str:
    return text if len(text) <= 18 else f"{text[:17]}…"
