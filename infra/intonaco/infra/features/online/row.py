"""What a read of one row answers."""

from typing import Any, NamedTuple

__all__ = ["Row"]


class Row(NamedTuple):
    """Features of one row, in the order of the plan's features.

    Attributes
    ----------
    values
        Plain values, None where there is none; times in microseconds since 1970.
    statuses
        Codes of `Status`.
    ages
        Age in microseconds of the newest event behind each feature; -1 where there is none, or where it comes with the request.
    degraded
        Which store could not be read, and why; empty if all was read.
    """

    values: tuple[Any, ...]
    statuses: tuple[int, ...]
    ages: tuple[int, ...]
    degraded: tuple[str, ...] = ()
