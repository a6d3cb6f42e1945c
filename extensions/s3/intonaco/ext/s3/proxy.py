"""A proxy in front of an S3 server that treats requests as bad networks and bad stores do, for tests."""

import http.client
import threading
from collections.abc import Callable, Collection, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import urlsplit

from attrs import define, field
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

__all__ = ["Proxy"]

_TIMEOUT_S = 30.0
_OURS = ("authorization", "connection", "x-amz-content-sha256", "x-amz-date")

Answer = tuple[int, dict[str, str], bytes]


def _never(method: str, path: str) -> bool:
    return False


@define(eq=False, kw_only=True)
class Proxy:
    """Passes requests on, from `start` to `stop`.

    Parameters
    ----------
    environ
        What a client of the server needs in its environment.
    strip
        Headers, in lower case, that it takes out of requests, which it then signs anew.
    lose
        Whether to close the connection instead of giving back the server's answer to this method and path.
    seen
        Is told of each method and path before the body is read, in a thread of its own; it may wait.
    """

    environ: Mapping[str, str] = field(repr=False)
    strip: Collection[str] = ()
    lose: Callable[[str, str], bool] = _never
    seen: Callable[[str, str], object] = _never
    _server: ThreadingHTTPServer | None = field(default=None, init=False, repr=False)

    @property
    def through(self) -> dict[str, str]:
        """What a client needs in its environment to go through the proxy."""
        assert self._server is not None
        return {**self.environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._server.server_port}"}

    def start(self) -> None:
        """Listen on a free loopback port."""
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = _TIMEOUT_S

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except OSError:  # the client went away
                    self.close_connection = True

            def pass_on(self) -> None:
                proxy._pass_on(self)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _pass_on(self, client: BaseHTTPRequestHandler) -> None:
        self.seen(client.command, client.path)
        expected = int(client.headers.get("content-length", 0))
        body = client.rfile.read(expected)  # less if the client goes away
        answer = self._ask(client.command, client.path, dict(client.headers.items()), body, len(body) == expected)
        if answer is None or self.lose(client.command, client.path):
            client.close_connection = True
            return
        status, headers, data = answer
        client.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("connection", "transfer-encoding", "content-length", "date", "server"):
                client.send_header(name, value)
        client.send_header("content-length", headers.get("Content-Length", "0") if client.command == "HEAD" else str(len(data)))
        client.end_headers()
        client.wfile.write(data)

    def _ask(self, method: str, path: str, headers: dict[str, str], body: bytes, whole: bool) -> Answer | None:
        """The server's answer; None if the body broke off, as it then does for the server too."""
        server = urlsplit(self.environ["AWS_ENDPOINT_URL"])
        connection = http.client.HTTPConnection(server.hostname or "", server.port, timeout=_TIMEOUT_S)
        try:
            connection.request(method, path, body, self._stripped(method, path, headers, body) if self.strip else headers)
            if not whole:
                return None
            answer = connection.getresponse()
            return answer.status, dict(answer.headers.items()), answer.read()
        finally:
            connection.close()

    def _stripped(self, method: str, path: str, headers: dict[str, str], body: bytes) -> dict[str, str]:
        """Headers without some of them, signed anew."""
        kept = {name: value for name, value in headers.items() if name.lower() not in {*self.strip, *_OURS}}
        request = AWSRequest(method, f"http://{headers['Host']}{path}", headers=kept, data=body)
        credentials = Credentials(self.environ["AWS_ACCESS_KEY_ID"], self.environ["AWS_SECRET_ACCESS_KEY"])
        S3SigV4Auth(credentials, "s3", self.environ["AWS_REGION"]).add_auth(request)
        return dict(request.headers.items())
