"""Connections that ask again as soon as they are answered, with little work of their own."""

import asyncio
import functools

__all__ = ["ask_for"]

_TIMEOUT_S = 30.0


class Caller(asyncio.Protocol):
    """One connection; it closes after the answer that follows `stop`."""

    def __init__(self, request: bytes) -> None:
        self.request, self.answered, self.stopped, self.held = request, 0, False, b""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.held += data
        head = self.held.find(b"\r\n\r\n")
        if head < 0 or len(self.held) < head + 4 + _length(self.held[:head]):
            return
        if not self.held.startswith(b"HTTP/1.1 200"):
            self._end(f"the server answered {self.held[:300]!r}")
            return
        self.held = b""
        self.answered += 1
        if self.stopped:
            self._end(None)
        else:
            self.transport.write(self.request)

    def connection_lost(self, error: Exception | None) -> None:
        self._end(f"the server closed the connection: {error}")

    def _end(self, fault: str | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None) if fault is None else self.ended.set_exception(RuntimeError(fault))
            self.transport.close()


def _length(head: bytes) -> int:
    start = head.index(b"content-length: ") + 16
    end = head.find(b"\r", start)
    return int(head[start : end if end >= 0 else None])


async def ask_for(seconds: float, port: int, path: str, payload: bytes, connections: int) -> int:
    """How many requests were answered with 200; anything else ends the measurement."""
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\ncontent-length: {len(payload)}\r\n\r\n"
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(functools.partial(Caller, head.encode() + payload), "127.0.0.1", port) for _ in range(connections)]
    callers = [caller for _, caller in made]
    await asyncio.sleep(seconds)
    for caller in callers:
        caller.stopped = True
    await asyncio.wait_for(asyncio.gather(*(caller.ended for caller in callers)), _TIMEOUT_S)
    return sum(caller.answered for caller in callers)
