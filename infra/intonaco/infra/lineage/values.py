"""Plain values as JSON trees that give back the same value: tuples, bytes, times and every float are kept exactly.

What JSON lacks is an object with one key that starts with `$`: `{"$tuple": [1, 2]}`, `{"$float": "nan"}`.
"""

import base64
import json
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from intonaco.core.errors import CorruptError, InvalidError

__all__ = ["decode", "dumps", "encode", "loads"]

Tree = Any
_PLAIN = (type(None), bool, int, str)


def encode(value: Any, where: str = "the value", other: Callable[[Any, str], Tree] | None = None) -> Tree:
    """The JSON tree of a plain value.

    Parameters
    ----------
    where
        What the value is, for the message; `where[0]`, `where.key` below it.
    other
        Called with each value that is not plain, and where it stands; None refuses it.

    Raises
    ------
    InvalidError
        It holds something that is not a plain value.
    """
    if type(value) in _PLAIN:
        return value
    if isinstance(value, float):
        return float(value) if value - value == 0 else {"$float": repr(float(value))}
    if type(value) is list:
        return [encode(each, f"{where}[{i}]", other) for i, each in enumerate(value)]
    if type(value) is tuple:
        return {"$tuple": [encode(each, f"{where}[{i}]", other) for i, each in enumerate(value)]}
    if type(value) is dict:
        return _encode_dict(value, where, other)
    tagged = _encode_tagged(value)
    if tagged is not None:
        return tagged
    if other is None:
        raise _not_plain(value, where)
    return other(value, where)


def _not_plain(value: Any, where: str) -> InvalidError:
    hint = "plain are None, bool, int, float, str, bytes, dates, and lists, tuples and dicts of them"
    return InvalidError(f"{where} is a {type(value).__module__}.{type(value).__qualname__}, which is not a plain value", hint=hint)


def _encode_dict(value: dict[Any, Any], where: str, other: Callable[[Any, str], Tree] | None) -> Tree:
    if all(type(key) is str and not key.startswith("$") for key in value):
        return {key: encode(each, f"{where}.{key}", other) for key, each in value.items()}
    return {"$dict": [[encode(key, f"a key of {where}"), encode(each, f"{where}[{key!r}]", other)] for key, each in value.items()]}


def _encode_tagged(value: Any) -> Tree:
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode("ascii")}
    if isinstance(value, datetime):
        return {"$datetime": value.isoformat()}
    if isinstance(value, date):
        return {"$date": value.isoformat()}
    if isinstance(value, timedelta):
        return {"$timedelta_us": value // timedelta(microseconds=1)}
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == () and hasattr(value, "item"):
        return encode(value.item())
    return None


_TAGS: dict[str, Callable[[Any], Any]] = {
    "$float": float,
    "$bytes": lambda text: base64.b64decode(text, validate=True),
    "$datetime": datetime.fromisoformat,
    "$date": date.fromisoformat,
    "$timedelta_us": lambda count: timedelta(microseconds=count),
}


def decode(tree: Tree, others: Mapping[str, Callable[[Any], Any]] | None = None) -> Any:
    """The value of which `encode` made the tree; `others` read the tags that `other` wrote.

    Raises
    ------
    CorruptError
        The tree holds an unknown tag, or one that cannot be read.
    """
    if isinstance(tree, list):
        return [decode(each, others) for each in tree]
    if not isinstance(tree, dict):
        return tree
    tag = next(iter(tree), "")
    if not tag.startswith("$"):
        return {key: decode(each, others) for key, each in tree.items()}
    return _decode_tagged(tag, tree[tag], others or {})


def _decode_tagged(tag: str, held: Any, others: Mapping[str, Callable[[Any], Any]]) -> Any:
    if tag == "$tuple":
        return tuple(decode(each, others) for each in held)
    if tag == "$dict":
        return {decode(key): decode(each, others) for key, each in held}
    if tag in others:
        return others[tag](held)
    try:
        return _TAGS[tag](held)
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptError(f"a stored value holds {tag}: {str(held)[:80]!r}, which cannot be read") from error


def dumps(tree: Tree, *, ordered: bool = False) -> str:
    """One line of ASCII JSON; `ordered` sorts the keys, so that equal values give equal text."""
    return json.dumps(_ordered(tree) if ordered else tree, ensure_ascii=True, allow_nan=False, sort_keys=ordered, separators=(",", ":"))


def _ordered(tree: Tree) -> Tree:
    """The tree with the items of every `$dict` in an order that does not depend on theirs."""
    if isinstance(tree, list):
        return [_ordered(each) for each in tree]
    if not isinstance(tree, dict):
        return tree
    if "$dict" in tree:
        return {"$dict": sorted(([_ordered(key), _ordered(each)] for key, each in tree["$dict"]), key=lambda item: dumps(item[0]))}
    return {key: _ordered(each) for key, each in tree.items()}


def loads(text: str | bytes) -> Tree:
    """Read what `dumps` wrote; CorruptError if it is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CorruptError(f"stored JSON cannot be read: {error}") from error
