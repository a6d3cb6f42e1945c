"""The listener: gRPC's own server on the loop of the front end, with bounds on what clients may hold."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Self

import grpc.aio
from attrs import field, frozen

from intonaco.infra.serving.front.front import FrontEnd
from intonaco.infra.serving.front.rpc.calls import Calls

__all__ = ["Listener"]

#: Beside the calls that wait for a worker, those whose messages are still coming.
_CALLS_PER_PLACE = 2
_LOOK_S = 0.02
_LAST_S = 0.2  # for answers that are on their way out
_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_concurrent_streams", 256),  # of one connection
    ("grpc.max_metadata_size", 16 * 1024),
    ("grpc.absolute_max_metadata_size", 64 * 1024),
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_connection_idle_ms", 60_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.compression_enabled_algorithms_bitset", 1),  # compressed messages are not taken, as over HTTP
    ("grpc.so_reuseport", 1),  # the server's own process holds the port
)


@frozen(eq=False)
class Listener:
    """Takes calls until it is stopped."""

    _server: Any = field(repr=False)
    _calls: Calls = field(repr=False)

    @classmethod
    async def start(cls, app: FrontEnd, addresses: Sequence[str], queue_limit: int) -> Self:
        """Take calls at these addresses, each `HOST:PORT`."""
        options = [*_OPTIONS, ("grpc.max_receive_message_length", app.body_limit_bytes)]
        server = grpc.aio.server(options=options, maximum_concurrent_rpcs=_CALLS_PER_PLACE * queue_limit)
        calls = Calls(app)
        server.add_generic_rpc_handlers((calls,))
        for address in addresses:
            server.add_insecure_port(address)
        await server.start()
        return cls(server, calls)

    def close(self) -> None:
        """Refuse new calls from now on.

        gRPC's own way to stop would cancel those that have come and not yet been handed out.
        """
        self._calls.closing = True

    async def stop(self, grace_s: float) -> None:
        """End when the calls under way are answered, or after the grace."""
        self.close()
        until = time.monotonic() + grace_s
        while self._calls.under_way and time.monotonic() < until:
            await asyncio.sleep(_LOOK_S)
        await self._server.stop(_LAST_S)
