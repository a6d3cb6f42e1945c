"""What a feature's default may be: a value of the feature's own type."""

from decimal import Decimal, InvalidOperation, localcontext
from typing import Any

import numpy as np

from intonaco.core.errors import DefinitionError
from intonaco.core.fields import decimal_digits

__all__ = ["as_served", "check_default"]

_PLAIN = {"bool": bool, "str": str, "json": str, "bytes": bytes}


def check_default(name: str, dtype: str, default: Any) -> None:
    """DefinitionError where a default of the feature called `name` is no value of its type."""
    if default is None or _is_one(dtype, default):
        return
    hint = "write it in microseconds since 1970" if dtype == "timestamp" else f"write a value that {dtype} holds exactly, or leave it out"
    raise DefinitionError(f"feature {name!r} is {dtype} and has the default {default!r}", hint=hint, field=name)


def as_served(dtype: str, default: Any) -> Any:
    """The default as values of its type are: decimals, which are kept as text, with all their digits."""
    digits = decimal_digits(dtype)
    if default is None or digits is None:
        return default
    with localcontext(prec=digits[0]):
        return Decimal(default).quantize(Decimal(1).scaleb(-digits[1]))


def _is_one(dtype: str, default: Any) -> bool:
    if dtype in _PLAIN:
        return type(default) is _PLAIN[dtype]
    digits = decimal_digits(dtype)
    if digits is not None:
        return type(default) in (Decimal, str, int) and _fits(dtype, default)
    if dtype.startswith("float"):
        most = 2**53 if type(default) is int else float(np.finfo(dtype).max)
        return isinstance(default, float | int) and type(default) is not bool and abs(default) <= most
    bounds = np.iinfo("int64" if dtype == "timestamp" else dtype)
    return type(default) is int and bounds.min <= default <= bounds.max


def _fits(dtype: str, default: Any) -> bool:
    try:
        return bool(as_served(dtype, default) == Decimal(default))
    except InvalidOperation:
        return False
