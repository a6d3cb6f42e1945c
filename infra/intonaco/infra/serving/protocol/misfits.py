"""Values that do not fit what they are given for: one wording for requests, rows and keys."""

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from intonaco.core.errors import SchemaError
from intonaco.core.schema import Field
from intonaco.infra.serving.protocol.strictjson import NOT_FINITE
from intonaco.infra.serving.protocol.tensors import EXACT, Tensor

__all__ = ["check_value", "has_inexact"]


def check_value(tensor: Tensor, value: Any, where: str) -> None:
    """Raise SchemaError if a value of JSON is none of a tensor's; `where` is what it was given for: `row 3: input 'km'`."""
    field = tensor.field
    if value is NOT_FINITE or (value is None and not field.nullable):
        what = "null" if value is None else "NaN, Infinity or a number beyond 64 bits"
        hint = "write null for a missing value" if field.nullable else "this input may not be missing"
        raise SchemaError(f"{where} holds {what}, which it may not", hint=hint, field=field.name)
    if has_inexact(tensor, [value]):
        hint = "write it with a point, if the nearest float will do"
        raise SchemaError(f"{where} is {value}, which {field.dtype} cannot hold exactly", hint=hint, field=field.name)
    try:
        msgspec.convert(value, tensor.element, strict=True)
    except msgspec.ValidationError as error:
        expected = f"{field.dtype} or null" if field.nullable else field.dtype
        if "private" in field.tags:
            raise SchemaError(f"{where} is a {type(value).__name__}, expected {expected}", field=field.name) from None
        raise SchemaError(f"{where} is {_shown(value)}, expected {expected}", hint=_hint(value, field), field=field.name) from error


def has_inexact(tensor: Tensor, values: Iterable[Any]) -> bool:
    """Whether a whole number among the values is given for a float that does not hold it."""
    return tensor.field.dtype.startswith("float") and any(_is_whole(value) and not _is_exact(value) for value in values)


def _hint(value: Any, field: Field) -> str:
    """How the value would be written as it is expected, where that can be told."""
    if isinstance(value, list | dict):
        return "each row has one value: several rows are a list of objects"
    if field.dtype == "bool":
        return "write true or false"
    if field.dtype.startswith(("int", "uint", "timestamp")):
        if _is_whole(value):
            return f"it is beyond what {field.dtype} holds"
        whole = str(value).removesuffix(".0") if not isinstance(value, bool) else ""
        return f"write it as a whole number: {whole}" if whole.lstrip("-").isdigit() else "write a whole number"
    if field.dtype.startswith("float"):
        return "write a number, without quotes"
    return (
        f"write it as text, in quotes: {json.dumps(str(value))}; 1 and '1' are different" if _is_whole(value) else "write text, in quotes"
    )


def _is_exact(value: int) -> bool:
    try:
        return abs(value) <= EXACT or int(float(value)) == value
    except OverflowError:
        return False


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
