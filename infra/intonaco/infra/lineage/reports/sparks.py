"""A row of bars in one line of text, for tables of terminals and pages alike."""

from collections.abc import Sequence

__all__ = ["spark"]

_BARS = "▁▂▃▄▅▆▇█"


def spark(values: Sequence[float | None], width: int = 24, *, from_zero: bool = True) -> str:
    """Bars of values, as many as fit; a gap where there is none.

    Parameters
    ----------
    from_zero
        Whether the lowest bar is 0, as shares want it, or the least value, as means do.

    Examples
    --------
    >>> spark([0.0, 1.0, None, 2.0])
    '▁▅ █'
    """
    groups = (
        [values[place * len(values) // width : (place + 1) * len(values) // width] for place in range(width)]
        if len(values) > width
        else None
    )
    means = [_mean(group) for group in groups] if groups else [None if value is None or value != value else value for value in values]
    held = [value for value in means if value is not None]
    low = min([0.0, *held]) if from_zero else min(held, default=0.0)
    span = (max(held, default=0.0) - low) or 1.0
    return "".join(" " if value is None else _BARS[min(int((value - low) / span * len(_BARS)), len(_BARS) - 1)] for value in means)


def _mean(values: Sequence[float | None]) -> float | None:
    held = [value for value in values if value is not None and value == value]
    return sum(held) / len(held) if held else None
