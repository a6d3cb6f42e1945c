"""Frames between the front end and a worker: one stream socket, many requests under way, each with an id.

A request frame is length, number, deadline and version, then the body as it came; an answer frame is length, number and status, then
the body to send. All processes are of one machine and read the same monotonic clock.
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

__all__ = ["ANY_VERSION", "AnswerFrames", "Frame", "RequestFrames", "answer_frame", "request_frame"]

ANY_VERSION: Final = 0
_REQUEST = struct.Struct("<IQdI")
_ANSWER = struct.Struct("<IQH")


class Frame(NamedTuple):
    """A request as the worker takes it: `deadline` is of the monotonic clock, `version` 0 for the deployment's own choice."""

    number: int
    deadline: float
    version: int
    body: bytes


def request_frame(number: int, deadline: float, version: int, body: bytes) -> bytes:
    """A request's bytes on the socket."""
    return _REQUEST.pack(len(body), number, deadline, version) + body


def answer_frame(number: int, status: int, body: bytes) -> bytes:
    """An answer's bytes on the socket."""
    return _ANSWER.pack(len(body), number, status) + body


class RequestFrames:
    """Cuts received bytes into request frames."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete now."""
        held = self._held + data if self._held else data
        frames, start, size, end = [], 0, _REQUEST.size, len(held)
        while end - start >= size:
            length, number, deadline, version = _REQUEST.unpack_from(held, start)
            stop = start + size + length
            if stop > end:
                break
            frames.append(Frame(number, deadline, version, held[start + size : stop]))
            start = stop
        self._held = held[start:]
        return frames


class AnswerFrames:
    """Cuts received bytes into (number, status, body)."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """The answers that are complete now."""
        held = self._held + data if self._held else data
        start, size, end = 0, _ANSWER.size, len(held)
        while end - start >= size:
            length, number, status = _ANSWER.unpack_from(held, start)
            stop = start + size + length
            if stop > end:
                break
            yield number, status, held[start + size : stop]
            start = stop
        self._held = held[start:]
