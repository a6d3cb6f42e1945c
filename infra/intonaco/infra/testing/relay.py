"""A relay in front of a server, on which the line can be cut at a chosen moment."""

import socket
import threading
from types import TracebackType
from typing import Self

from attrs import define, field

from intonaco.infra.testing.programs import free_port

__all__ = ["Relay"]


@define(eq=False)
class Relay:
    """Passes bytes on between clients and a server until what a client sends holds `cut_at`.

    Then the connection is cut: before the server has it, or, with `deliver`, after the server has answered and before the
    client has it. With `refuse_after` no connection comes through from then on.
    """

    server: tuple[str, int]
    port: int = field(factory=free_port)
    cut_at: bytes = b""
    deliver: bool = False
    refuse_after: bool = False
    cuts: int = 0
    _listener: socket.socket = field(init=False)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refuse_after and self.cuts:
                client.close()
                continue
            server = socket.create_connection(self.server, timeout=10)
            server.settimeout(None)  # an idle line is no broken one
            cut, answered = threading.Event(), threading.Event()
            threading.Thread(target=self._back, args=(server, client, cut, answered), daemon=True).start()
            threading.Thread(target=self._forth, args=(client, server, cut, answered), daemon=True).start()

    def _forth(self, client: socket.socket, server: socket.socket, cut: threading.Event, answered: threading.Event) -> None:
        try:
            while data := client.recv(65536):
                if self.cut_at and not self.cuts and self.cut_at in data:
                    self.cuts += 1
                    cut.set()
                    if self.deliver:
                        server.sendall(data)
                        answered.wait(10)  # so that the server has done it
                    break
                server.sendall(data)
        except OSError:
            pass
        finally:
            _close(client, server)

    def _back(self, server: socket.socket, client: socket.socket, cut: threading.Event, answered: threading.Event) -> None:
        try:
            while data := server.recv(65536):
                if cut.is_set():  # what is read now is the answer
                    break
                client.sendall(data)
        except OSError:
            pass
        answered.set()
        if not cut.is_set():
            _close(client, server)


def _close(*ends: socket.socket) -> None:
    for end in ends:
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        end.close()
