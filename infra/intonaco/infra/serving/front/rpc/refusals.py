"""Refusals: what HTTP answers with a status and an object of JSON, as a status of gRPC and a line of text."""

from typing import Final

import grpc
import msgspec

__all__ = ["code_of", "text_of"]

_CODES: Final = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.ABORTED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    415: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
#: Of characters; clients refuse more than 8 KB of what stands beside a message, and other letters than ASCII take up to 12 bytes.
_LONGEST, _LONGEST_OTHER = 1000, 150
_BESIDE = ("field", "hint", "code", "error_id")


def code_of(status: int) -> grpc.StatusCode:
    """The code that says the same as a status of HTTP; INTERNAL for faults that are nobody's request."""
    return _CODES.get(status, grpc.StatusCode.INTERNAL)


def text_of(body: bytes) -> str:
    """The object of a refusal on one line: what is wrong, then `field`, `hint`, `code` and `error_id`, those that are there."""
    told = msgspec.json.decode(body, type=dict[str, str])
    beside = [f"{name}: {_cut(told[name])}" for name in _BESIDE if told.get(name)]
    return f"{_cut(told['error'])} ({'; '.join(beside)})"


def _cut(text: str) -> str:
    longest = _LONGEST if text.isascii() else _LONGEST_OTHER
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
