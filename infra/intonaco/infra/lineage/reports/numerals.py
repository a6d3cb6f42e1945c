"""Numbers as people read them, alike in pages and terminals."""

from typing import Any

__all__ = ["numeral"]

_LARGE = 10_000


def numeral(value: Any) -> str:
    """A short text of a table's cell: whole numbers in full, others with four digits, nothing for None.

    Examples
    --------
    >>> [numeral(each) for each in (65470.0, 9.98123, 12345.6, True, None, float("nan"))]
    ['65,470', '9.981', '12,346', 'yes', '', '–']
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return _of_float(value) if isinstance(value, float) else str(value)


def _of_float(value: float) -> str:
    if value != value:
        return "–"
    whole = value.is_integer() or abs(value) >= _LARGE
    return f"{value:,.0f}" if whole and abs(value) < 1e15 else f"{value:.4g}"
