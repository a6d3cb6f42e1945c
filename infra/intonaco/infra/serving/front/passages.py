"""Passages: requests for predictions, passed from the connection to the worker and back without a task of their own.

uvicorn starts a task and an ASGI cycle for each request. What is asked most often needs neither: its body goes to one place, and
its answer is one write. All other requests (other paths and verbs, what is refused, pipelined requests) take uvicorn's way.
"""

import asyncio
import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from intonaco.infra.serving.front.bounds import BoundedProtocol
from intonaco.infra.serving.front.lanes import Line, Told

__all__ = ["PassingProtocol"]

_NO_EVENT = asyncio.Event()


class _Passage:
    """One request on its way; stands in uvicorn's protocol where the cycle of a task would, and in a lane where a future would."""

    __slots__ = ("_line", "_protocol", "_started", "_version", "disconnected", "keep_alive", "more_body", "parts", "response_complete")

    message_event = _NO_EVENT  # the protocol sets it; nobody waits for it

    def __init__(self, protocol: "PassingProtocol", target: tuple[Line, int], keep_alive: bool) -> None:
        self._protocol, self.keep_alive = protocol, keep_alive
        self._line, self._version = target
        self._started = time.monotonic()
        self.parts: list[bytes] = []
        self.more_body, self.response_complete, self.disconnected = True, False, False

    def pass_on(self) -> None:
        """Send the whole body to the worker."""
        self.more_body = False
        parts = self.parts
        self._line.pass_on(self._version, parts[0] if len(parts) == 1 else b"".join(parts), self)

    def done(self) -> bool:
        """Whether it is answered."""
        return self.response_complete

    def set_result(self, told: Told) -> None:
        """Answer."""
        self.response_complete = True
        self._line.tally.count(told[0], time.monotonic() - self._started)
        if not self.disconnected:
            self._protocol.answer(told, self.keep_alive)


class PassingProtocol(BoundedProtocol):
    """Passes requests for predictions on as soon as they are whole."""

    def on_message_begin(self) -> None:
        self._in_head = True
        self.url = b""
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        target = self._target()
        if target is None:
            self._begin_cycle()
        else:
            self._in_head = False
            self.cycle: Any = _Passage(self, target, self.parser.should_keep_alive())

    def on_body(self, body: bytes) -> None:
        if self.cycle.__class__ is _Passage:
            self.cycle.parts.append(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self.cycle.__class__ is _Passage:
            self.cycle.pass_on()
        else:
            super().on_message_complete()

    def answer(self, told: Told, keep_alive: bool) -> None:
        """Write one answer, as uvicorn would."""
        if self.transport.is_closing():
            return
        status, body = told
        keep_alive = keep_alive and not self.app.draining
        more = b"%b%b" % (b"retry-after: 1\r\n" if status in (429, 503) else b"", b"" if keep_alive else b"connection: close\r\n")
        own = b"".join([b"%b: %b\r\n" % each for each in self.server_state.default_headers])
        head = b"%b%bcontent-length: %d\r\ncontent-type: application/json\r\n%b\r\n"
        self.transport.write_whole(head % (STATUS_LINE[status], own, len(body), more) + body)
        if not keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _target(self) -> tuple[Line, int] | None:
        """Where the request goes without a task; None if it has to take uvicorn's way."""
        parser = self.parser
        if parser.get_method() != b"POST" or parser.should_upgrade() or parser.get_http_version() != "1.1":
            return None
        if self.flow.write_paused or (self.cycle is not None and not self.cycle.response_complete) or self.transport.is_closing():
            return None
        found: tuple[Line, int] | None = self.app.target(self.url, dict(self.headers))
        return found

    def _begin_cycle(self) -> None:
        """Do what was left undone for a request that turns out to need it."""
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()
