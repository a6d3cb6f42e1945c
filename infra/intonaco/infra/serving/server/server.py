"""The server: Open Inference Protocol v2 over HTTP, and over gRPC where that is switched on, for all that a project has deployed."""

import errno
import ipaddress
import os
import signal
import socket
import threading
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from intonaco.core.errors import PortInUseError, RefusedError, SettingsError
from intonaco.infra.serving.endpoints.states import Server
from intonaco.infra.serving.front.rpc.addresses import address_of, reserve
from intonaco.infra.serving.ledger.spoolmover import SpoolMover
from intonaco.infra.serving.server.board import Board
from intonaco.infra.serving.server.children import start_front
from intonaco.infra.serving.server.crew import Crew
from intonaco.infra.serving.server.frontchild import FrontChild
from intonaco.infra.serving.server.supervisor import Supervisor
from intonaco.infra.serving.server.wanted import Wants

if TYPE_CHECKING:
    from intonaco.infra.workspace import Workspace

__all__ = ["listen", "serve"]

DRAIN_S = 0.5
GRACE_S = 20.0


def serve(
    workspace: "Workspace",
    *,
    host: str | None = None,
    port: int | None = None,
    grpc_port: int | None = None,
    project: str | None = None,
    overrides: dict[str, Any] | None = None,
    on_ready: Callable[[str, str], None] = lambda url, grpc_address: None,
) -> None:
    """Serve what the project has deployed, and what it deploys from now on, until SIGTERM or SIGINT.

    Parameters
    ----------
    overrides
        The settings with which the workspace was opened beside its file, for the workers.
    on_ready
        Called with the server's URL, and its address for gRPC or nothing, when it takes requests.

    Raises
    ------
    PortInUseError
        Somebody else listens there.
    RefusedError
        The address is not loopback, and no token is set.
    """
    settings = workspace.settings.serving
    where = settings.host if host is None else host
    held = listening = listen(where, settings.port if port is None else port, bool(settings.token))
    try:
        reserved = reserve(listening, settings.grpc_port if grpc_port is None else grpc_port)
        held = [*listening, *reserved]
        addresses = [address_of(each) for each in reserved]
        supervisor = _supervisor(workspace, project or workspace.settings.project, where, listening, addresses, overrides or {}, on_ready)
        with _Signals(supervisor):
            supervisor.run()
    finally:
        for each in held:
            each.close()


def listen(host: str, port: int, has_token: bool) -> list[socket.socket]:
    """Sockets that listen on all addresses of a host."""
    try:
        found = {info[4][0]: info[0] for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except OSError as error:
        raise SettingsError(f"{host!r} is not an address of this machine: {error.strerror}", field="serving.host") from error
    beyond = [str(address) for address in found if not ipaddress.ip_address(str(address).split("%")[0]).is_loopback]
    if beyond and not has_token:
        hint = "set serving.token (INTONACO_SERVING__TOKEN), or listen on 127.0.0.1"
        raise RefusedError(f"{beyond[0]} can be reached from other machines, and no token is set", hint=hint, field="serving.host")
    sockets: list[socket.socket] = []
    for address, family in found.items():
        sockets.append(_bound(str(address), sockets[0].getsockname()[1] if sockets else port, family))
    return sockets


def _bound(address: str, port: int, family: socket.AddressFamily) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((address, port))
        bound.listen(2048)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(f"port {port} of {address} is in use", hint="intonaco serve --port 0 takes a free one") from error
        raise SettingsError(f"{address} port {port} cannot be listened on: {error.strerror}", field="serving.port") from error
    return bound


def _url(host: str, bound: socket.socket) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{bound.getsockname()[1]}"


def _supervisor(
    workspace: "Workspace",
    project: str,
    host: str,
    listening: list[socket.socket],
    grpc_addresses: list[str],
    overrides: dict[str, Any],
    on_ready: Callable[[str, str], None],
) -> Supervisor:
    url = _url(host, listening[0])
    server = Server(server=uuid.uuid4().hex[:16], project=project, url=url, pid=os.getpid())
    spool = workspace.home / "spool" / project
    return Supervisor(
        settings=workspace.settings.serving,
        front=FrontChild(lambda: start_front(workspace, host, listening, GRACE_S, grpc_addresses)),
        crew=Crew(workspace, overrides, spool),
        board=Board(workspace, server),
        wants=Wants(workspace, project),
        mover=SpoolMover(spool, project, workspace.stream),
        drain_s=DRAIN_S,
        grace_s=GRACE_S,
        on_ready=lambda: on_ready(url, grpc_addresses[0] if grpc_addresses else ""),
    )


class _Signals:
    """SIGTERM and SIGINT stop the supervisor while the context lasts, where this is the main thread."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, lambda *_: self._supervisor.stop())

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
