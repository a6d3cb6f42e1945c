"""What goes over the wire between an engine and its workers: frames of plain values in MessagePack behind their length."""

import struct
from collections.abc import Iterator
from typing import Any

import msgspec
from attrs import define, field

from intonaco.core import errors
from intonaco.core.errors import IntonacoError, InvalidError

__all__ = ["Frames", "check_plain", "error_from_frame", "error_to_frame", "pack"]

_LENGTH = struct.Struct("<Q")
_SCALARS = (type(None), bool, float, str, bytes)


def check_plain(value: Any, where: str) -> None:
    """Raise InvalidError, naming the place, where a value would not come back the same from another process."""
    if type(value) is list:
        for index, each in enumerate(value):
            check_plain(each, f"{where}[{index}]")
    elif type(value) is dict:
        for key, each in value.items():
            check_plain(key, f"a key of {where}")
            check_plain(each, f"{where}[{key!r}]")
    elif type(value) not in _SCALARS and not (type(value) is int and -(2**63) <= value < 2**64):
        shown = f"{value:,}" if type(value) is int else f"a {type(value).__module__}.{type(value).__qualname__}"
        raise InvalidError(
            f"{where} is {shown}, which cannot travel between processes",
            hint="plain are None, bool, int of 64 bits, float, str, bytes, list and dict; keep anything else as an artifact",
        )


def pack(message: dict[str, Any]) -> bytes:
    """One frame."""
    data = msgspec.msgpack.encode(message)
    return _LENGTH.pack(len(data)) + data


@define
class Frames:
    """Puts the bytes that arrive together to frames."""

    _buffer: bytearray = field(factory=bytearray)

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """The messages that are whole now."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._buffer)[0]
            if len(self._buffer) < end:
                return
            message = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield msgspec.msgpack.decode(message)


def error_to_frame(error: BaseException, function: str) -> dict[str, Any]:
    """What is told of an error: its nearest class in our tree, or that it is foreign."""
    if not isinstance(error, IntonacoError):
        text = f"{type(error).__name__}: {error}".removesuffix(": ")
        return {"class": "IntonacoError", "message": f"{function} failed: {text}", "hint": "", "field": ""}
    name = next(cls.__name__ for cls in type(error).__mro__ if cls.__name__ in errors.__all__)
    return {"class": name, "message": error.message, "hint": error.hint, "field": error.field}


def error_from_frame(told: dict[str, Any], log: str) -> IntonacoError:
    """The error that was told; `log` is where a foreign one left its traceback."""
    cls: type[IntonacoError] = getattr(errors, told["class"])
    hint = told["hint"] or (f"the traceback is in {log}" if cls is IntonacoError else "")
    return cls(told["message"], hint=hint, field=told["field"])
