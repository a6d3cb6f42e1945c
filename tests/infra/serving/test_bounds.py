"""What comes over a connection, byte by byte: heads and bodies leave together, and nothing is kept that is waited for."""

import socket
from collections.abc import Iterator

import pytest

from intonaco.infra.testing.servers import RunningServer, running_server
from intonaco.infra.workspace import Workspace

pytest_plugins = ("intonaco.infra.testing.servers",)
pytestmark = pytest.mark.slow

HEAD = b"HEAD /v2/health/live HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
GET = b"GET /v2/health/live HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with Workspace.open(tmp_path_factory.mktemp("workspace")) as workspace, running_server(workspace.root) as server:
        yield server


@pytest.fixture
def connection(server: RunningServer) -> Iterator[socket.socket]:
    host, _, port = server.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        yield connection


def read_until(connection: socket.socket, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        received = connection.recv(65536)
        assert received, data
        data += received
    return data


def test_an_answer_without_a_body_comes_at_once_on_a_connection_that_stays_open(connection: socket.socket) -> None:
    for _ in range(2):
        connection.sendall(HEAD)
        assert read_until(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 200")
    connection.sendall(GET)
    assert read_until(connection, b'{"live":true}').startswith(b"HTTP/1.1 200")


def test_pipelined_requests_are_answered_in_order(connection: socket.socket) -> None:
    connection.sendall(GET + HEAD + GET)
    data = b""
    while data.count(b'{"live":true}') < 2:
        data += connection.recv(65536)
    assert data.count(b"HTTP/1.1 200") == 3


def test_who_asks_whether_to_go_on_is_told_before_sending_the_body(connection: socket.socket) -> None:
    head = b"POST /v2/models/none/infer HTTP/1.1\r\nhost: 127.0.0.1\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n"
    connection.sendall(head)
    told = connection.recv(65536)
    assert told.startswith((b"HTTP/1.1 100", b"HTTP/1.1 404"))


def test_what_is_no_http_is_answered_and_the_connection_closed(connection: socket.socket) -> None:
    connection.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
    data = b""
    while received := connection.recv(65536):
        data += received
    assert data.startswith(b"HTTP/1.1 400")
