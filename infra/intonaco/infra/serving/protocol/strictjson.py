"""JSON read strictly: no key twice, no NaN, no Infinity, bounded depth, and one error that says what is wrong."""

import json
import math
from typing import Any, Final

from intonaco.core.errors import SchemaError

__all__ = ["NOT_FINITE", "parse"]

#: Stands where a body holds NaN, Infinity or a number that no type can hold, so that whoever knows the field's name can say it.
NOT_FINITE: Final = object()
_LONGEST_NUMBER = 40


def parse(body: bytes, what: str = "the body", field: str = "body") -> Any:
    """The document in `body`; `what` and `field` are what an error calls it.

    Raises
    ------
    SchemaError
        It is not strict JSON.
    """
    try:
        text = body.decode("utf-8")
        document = json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer, parse_float=_number)
        if "\\u" in text:
            json.dumps(document, ensure_ascii=False, default=str).encode("utf-8")  # half a surrogate pair is no text
    except UnicodeDecodeError as error:
        raise SchemaError(f"{what} is not UTF-8: {error.reason} at byte {error.start}", field=field) from error
    except UnicodeEncodeError as error:
        raise SchemaError(f"{what} holds half of a surrogate pair", field=field) from error
    except RecursionError as error:
        raise SchemaError(f"{what} is nested too deeply", field=field) from error
    except json.JSONDecodeError as error:
        raise SchemaError(f"{what} is not JSON: {error}", field=field) from error
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise SchemaError(f"the key {twice[:60]!r} is given twice in one object", field=twice[:60])
    return found


def _constant(_: str) -> Any:
    return NOT_FINITE


def _integer(text: str) -> Any:
    return int(text) if len(text) <= _LONGEST_NUMBER else NOT_FINITE


def _number(text: str) -> Any:
    value = float(text)
    return value if math.isfinite(value) else NOT_FINITE
