"""The front end's process: uvicorn on the server's listening socket, steered by the server's messages."""

import asyncio
import ctypes
import os
import socket
import struct
import sys
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import msgspec
import uvicorn

from intonaco.infra.serving.front.front import FrontEnd
from intonaco.infra.serving.front.guard import Guard
from intonaco.infra.serving.front.lanes import Lane, Line, expire
from intonaco.infra.serving.front.passages import PassingProtocol
from intonaco.infra.serving.wire import messages
from intonaco.infra.serving.wire.messages import Attach, Degraded, Drain, Drained, Gauges, Hung, Listening, Refuse, Remove, Stop, Want
from intonaco.infra.serving.wire.processlife import die_with_parent, ignore_interrupts, settle_memory

if TYPE_CHECKING:
    from intonaco.infra.serving.front.rpc.listener import Listener

__all__ = ["FrontJob", "main"]

_SWEEP_S = 0.04
#: How long a client that has connected has for sending its request before the server ends.
_LAST_S = 1.0
#: For handshakes that began before new ones were turned away.
_HANDSHAKE_S = 0.02
_SO_ATTACH_FILTER, _BPF_RETURN = 26, 0x06
_Order: Any = Want | Attach | Degraded | Refuse | Remove | Gauges | Drain | Stop


class FrontJob(msgspec.Struct, kw_only=True):
    """What the server tells the front end, on its standard input."""

    listen_fds: list[int]
    control_fd: int
    host: str
    token: str
    deadline_s: float
    body_limit_bytes: int
    queue_limit: int
    grace_s: float
    grpc_addresses: list[str] = []


def main() -> None:
    """Run the front end until the server says stop, or is gone."""
    die_with_parent()
    ignore_interrupts()
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=FrontJob)
    listening = [socket.socket(fileno=fd) for fd in job.listen_fds]
    port: int = listening[0].getsockname()[1]
    app = FrontEnd(Guard.of(job.host, job.token, port), job.body_limit_bytes)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=PassingProtocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=max(1, round(job.grace_s)),
    )
    server = uvicorn.Server(config)
    settle_memory()
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_run(job, app, server, listening))


async def _run(job: FrontJob, app: FrontEnd, server: uvicorn.Server, listening: list[socket.socket]) -> None:
    desk = _Desk(job, app, server, listening)
    desk.listen()
    if job.grpc_addresses:
        await desk.listen_to_grpc()
    sweeping = asyncio.create_task(desk.sweep())
    await server.serve(sockets=listening)
    await desk.finish()
    sweeping.cancel()


