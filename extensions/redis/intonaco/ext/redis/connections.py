"""Connections to one Redis server: a few, kept open, lent to one thread at a time, and none used again after a fault."""

import select
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define, field
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection
from redis.exceptions import ConnectionError as LostError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as LateError
from redis.retry import Retry

from intonaco.core.errors import IntonacoError, UnavailableError
from intonaco.ext.redis.address import Address
from intonaco.ext.redis.faults import told

if TYPE_CHECKING:
    import socket

__all__ = ["Connections", "Link", "packed"]

T = TypeVar("T")
Argument = bytes | int | str


def packed(*arguments: Argument) -> bytes:
    """A command as it goes over the wire."""
    parts = [each if isinstance(each, bytes) else str(each).encode() for each in arguments]
    return b"*%d\r\n" % len(parts) + b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in parts])


@define(eq=False)
class Link:
    """A connection that is lent, until when (on the monotonic clock) it has to have answered, and how many answers it owes."""

    connection: Connection = field(repr=False)
    socket: "socket.socket" = field(repr=False)
    until: float = 0.0
    owed: int = field(default=0, init=False)
    _granted_s: float = field(default=0.0, init=False, repr=False)

    def send(self, commands: bytes, answers: int = 1) -> None:
        """Send packed commands to which there are so many answers."""
        self._grant()
        self.owed += answers
        self.socket.sendall(commands)

    def receive(self, size: int = 65536) -> bytes:
        """Some bytes of an answer."""
        self._grant()
        found = self.socket.recv(size)
        if not found:
            raise LostError("the server closed the connection")
        return found

    def answer(self) -> Any:
        """The next answer; the error that it tells is raised."""
        self._grant()
        try:
            return self.connection.read_response()
        finally:
            self.owed -= 1

    def ask(self, commands: Sequence[bytes]) -> list[Any]:
        """The answers to commands that are sent together; the first error of the server is raised after the last was read."""
        self.send(b"".join(commands), len(commands))
        answers: list[Any] = []
        for _ in commands:
            try:
                answers.append(self.answer())
            except ResponseError as error:
                answers.append(error)
        for each in answers:
            if isinstance(each, ResponseError):
                raise each
        return answers

    def allow(self, timeout_s: float) -> None:
        """Give what is to come so much time from now."""
        self.until = time.monotonic() + timeout_s

    def close(self) -> None:
        """Close it; whoever holds it lets go of it."""
        self.connection.disconnect()  # type: ignore[no-untyped-call]

    def _grant(self) -> None:
        """Give the next step the time that is left; a call to the system is spared if that is about as much as before."""
        left = self.until - time.monotonic()
        if left <= 0.0:
            raise LateError("no time left")
        if not left * 0.9 <= self._granted_s <= left * 1.1:
            self.socket.settimeout(left)
            self._granted_s = left


@define(eq=False)
class Connections:
    """Lends connections to calls, each with a time limit.

    A call that finds its connection dead, because the server was started anew since, is repeated once over a new one if
    it may be; no other call is repeated here, so that a server in trouble is asked no more than callers ask.
    """

    address: Address
    where: str
    _idle: deque[Link] = field(factory=deque, init=False, repr=False)
    _slots: threading.Semaphore = field(init=False, repr=False)
    _greeting: list[bytes] = field(init=False, repr=False)
    _closed: bool = field(default=False, init=False, repr=False)

    @_slots.default
    def _all_slots(self) -> threading.Semaphore:
        return threading.Semaphore(self.address.connections)

    @_greeting.default
    def _first_commands(self) -> list[bytes]:
        given = self.address
        signing_in = [packed("AUTH", *([given.user] if given.user else []), given.password)] if given.password else []
        return [*signing_in, *([packed("SELECT", given.database)] if given.database else [])]

    def call(self, work: Callable[[Link], T], *, timeout_s: float | None = None, again: bool = True) -> T:
        """What `work` makes of a connection.

        Parameters
        ----------
        timeout_s
            How long it may take altogether; the address's limit by default.
        again
            Whether it may be done twice.

        Raises
        ------
        DeadlineError
            It took longer.
        UnavailableError
            The server cannot be reached, or will not do it.
        """
        limit = self.address.timeout_s if timeout_s is None else timeout_s
        try:
            return self._called(work, time.monotonic() + limit, again)
        except IntonacoError:
            raise
        except (RedisError, OSError) as error:
            raise told(error, self.where, limit) from error

    def close(self) -> None:
        """Close those that are not lent; a call after that is refused."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _called(self, work: Callable[[Link], T], until: float, again: bool) -> T:
        if self._closed:
            raise UnavailableError(f"{self.where} is closed")
        if not self._slots.acquire(timeout=max(until - time.monotonic(), 0.0)):
            raise LateError("no connection became free")
        try:
            link = self._kept(alive=not again)
            if link is not None:
                try:
                    return self._over(link, work, until)
                except (LostError, ConnectionError) as error:
                    if not again or isinstance(error, UnavailableError):
                        raise
                    self._forget()  # the others are of the same server that is gone
            return self._over(self._new(until), work, until)
        finally:
            self._slots.release()

    def _over(self, link: Link, work: Callable[[Link], T], until: float) -> T:
        link.until, usable = until, False
        try:
            result = work(link)
            usable = True
            return result
        except ResponseError:
            usable = True  # an answer like others
            raise
        finally:
            if usable and link.owed == 0 and not self._closed:
                self._idle.append(link)
            else:
                link.close()

    def _kept(self, *, alive: bool) -> Link | None:
        while True:
            try:
                link = self._idle.pop()
            except IndexError:
                return None
            if not alive or not _is_lost(link):
                return link
            link.close()

    def _forget(self) -> None:
        while (link := self._kept(alive=False)) is not None:
            link.close()

    def _new(self, until: float) -> Link:
        limit = until - time.monotonic()
        if limit <= 0.0:
            raise LateError("no time left")
        given = self.address
        # signing in is ours to ask for, within the time that is left; the library would give each step all of it
        kind: type[Connection] = SSLConnection if given.tls else Connection
        shared: dict[str, Any] = {"ssl_ca_certs": given.ca or None} if given.tls else {}
        shared |= {"host": given.host, "port": given.port, "protocol": 2, "driver_info": None}
        connection = kind(socket_timeout=limit, socket_connect_timeout=limit, retry=Retry(NoBackoff(), 0), **shared)
        connection.connect()  # type: ignore[no-untyped-call]
        found = connection._get_socket()
        if found is None:
            raise LostError("the connection was lost")
        link = Link(connection, found, until)
        try:
            link.ask(self._greeting)
        except BaseException:
            link.close()
            raise
        return link


def _is_lost(link: Link) -> bool:
    """Whether the server has closed the connection, or said something that nobody asked for."""
    # not the library's `can_read`, which leaves the socket with another time limit
    poll = select.poll()
    poll.register(link.socket, select.POLLIN)
    return bool(poll.poll(0))
