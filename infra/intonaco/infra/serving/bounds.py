"""Bounds on what a client may send before its request is whole: uvicorn's protocol keeps none of its own."""

import asyncio
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
    that is whole; between requests uvicorn's keep-alive timer runs.
    """

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.transport: Any = _WholeAnswers(transport)
        self._header_bytes = 0
        self._lingers = False
        self._timer: asyncio.TimerHandle | None = self.loop.call_later(_REQUEST_TIMEOUT_S, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.parser is None or not self._incomplete():
            if self._timer is not None:
                self._stop_timer()
            self._header_bytes = 0
        else:
            self._bound(len(data))

    def on_response_complete(self) -> None:
        self.transport.flush()
        super().on_response_complete()

    def _incomplete(self) -> bool:
        """Whether a request has begun that is not whole."""
        return self.scope is None or "method" not in self.scope or self.cycle.more_body

    def _bound(self, size: int) -> None:
        refused = self.cycle is not None and self.cycle.response_complete and self.cycle.more_body
        if refused and not self._lingers:
            self._lingers = True
            self._stop_timer()
        if self._timer is None:
            self._timer = self.loop.call_later(_LINGER_S if refused else _REQUEST_TIMEOUT_S, self.transport.close)
        if self.scope is None or "method" not in self.scope:
            self._header_bytes += size
            if self._header_bytes > _HEADERS_LIMIT_BYTES:
                self.transport.write(b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
                self.transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
