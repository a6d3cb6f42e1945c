"""What the server's processes tell each other beside the requests: small JSON messages on packet sockets."""

import array
import socket
from typing import TypeVar

import msgspec
from msgspec import Struct

__all__ = [
    "Attach",
    "Condition",
    "Degraded",
    "Drain",
    "Drained",
    "Failed",
    "Gauges",
    "Hung",
    "Listening",
    "Ready",
    "Refuse",
    "Remove",
    "Stop",
    "Want",
    "pair",
    "receive",
    "send",
]

_LIMIT = 1 << 20


class Want(Struct, tag=True, frozen=True):
    """To the front end: the endpoint is wanted; its worker is starting."""

    endpoint: str


class Attach(Struct, tag=True, frozen=True):
    """To the front end: switch the endpoint to this worker, whose socket comes along.

    `paths` are those that it answers, with the number that its frames then carry; without any, those of a model.
    """

    endpoint: str
    worker: int
    versions: list[int]
    metadata: str
    paths: dict[str, int] = {}


class Refuse(Struct, tag=True, frozen=True):
    """To the front end: no worker will come soon, and why."""

    endpoint: str
    reason: str


class Remove(Struct, tag=True, frozen=True):
    """To the front end: the endpoint is wanted no more."""

    endpoint: str


class Degraded(Struct, tag=True, frozen=True):
    """From a worker to the server, and on to the front end: the store that it reads from does not answer, and why; or it does again."""

    reason: str
    endpoint: str = ""


class Gauges(Struct, tag=True, frozen=True):
    """To the front end: measurements of the other processes, for `/metrics`."""

    values: dict[str, float]


class Drain(Struct, tag=True, frozen=True):
    """To the front end: say that it is not ready, and let clients close their connections."""


class Stop(Struct, tag=True, frozen=True):
    """To the front end: answer what is under way, and end."""


class Listening(Struct, tag=True, frozen=True):
    """From the front end: requests are taken."""


class Hung(Struct, tag=True, frozen=True):
    """From the front end: the worker holds requests past their deadline and says nothing."""

    worker: int


class Drained(Struct, tag=True, frozen=True):
    """From the front end: the worker that was switched off has answered all it had."""

    worker: int


class Condition(Struct, tag=True, frozen=True):
    """From a worker: this condition holds now."""

    name: str


class Ready(Struct, tag=True, frozen=True):
    """From a worker: it can answer; its metadata is the protocol's, its layouts are the ledger's, its paths as in `Attach`."""

    metadata: str
    layouts: list[str]
    versions: list[int] = []
    paths: dict[str, int] = {}


class Failed(Struct, tag=True, frozen=True):
    """From a worker: it cannot serve the deployment, and why."""

    reason: str


M = TypeVar("M")


def pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a packet socket, on which a message comes whole or not at all."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LIMIT)
    return ends


def send(channel: socket.socket, message: Struct, fds: tuple[int, ...] = ()) -> None:
    """Send one message, with file descriptors if need be."""
    beside = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    channel.sendmsg([msgspec.json.encode(message)], beside)


def receive(channel: socket.socket, kinds: type[M]) -> tuple[M | None, list[int]]:
    """The next message and its file descriptors; None when the other side is gone."""
    try:
        data, fds, _, _ = socket.recv_fds(channel, _LIMIT, 4)
    except ConnectionResetError:  # it ended before it had read all that was sent to it
        return None, []
    return (msgspec.json.decode(data, type=kinds) if data else None), list(fds)
