"""Plain values as columns of one row."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from intonaco.core.columns import Column, Masked
from intonaco.core.errors import SchemaError
from intonaco.core.fields import Field

__all__ = ["column_of_one"]


def column_of_one(value: Any, wanted: Field) -> Column:
    """A plain value as a column of one row.

    Raises
    ------
    SchemaError
        It is not of the type that is wanted.
    """
    dtype, kind = wanted.dtype, wanted.dtype.rstrip("0123456789")
    if value is None:
        value = np.nan if kind == "float" else _BLANKS.get(kind, 0)
        missing = kind != "float"
    else:
        missing = False
        if not isinstance(value, _KINDS.get(kind, object)) or (isinstance(value, bool) and kind != "bool"):
            raise _unlike(value, wanted)
    try:
        column = np.array([value], dtype="datetime64[us]" if kind == "timestamp" else dtype if kind in _NUMBERS else object)
    except (TypeError, ValueError, OverflowError):
        raise _unlike(value, wanted) from None
    return column if kind == "float" else Masked(column, np.array([missing]))


def _unlike(value: Any, wanted: Field) -> SchemaError:
    given = f"{value!r:.80}, a {type(value).__name__}"
    return SchemaError(f"the request's {wanted.name!r} is {given}, expected {wanted.dtype}", field=wanted.name)


#: Python's types for ours.
_KINDS: Mapping[str, Any] = {
    "float": int | float,
    "int": int,
    "uint": int,
    "bool": bool,
    "timestamp": int,
    "str": str,
    "json": str,
    "bytes": bytes,
}
_NUMBERS = ("float", "int", "uint", "bool")
_BLANKS: Mapping[str, Any] = {"str": "", "json": "", "bytes": b"", "bool": False}
