"""What the fields of values have in common."""

from collections.abc import Iterable
from typing import Any

from intonaco.core.errors import InvalidError

__all__ = ["as_tuple"]


def as_tuple(given: Iterable[Any]) -> tuple[Any, ...]:
    """What was given as a tuple, for use as an attrs converter; one text is not taken for its letters.

    Raises
    ------
    InvalidError
        A text was given.
    """
    if isinstance(given, str | bytes):
        raise InvalidError(f"{given!r} was given where a list was expected", hint=f"write [{given!r}]")
    return tuple(given)
