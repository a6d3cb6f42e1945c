"""The front end: a process that takes HTTP requests, checks them, and passes their bytes on to the workers.

It opens no store and loads no model. It is an ASGI application without a framework, run by uvicorn.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from attrs import define, field

from intonaco.core.schema import suggestion
from intonaco.infra.serving.front.guard import Guard
from intonaco.infra.serving.front.lanes import Line, Told
from intonaco.infra.serving.front.metrics import Tally, exposition
from intonaco.infra.serving.protocol.answers import encode_error
from intonaco.infra.serving.wire.channel import ANY_VERSION

__all__ = ["SERVER", "FrontEnd"]

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

_JSON = (b"content-type", b"application/json")
_TEXT = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
SERVER: Final = {"name": "intonaco", "version": "0.1.0", "extensions": []}
_SERVER = msgspec.json.encode(SERVER)
_FEATURES = "/features/"
_OPEN_PATHS = frozenset({"/v2/health/live", "/v2/health/ready"})
_RETRY = (b"retry-after", b"1")
_CLOSE = (b"connection", b"close")


class _Gone(Exception):
    """The client went away before its request was whole."""


@define(eq=False)
class FrontEnd:
    """The ASGI application."""

    guard: Guard
    body_limit_bytes: int
    lines: dict[str, Line] = field(factory=dict)
    others: Tally = field(factory=Tally)
    gauges: dict[str, float] = field(factory=dict)
    draining: bool = False
    _posts: dict[str, tuple[Line, int]] = field(factory=dict, init=False)
    _urls: dict[bytes, tuple[Line, int]] = field(factory=dict, init=False)

    def publish(self) -> None:
        """Make the paths of what is served now; called when that changes."""
        self._posts = {path: (line, number) for line in self.lines.values() for path, number in _paths(line).items()}
        self._urls = {path.encode(): target for path, target in self._posts.items()}

    def target(self, url: bytes, headers: dict[bytes, bytes]) -> tuple[Line, int] | None:
        """Where the body of a POST goes, if its length is told and nothing speaks against it; for all else there is `__call__`."""
        target = self._urls.get(url)
        if target is None or b"content-length" not in headers or b"expect" in headers:
            return None
        refused = self.guard.refuse(headers, open_to_all=False) or self._refuse_body(headers)
        return target if refused is None else None

    def place(self, path: str) -> tuple[Line, int] | None:
        """Where the body of a POST to this path goes."""
        return self._posts.get(path)

    def unknown(self, path: str) -> Told:
        """The refusal of a path under which there is nothing."""
        if path.startswith(_FEATURES):
            return 404, encode_error(f"no feature set is served under {path[:200]!r}", code="not_found", hint=self._set_meant(path))
        return 404, encode_error(f"nothing is served under {path[:200]!r}", code="not_found", hint=self._known())

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = time.monotonic()
        headers = dict(scope["headers"])
        path = scope["path"]
        refused = self.guard.refuse(headers, open_to_all=path in _OPEN_PATHS)
        target = self._posts.get(path)
        try:
            if refused is not None:
                status, body = refused
            elif target is None:
                status, body = self._read(scope["method"], path)
            else:
                status, body = await self._pass_on(target, scope["method"], headers, receive)
        except _Gone:
            return
        extra = [(b"content-length", b"%d" % len(body)), _TEXT if path == "/metrics" and status == 200 else _JSON]
        if status in (429, 503):
            extra.append(_RETRY)
        if self.draining or refused is not None:
            extra.append(_CLOSE)
        tally = self.others if target is None else target[0].tally
        tally.count(status, time.monotonic() - started)
        await send({"type": "http.response.start", "status": status, "headers": extra})
        await send({"type": "http.response.body", "body": body})

    async def _pass_on(self, target: tuple[Line, int], method: str, headers: dict[bytes, bytes], receive: Receive) -> Told:
        if method != "POST":
            return _wrong_method("POST")
        refused = self._refuse_body(headers)
        if refused is not None:
            return refused
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        body = message["body"]
        if message["more_body"]:
            whole = await self._rest(body, receive)
            if isinstance(whole, tuple):
                return whole
            body = whole
        line, version = target
        return await line.submit(version, body)

    async def _rest(self, body: bytes, receive: Receive) -> bytes | Told:
        """The whole body, if it is not too large; the connection is closed when it does not come in time."""
        parts, size = [body], len(body)
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            parts.append(message["body"])
            size += len(message["body"])
            if size > self.body_limit_bytes:
                return self._too_large()
            if not message["more_body"]:
                return b"".join(parts)

    def _refuse_body(self, headers: dict[bytes, bytes]) -> Told | None:
        """Why a body is refused before it is read."""
        if b"inference-header-content-length" in headers:
            hint = "send JSON: tritonclient.http takes binary_data=False in set_data_from_numpy"
            return 415, encode_error("binary tensors are not taken", code="binary_body", field="inference-header-content-length", hint=hint)
        kind = headers.get(b"content-type", b"application/json")
        if kind != b"application/json" and kind.split(b";")[0].strip().lower() not in (b"application/json", b""):
            hint = "send the header content-type: application/json"
            return 415, encode_error("the body must be JSON", code="content_type", field="content-type", hint=hint)
        if headers.get(b"content-encoding", b"identity") != b"identity":
            return 415, encode_error("compressed bodies are not taken", code="content_encoding", field="content-encoding")
        length = headers.get(b"content-length", b"0")
        return self._too_large() if len(length) > 12 or int(length) > self.body_limit_bytes else None

    def _too_large(self) -> Told:
        message = f"the body is larger than {self.body_limit_bytes} bytes"
        return 413, encode_error(message, code="body_too_large", field="body", hint="send fewer rows, or raise serving.body_limit_bytes")

    def _read(self, method: str, path: str) -> Told:
        """What can be read with GET."""
        known = self._document(path)
        if known is None:
            return self.unknown(path)
        if method not in ("GET", "HEAD"):
            return _wrong_method("GET")
        return known

    def _document(self, path: str) -> Told | None:
        if path == "/v2" or path == "/v2/":
            return 200, _SERVER
        if path == "/v2/health/live":
            return 200, b'{"live":true}'
        if path == "/v2/health/ready":
            return self.ready()
        if path == "/metrics":
            return 200, exposition(self.lines, self.others, self.gauges)
        return self._model(path) if path.startswith("/v2/models/") else None

    def _model(self, path: str) -> Told | None:
        parts = path.split("/")[3:]
        ready = parts[-1] == "ready"
        parts = parts[:-1] if ready else parts
        if len(parts) != 1 and not (len(parts) == 3 and parts[1] == "versions" and parts[2]):
            return None
        found = self.describe(parts[0], parts[2] if len(parts) == 3 else "")
        return (200, b'{"ready":true}') if ready and found is not None and found[0] == 200 else found

    def describe(self, name: str, version: str = "") -> Told | None:
        """The metadata of an endpoint, or why it is not there yet; None if there is no such endpoint or version."""
        line = self.lines.get(name)
        if line is None or (version and version not in map(str, line.versions)):
            return None
        if line.lane is None or not line.metadata:
            return 503, encode_error(f"endpoint {line.name!r} is not ready: {line.reason}", code="not_ready")
        return 200, line.metadata

    def ready(self) -> Told:
        """Whether all that is wanted can be asked; a balancer sends nothing here while it cannot."""
        if self.draining:
            return 503, encode_error("the server is shutting down", code="draining")
        if not self.lines:
            hint = "intonaco deploy MODEL, or intonaco features apply"
            return 503, encode_error("no endpoint is deployed", code="empty", hint=hint)
        waiting = [f"{line.name!r}: {line.reason}" for line in self.lines.values() if line.lane is None]
        if waiting:
            return 503, encode_error(f"not ready: {'; '.join(waiting)}", code="not_ready")
        degraded = [f"{line.name!r}: {line.degraded}" for line in self.lines.values() if line.degraded]
        return (503, encode_error(f"degraded: {'; '.join(degraded)}", code="degraded")) if degraded else (200, b'{"ready":true}')

    def _set_meant(self, path: str) -> str:
        known = [path for line in self.lines.values() for path in line.paths]
        bare = path.partition("@")[0].removesuffix(":get")
        versions = [each for each in known if each.startswith(f"{bare}@") or each == f"{bare}:get"]
        others = suggestion(f"{bare}:get", [each for each in known if "@" not in each])
        meant = f"known: {', '.join(sorted(versions)[:20])}" if versions else others
        return f"{meant}; POST, and a view is read through a set that uses it"

    def _known(self) -> str:
        models = [name for name, line in self.lines.items() if not line.paths]
        paths = sorted(path for line in self.lines.values() for path in line.paths)[:20]
        return "; ".join([f"endpoints: {', '.join(sorted(models)[:20]) or 'none'}", "POST /v2/models/NAME/infer", *paths])


def _paths(line: Line) -> dict[str, int]:
    """What is answered with POST, and the number that a frame of it carries; a model's are those of its versions."""
    if line.paths or line.name.startswith(":"):
        return line.paths
    versions = {f"/v2/models/{line.name}/versions/{version}/infer": version for version in line.versions}
    return {f"/v2/models/{line.name}/infer": ANY_VERSION, **versions}


def _wrong_method(allowed: str) -> Told:
    return 405, encode_error(f"only {allowed} is allowed here", code="method_not_allowed")