class _Desk:
    """Does what the server asks, and tells it what happens to the workers."""

    def __init__(self, job: FrontJob, app: FrontEnd, server: uvicorn.Server, listening: list[socket.socket]) -> None:
        self._job, self._app, self._server = job, app, server
        self._listening = [each.dup() for each in listening]
        self._control = socket.socket(fileno=job.control_fd)
        self._lanes: dict[int, Lane] = {}
        self._told_hung: set[int] = set()
        self._doing: set[asyncio.Task[None]] = set()
        self._grpc: Listener | None = None

    def listen(self) -> None:
        """Take orders from now on."""
        asyncio.get_running_loop().add_reader(self._control.fileno(), self._take_order)

    async def listen_to_grpc(self) -> None:
        """Take calls of gRPC too; its libraries are loaded here, so that a server without it does not have them in memory."""
        from intonaco.infra.serving.front.rpc.listener import Listener

        self._grpc = await Listener.start(self._app, self._job.grpc_addresses, self._job.queue_limit)

    async def finish(self) -> None:
        """Wait for the calls of gRPC that are still under way."""
        if self._grpc is not None:
            await self._grpc.stop(self._job.grace_s)

    async def sweep(self) -> None:
        """Answer what is late, and tell of workers that hang, again and again."""
        told = False
        while True:
            await asyncio.sleep(_SWEEP_S)
            if self._server.started and not told:
                told = True
                messages.send(self._control, Listening())
            now = time.monotonic()
            for line in self._app.lines.values():
                line.sweep(now)
            for lane in self._lanes.values():
                expire(lane, now)
                if lane.hangs(now, self._job.deadline_s) and lane.worker not in self._told_hung:
                    self._told_hung.add(lane.worker)
                    messages.send(self._control, Hung(lane.worker))

    def _take_order(self) -> None:
        order, fds = messages.receive(self._control, _Order)
        if order is None:
            os._exit(0)  # the server is gone
        self._obey(order, fds)
        self._app.publish()

    def _obey(self, order: Any, fds: list[int]) -> None:
        lines = self._app.lines
        match order:
            case Want(endpoint):
                lines.setdefault(endpoint, Line(endpoint, self._job.queue_limit, self._job.deadline_s))
            case Attach():
                self._keep(self._attach(order, fds[0]))
            case Refuse(endpoint, reason) if endpoint in lines:
                lines[endpoint].refuse(reason)
            case Degraded(reason, endpoint) if endpoint in lines:
                lines[endpoint].degraded = reason
            case Remove(endpoint) if endpoint in lines:
                lines.pop(endpoint).remove()
            case Gauges(values):
                self._app.gauges = values
            case Drain():
                self._app.draining = True
            case Stop():
                self._keep(self._stop())

    def _keep(self, doing: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(doing)
        self._doing.add(task)
        task.add_done_callback(self._doing.discard)

    async def _stop(self) -> None:
        """Take what has already connected, refuse what has not, let the clients that are here finish, and end."""
        for listening in self._listening:
            _turn_away(listening)
        await asyncio.sleep(_HANDSHAKE_S)
        for server in self._server.servers:
            server.close()
        if self._grpc is not None:
            self._grpc.close()
        for listening in self._listening:
            await self._take_the_last(listening)
            listening.shutdown(socket.SHUT_RDWR)
        await self._let_leave()
        self._server.should_exit = True

    async def _let_leave(self) -> None:
        """Answers to the last requests close their connections; who is idle is closed after a while, and not at once."""
        until = time.monotonic() + _LAST_S
        while self._server.server_state.connections and time.monotonic() < until:
            await asyncio.sleep(_HANDSHAKE_S)

    async def _take_the_last(self, listening: socket.socket) -> None:
        loop, config, state = asyncio.get_running_loop(), self._server.config, self._server.server_state
        listening.setblocking(False)
        while True:
            try:
                accepted, _ = listening.accept()
            except OSError:
                return
            await loop.connect_accepted_socket(lambda: PassingProtocol(config, state, {}), accepted)

    async def _attach(self, order: Attach, fd: int) -> None:
        lane = Lane(order.worker, self._lost, self._drained)
        self._lanes[order.worker] = lane
        await asyncio.get_running_loop().create_unix_connection(lambda: lane, sock=socket.socket(fileno=fd))
        line = self._app.lines.setdefault(order.endpoint, Line(order.endpoint, self._job.queue_limit, self._job.deadline_s))
        line.attach(lane, frozenset(order.versions), order.metadata.encode(), order.paths)
        self._app.publish()

    def _lost(self, lane: Lane) -> None:
        self._lanes.pop(lane.worker, None)
        for line in self._app.lines.values():
            if line.lane is lane:
                line.wait("its worker died and is started again")

    def _drained(self, lane: Lane) -> None:
        messages.send(self._control, Drained(lane.worker))
        lane.close()


def _turn_away(listening: socket.socket) -> None:
    """Let no handshake begin any more, where the system can (Linux, socket(7), SO_ATTACH_FILTER).

    Else a client that connects between the last accept and the end of listening is reset, though it may have sent a request.
    """
    if sys.platform != "linux":
        return
    drop_all = ctypes.create_string_buffer(struct.pack("HBBI", _BPF_RETURN, 0, 0, 0))
    listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(drop_all)))


if __name__ == "__main__":
    main()
