"""Requests for predictions on one connection, byte by byte: in order, one by one or at once, whole or in pieces."""

import json
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from intonaco.infra.testing.servers import RunningServer, deploy_multiplier, running_server
from intonaco.infra.workspace import Workspace

pytest_plugins = ("intonaco.infra.testing.servers",)
pytestmark = pytest.mark.slow

GET = b"GET /v2/health/live HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, doubling: None) -> Iterator[RunningServer]:
    with Workspace.open(tmp_path_factory.mktemp("workspace")) as workspace:
        deploy_multiplier(workspace, wait_s=0)
        with running_server(workspace.root) as server:
            server.wait_ready("twice")
            yield server


@pytest.fixture
def connection(server: RunningServer) -> Iterator[socket.socket]:
    host, _, port = server.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        yield connection


def body_of(*x: float) -> bytes:
    inputs = [
        {"name": "x", "shape": [len(x)], "datatype": "FP64", "data": x},
        {"name": "note", "shape": [len(x)], "datatype": "BYTES", "data": ["a"] * len(x)},
    ]
    return json.dumps({"inputs": inputs}).encode()


def post(*x: float, more: str = "", version: str = "1.1") -> bytes:
    body = body_of(*x)
    head = f"POST /v2/models/twice/infer HTTP/{version}\r\nhost: 127.0.0.1\r\n{more}content-length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Answers:
    """Cuts what comes over a connection into answers."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._held = connection, b""

    def next(self) -> tuple[bytes, bytes]:
        """The next head and body."""
        self._fill(lambda: b"\r\n\r\n" in self._held)
        head, _, self._held = self._held.partition(b"\r\n\r\n")
        length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        self._fill(lambda: len(self._held) >= length)
        body, self._held = self._held[:length], self._held[length:]
        return head, body

    def scores(self) -> list[float]:
        """Those of the next answer."""
        head, body = self.next()
        assert head.startswith(b"HTTP/1.1 200 OK\r\ndate: "), head
        found: list[float] = json.loads(body)["outputs"][0]["data"]
        return found

    def ended(self) -> bool:
        """Whether the server closed the connection, and sent nothing more."""
        return self._held + self._connection.recv(65536) == b""

    def _fill(self, enough: Callable[[], bool]) -> None:
        while not enough():
            received = self._connection.recv(65536)
            assert received, self._held
            self._held += received


def test_a_connection_is_kept_and_asked_again(connection: socket.socket) -> None:
    answers = Answers(connection)
    for x in (1.0, 2.0, 3.0):
        connection.sendall(post(x))
        assert answers.scores() == [2 * x]


def test_pipelined_predictions_are_answered_in_order_among_others(connection: socket.socket) -> None:
    connection.sendall(post(1.0) + GET + post(2.0) + post(3.0) + GET)
    answers = Answers(connection)
    assert answers.scores() == [2.0]
    assert answers.next()[1] == b'{"live":true}'
    assert [answers.scores(), answers.scores()] == [[4.0], [6.0]]
    assert answers.next()[1] == b'{"live":true}'
    connection.sendall(post(4.0))
    assert answers.scores() == [8.0]


def test_a_request_may_come_byte_by_byte(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in post(1.5):
        connection.sendall(bytes([byte]))
    assert Answers(connection).scores() == [3.0]


def test_a_long_body_comes_whole(connection: socket.socket) -> None:
    x = [row / 65536 for row in range(50_000)]
    connection.sendall(post(*x))
    assert Answers(connection).scores() == [2 * each for each in x]


@pytest.mark.parametrize(("more", "version"), [("connection: close\r\n", "1.1"), ("", "1.0")])
def test_who_wants_no_more_is_answered_and_the_connection_closed(connection: socket.socket, more: str, version: str) -> None:
    connection.sendall(post(1.0, more=more, version=version))
    answers = Answers(connection)
    head, body = answers.next()
    assert b"connection: close" in head.split(b"\r\n")
    assert json.loads(body)["outputs"][0]["data"] == [2.0]
    assert answers.ended()


def test_who_asks_whether_to_go_on_is_told_and_then_answered(connection: socket.socket) -> None:
    body = body_of(1.0)
    head = f"POST /v2/models/twice/infer HTTP/1.1\r\nhost: 127.0.0.1\r\nexpect: 100-continue\r\ncontent-length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode())
    assert connection.recv(65536).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
    connection.sendall(body)
    assert Answers(connection).scores() == [2.0]


def test_a_body_in_chunks_and_a_path_with_escapes_are_taken_too(connection: socket.socket) -> None:
    body, answers = body_of(2.5), Answers(connection)
    head = b"POST /v2/models/%74wice/infer HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n"
    connection.sendall(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
    assert answers.scores() == [5.0]


def test_a_refusal_leaves_the_connection_open(connection: socket.socket) -> None:
    answers = Answers(connection)
    connection.sendall(post(1.0).replace(b'"note"', b'"nope"'))
    assert answers.next()[0].startswith(b"HTTP/1.1 400 ")
    connection.sendall(post(1.0))
    assert answers.scores() == [2.0]


def test_who_leaves_before_the_answer_harms_nobody(server: RunningServer, connection: socket.socket) -> None:
    host, _, port = server.address.rpartition(":")
    for _ in range(20):
        with socket.create_connection((host, int(port)), timeout=5) as leaving:
            leaving.sendall(post(1.0))
            leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    connection.sendall(post(3.0))
    assert Answers(connection).scores() == [6.0]


def test_an_idle_connection_is_closed_and_a_used_one_is_not(server: RunningServer, connection: socket.socket) -> None:
    answers = Answers(connection)
    connection.settimeout(8)
    for pause in (2.5, 0.0):
        connection.sendall(post(1.0))
        assert answers.scores() == [2.0]
        time.sleep(pause)
    began = time.monotonic()
    assert answers.ended()
    assert 4.0 < time.monotonic() - began < 7.0
