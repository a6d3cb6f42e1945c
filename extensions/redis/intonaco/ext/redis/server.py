"""What a Redis server is able to keep, asked once when a store is opened."""

from typing import Any

from attrs import frozen
from redis.exceptions import ResponseError

from intonaco.core.errors import SettingsError
from intonaco.ext.redis.connections import Connections, Link, packed
from intonaco.infra.storage.guarantees import Guarantee

__all__ = ["Server"]

_LOG = "set `appendonly yes` and `appendfsync everysec` or `always` in the server"
_WAIVE = "or write ?durable=no if what is stored can be made again"


@frozen(kw_only=True)
class Server:
    """What matters of its settings; a server that does not let us read one leaves it empty."""

    cluster: bool
    role: str
    policy: str
    appendonly: bool
    appendfsync: str
    waits: bool

    @classmethod
    def ask(cls, connections: Connections) -> "Server":
        """Look at the server behind the connections."""
        told = connections.call(_told)
        info = {name: value for name, _, value in (line.partition(":") for line in _text(told[0]).splitlines())}
        settings = [_text(each) for each in told[1]]
        return cls(
            cluster=info.get("cluster_enabled") == "1",
            role=info.get("role", ""),
            policy=info.get("maxmemory_policy", ""),
            appendonly=info.get("aof_enabled") == "1",
            appendfsync=dict(zip(settings[::2], settings[1::2], strict=False)).get("appendfsync", ""),
            waits=bool(told[2]) and told[2][0] is not None,
        )

    def check(self, where: str, durable: str) -> None:
        """Raise SettingsError if it cannot keep what a store promises."""
        if self.cluster:
            raise SettingsError(f"{where} is a cluster, over which no batch is whole", hint="name a server, or a primary with replicas")
        if self.role not in ("", "master"):
            raise SettingsError(f"{where} is a replica, which takes no writes", hint="name the primary")
        if self.policy.startswith("allkeys-"):
            raise SettingsError(
                f"{where} throws values away when its memory is full: maxmemory-policy is {self.policy}",
                hint="set `maxmemory-policy noeviction` in the server",
            )
        lost = self.loses(durable)
        if lost and durable != "no":
            raise SettingsError(f"{where} does not keep what it acknowledges: {lost}", hint=f"{_LOG}, {_WAIVE}", field="durable")

    def loses(self, durable: str) -> str:
        """Why an acknowledged write may not survive what it has to; empty if it does."""
        if not self.appendonly:
            return "appendonly is off"
        if self.appendfsync == "no":
            return "appendfsync is no"
        if self.appendfsync != "always" and not self.waits:
            return "it is older than 7.2 and cannot be asked to wait for its log, as it has to be unless appendfsync is always"
        if durable == "machine" and self.appendfsync != "always":
            return f"appendfsync is {self.appendfsync or 'not told'}, and only always survives the end of the machine"
        return ""

    def lacks(self, durable: str) -> dict[Guarantee, str]:
        """The guarantees that it does not keep, with what could give them."""
        return {Guarantee.DURABLE: _LOG} if self.loses("process" if durable == "no" else durable) else {}

    @property
    def awaits(self) -> bool:
        """Whether it can be asked to acknowledge what it wrote to its log, and does write one that it syncs."""
        return self.waits and self.appendonly and self.appendfsync != "no"


def _told(link: Link) -> list[Any]:
    commands = [packed("INFO"), packed("CONFIG", "GET", "appendfsync"), packed("COMMAND", "INFO", "WAITAOF")]
    link.send(b"".join(commands), len(commands))
    return [_allowed(link, b""), _allowed(link, []), _allowed(link, [])]


def _allowed(link: Link, missing: Any) -> Any:
    """The next answer, or something empty if the user may not ask that."""
    try:
        return link.answer()
    except ResponseError as error:
        if "LOADING" in str(error) or type(error).__name__ == "BusyLoadingError":
            raise
        return missing


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
