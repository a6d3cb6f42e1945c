"""Bounds on what a client may send before its request is whole: uvicorn's protocol keeps none of its own."""

import asyncio
import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["BoundedProtocol"]

_HEADERS_LIMIT_BYTES = 64 * 1024
_REQUEST_TIMEOUT_S = 10.0
_LINGER_S = 1.0  # how long the rest of a refused body is read, so that its sender sees the answer


class _WholeAnswers:
    """A connection on which the head of an answer waits for its body, so that both leave in one call of the system."""

    __slots__ = ("_head", "_transport", "is_closing")

    def __init__(self, transport: Any) -> None:
        self._transport, self._head = transport, b""
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 100"):
            self._head = data
            return
        self._transport.write(data)

    def write_whole(self, answer: bytes) -> None:
        """Send an answer that is in one piece already."""
        self._transport.write(answer)

    def flush(self) -> None:
        """Send a head that no body follows."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        self.flush()
        self._transport.close()


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection whose headers are too large, or whose request does not come whole in time.

    A timer runs from the connection's begin, and from the first bytes of any request that does not come in one piece, until
    that is whole. Between requests the keep-alive timer runs; it is not set anew for each, but looks how long nothing came.
    """

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.transport: Any = _WholeAnswers(transport)
        self._in_head = True
        self._idle_since = 0.0  # 0 while a request is under way
        self._header_bytes = 0
        self._lingers = False
        self._timer: asyncio.TimerHandle | None = self.loop.call_later(_REQUEST_TIMEOUT_S, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.parser is None or not self._incomplete():
            if self._timer is not None:
                self._stop_timer()
            self._header_bytes = 0
        else:
            self._bound(len(data))

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        self.transport.flush()
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._idle_since = time.monotonic()
        if self.timeout_keep_alive_task is None:
            self._watch_idleness(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection if it has been idle for long enough, else look again when it may have been."""
        self.timeout_keep_alive_task = None
        if self._idle_since:
            left = self._idle_since + self.timeout_keep_alive - time.monotonic()
            if left > 0:
                self._watch_idleness(left)
            else:
                super().timeout_keep_alive_handler()

    def _watch_idleness(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since = 0.0

    def _incomplete(self) -> bool:
        """Whether a request has begun that is not whole."""
        return self._in_head or self.cycle.more_body

    def _bound(self, size: int) -> None:
        refused = self.cycle is not None and self.cycle.response_complete and self.cycle.more_body
        if refused and not self._lingers:
            self._lingers = True
            self._stop_timer()
        if self._timer is None:
            self._timer = self.loop.call_later(_LINGER_S if refused else _REQUEST_TIMEOUT_S, self.transport.close)
        if self._in_head:
            self._header_bytes += size
            if self._header_bytes > _HEADERS_LIMIT_BYTES:
                self.transport.write(b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
                self.transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
