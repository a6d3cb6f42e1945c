"""What all stores in Redis share: a database of a server that was found able to keep what they promise, and a prefix in it."""

from collections.abc import Callable
from typing import Any, Self, TypeVar

from attrs import define, field

from intonaco.core.errors import DeadlineError, InvalidError
from intonaco.core.urls import StoreUrl
from intonaco.ext.redis.address import Address
from intonaco.ext.redis.connections import Connections, Link, packed
from intonaco.ext.redis.server import Server
from intonaco.infra.storage.guarantees import Guarantee

__all__ = ["Keyspace"]

T = TypeVar("T")

#: Of the layout under the prefix; it is kept in `PREFIX:format`.
FORMAT = b"1"


@define(eq=False)
class Keyspace:
    """All keys under one prefix; `PREFIX:touched` is written with every put and says nothing."""

    address: Address
    where: str
    server: Server
    connections: Connections = field(repr=False)

    @classmethod
    def open(cls, url: StoreUrl | str, what: str) -> Self:
        """Connect, and refuse a server that cannot keep the promises, or a prefix that holds another format."""
        address = Address.of(url)
        where = f"{what} {address.url}"
        connections = Connections(address, where)
        try:
            server = Server.ask(connections)
            server.check(where, address.durable)
            opened = cls(address, where, server, connections)
            opened._claim()
        except BaseException:
            connections.close()
            raise
        return opened

    def key(self, *parts: str) -> bytes:
        """A key under the prefix."""
        return ":".join((self.address.prefix, *parts)).encode()

    def ask(self, *commands: bytes) -> list[Any]:
        """The answers to commands that may be sent twice."""
        return self.connections.call(lambda link: link.ask(commands))

    def write(self, work: Callable[[Link], T]) -> T:
        """What `work` makes of a connection on which it writes, once the server keeps it; it is done once, for writes count."""

        def written(link: Link) -> T:
            result = work(link)
            self._await_kept(link)
            return result

        return self.connections.call(written, timeout_s=self.write_timeout_s, again=False)

    @property
    def write_timeout_s(self) -> float:
        """How long one step of a write may take."""
        return self.address.timeout_s + self.address.sync_timeout_s

    def touch(self) -> list[bytes]:
        """A command that writes for certain, for a write that may find that there is nothing to do.

        A server waits only for what its client wrote itself; but what a put found already there may be another's, who is
        not yet acknowledged.
        """
        return [packed("SET", self.key("touched"), "1")] if self.server.awaits else []

    def _await_kept(self, link: Link) -> None:
        if not self.server.awaits:
            return
        # not together with what it waits for: the server would look again only at its next tick, up to 0.1 s later
        (kept,) = link.ask([packed("WAITAOF", 1, 0, max(int(self.address.sync_timeout_s * 1000), 1))])
        if kept[0] < 1:
            raise DeadlineError(
                f"{self.where} did not bring a write to its disk within {self.address.sync_timeout_s:g} s",
                hint="look at its disk; ?sync_timeout_s= gives it longer",
            )

    def lacks(self) -> dict[Guarantee, str]:
        """The guarantees that the server does not keep."""
        return self.server.lacks(self.address.durable)

    def waived(self) -> frozenset[Guarantee]:
        """The guarantees that the URL does without."""
        return frozenset({Guarantee.DURABLE} if self.address.durable == "no" else ())

    def close(self) -> None:
        """Close the connections."""
        self.connections.close()

    def _claim(self) -> None:
        name = self.key("format")
        (found,) = self.ask(packed("GET", name))
        if found is None:  # only then, for a full server takes no writes and can still be read
            found = self.ask(packed("SET", name, FORMAT, "NX"), packed("GET", name))[1]
        if found != FORMAT:
            raise InvalidError(
                f"{self.where} is of format {found[:20]!r}, this installation reads {FORMAT!r}",
                hint="install the newer version, or choose another ?prefix=",
            )
