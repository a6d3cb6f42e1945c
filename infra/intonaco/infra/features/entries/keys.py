"""Keys of entries: one for each project, view, version and entity, so built that different ones never meet."""

import struct
from collections.abc import Sequence
from typing import Any

from intonaco.core.errors import SchemaError

__all__ = ["begun_key", "entity_key", "pack_length", "room_prefix", "view_prefix"]

#: Keeps features apart from whatever else lives in the store; the byte behind it is the format of keys.
_ROOM = b"features\x00\x01"
_BEGUN = b"features\x00\x02"
#: How long a part is, before it.
pack_length = struct.Struct(">I").pack
_WHOLE = struct.Struct(">q")


def room_prefix(project: str) -> bytes:
    """What all keys of a project's views start with, and no others."""
    return _ROOM + _sized(project.encode())


def view_prefix(project: str, view: str, version: int) -> bytes:
    """What all keys of a version of a view start with, and no others."""
    return room_prefix(project) + _sized(view.encode()) + pack_length(version)


def begun_key(project: str, view: str, version: int) -> bytes:
    """The key that says that a version of a view is being filled in this store."""
    return _BEGUN + view_prefix(project, view, version).removeprefix(_ROOM)


def entity_key(prefix: bytes, values: Sequence[Any], dtypes: Sequence[str], names: Sequence[str] = ()) -> bytes | None:
    """The key of an entity; None if one of its keys is null, for such an entity there is none.

    Parameters
    ----------
    names
        What the values are called, for the message.

    Raises
    ------
    SchemaError
        A value is not of its type.
    """
    parts = [prefix]
    for number, (value, dtype) in enumerate(zip(values, dtypes, strict=True)):
        if value is None:
            return None
        if dtype == "str" and isinstance(value, str):
            parts.append(b"s" + _sized(value.encode("utf-8", "surrogatepass")))
        else:
            parts.append(_other(value, dtype, names[number] if names else ""))
    return b"".join(parts)


def _other(value: Any, dtype: str, name: str) -> bytes:
    if dtype == "bytes" and isinstance(value, bytes):
        return b"b" + _sized(value)
    if dtype == "bool" and isinstance(value, bool):
        return b"t\x01" if value else b"t\x00"
    called = f"the key {name!r}" if name else "the key"
    if dtype.startswith(("int", "uint", "timestamp")) and isinstance(value, int) and not isinstance(value, bool):
        try:
            return b"i" + _WHOLE.pack(value)
        except struct.error as error:
            raise SchemaError(f"{called} is {value}, which is beyond 64 bits", field=name) from error
    raise SchemaError(f"{called} is {value!r:.80}, a {type(value).__name__}, expected {dtype}", field=name)


def _sized(part: bytes) -> bytes:
    return pack_length(len(part)) + part
