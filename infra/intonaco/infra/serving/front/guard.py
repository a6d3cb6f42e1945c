"""The guard: what is refused before a request is looked at, the same for every path and verb."""

import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit

from attrs import field, frozen

from intonaco.infra.serving.protocol.answers import encode_error

__all__ = ["Guard", "Refusal"]

Refusal = tuple[int, bytes]

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


@frozen(eq=False)
class Guard:
    """Checks the headers of every request.

    A request must name a host that this server is known by, so that no page elsewhere reaches it through a name of its own; one
    that a browser sends from another origin is refused; with a token set, all but the health of the server ask for it.
    """

    token: bytes = field(repr=False)
    hosts: frozenset[bytes]
    any_host: bool

    @classmethod
    def of(cls, host: str, token: str, port: int = 80) -> "Guard":
        """The guard of a server that listens on `host`."""
        names = {*_LOOPBACK, f"[{host}]" if ":" in host else host}
        known = {*names, *(f"{name}:{port}" for name in names)}
        return cls(token.encode(), frozenset(name.encode() for name in known), any_host=bool(token))

    def refuse(self, headers: Mapping[bytes, bytes], *, open_to_all: bool) -> Refusal | None:
        """Why the request is refused, or None."""
        host = headers.get(b"host", b"")
        if host not in self.hosts and not self._known(host):
            hint = "use localhost, 127.0.0.1 or the host that the server listens on"
            message = "the Host header names a host that this server is not known by"
            return 403, encode_error(message, code="foreign_host", field="host", hint=hint)
        origin = headers.get(b"origin")
        site = headers.get(b"sec-fetch-site")
        if (origin is not None and not self._own(origin, host)) or site in (b"cross-site", b"same-site"):
            return 403, encode_error("requests from pages of another origin are refused", code="foreign_origin", field="origin")
        return None if open_to_all else self.unauthorized(headers.get(b"authorization", b""))

    def unauthorized(self, authorization: bytes) -> Refusal | None:
        """Why a request with this header is refused, or None."""
        if self.token and not self._holds(authorization):
            hint = "send the header Authorization: Bearer TOKEN"
            return 401, encode_error("a valid token is needed", code="unauthorized", field="authorization", hint=hint)
        return None

    def _known(self, host: bytes) -> bool:
        name, _, port = host.rpartition(b":")
        bare = name if port.isdigit() and name else host
        return bare in self.hosts or (self.any_host and bool(bare))

    def _own(self, origin: bytes, host: bytes) -> bool:
        """Whether a page of this origin came from this very server, or from a host and port it is reached by."""
        try:
            place = urlsplit(origin.decode("ascii"))
        except (UnicodeDecodeError, ValueError):
            return False
        return place.scheme in ("http", "https") and place.netloc.encode() == host

    def _holds(self, authorization: bytes) -> bool:
        scheme, _, token = authorization.partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self.token)
