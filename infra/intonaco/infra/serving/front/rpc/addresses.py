"""Addresses of gRPC: the same as those of HTTP, with a port of its own that the server's process holds while front ends come and go."""

import errno
import importlib.util
import socket
from collections.abc import Sequence

from intonaco.core.errors import PortInUseError, SettingsError

__all__ = ["OFF", "address_of", "reserve"]

#: The port that means that gRPC is not spoken.
OFF = -1


def reserve(listening: Sequence[socket.socket], port: int) -> list[socket.socket]:
    """Sockets that hold a port, 0 for a free one, at each address of those that listen; none if gRPC is off.

    They do not listen themselves: the front end does, at the same place.

    Raises
    ------
    SettingsError
        The libraries are not installed.
    PortInUseError
        Somebody else listens there.
    """
    if port == OFF:
        return []
    if importlib.util.find_spec("grpc") is None or importlib.util.find_spec("google.protobuf") is None:
        hint = "pip install 'intonaco-infra[grpc]'"
        raise SettingsError("gRPC is switched on, and its libraries are not installed", hint=hint, field="serving.grpc_port")
    held: list[socket.socket] = []
    try:
        for each in listening:
            held.append(_hold(each.family, each.getsockname()[0], held[0].getsockname()[1] if held else port))
    except BaseException:
        for each in held:
            each.close()
        raise
    return held


def address_of(held: socket.socket) -> str:
    """`HOST:PORT` of a socket, as gRPC writes it."""
    host, port = held.getsockname()[:2]
    return f"[{host}]:{port}" if held.family == socket.AF_INET6 else f"{host}:{port}"


def _hold(family: int, host: str, port: int) -> socket.socket:
    held = socket.socket(family, socket.SOCK_STREAM)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if port:
            _check_free(family, host, port)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((host, port))
    except OSError as error:
        held.close()
        if error.errno == errno.EADDRINUSE:
            what = f"port {port} of {host} is in use"
            raise PortInUseError(what, hint="serving.grpc_port = 0 takes a free one", field="serving.grpc_port") from error
        raise SettingsError(f"{host} port {port} cannot be held: {error.strerror}", field="serving.grpc_port") from error
    return held


def _check_free(family: int, host: str, port: int) -> None:
    """Listen for a moment: several may share a port that is held, but not one that somebody listens on."""
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        probe.listen(1)
