"""The endpoint worker: a process that holds one deployment and answers the frames that the front end passes to it.

Started by the server with two sockets: one to the front end, for frames; one to the server, to tell how far it has come. It
ends when either of them does.
"""

import socket
from pathlib import Path
from typing import Any

import msgspec

from intonaco.infra.serving.endpoints.batcher import Batcher
from intonaco.infra.serving.endpoints.degradation import watch
from intonaco.infra.serving.endpoints.deployment import Deployment
from intonaco.infra.serving.endpoints.endpoint import Endpoint
from intonaco.infra.serving.ledger.ledgerrecords import layouts_of
from intonaco.infra.serving.ledger.spool import Spool
from intonaco.infra.serving.protocol.answers import metadata
from intonaco.infra.serving.wire.channel import RequestFrames
from intonaco.infra.serving.wire.messages import Condition, Ready, send
from intonaco.infra.serving.wire.processlife import run_worker, settle_memory
from intonaco.infra.workspace import Workspace

__all__ = ["Job", "answer_all", "main"]

_RECEIVE_BYTES = 1 << 20


class Job(msgspec.Struct, kw_only=True):
    """What the server tells a new worker, on its standard input."""

    workspace: str
    overrides: dict[str, Any]
    deployment: str
    spool: str
    frames_fd: int
    control_fd: int


def main() -> None:
    """Run one worker until its sockets close."""
    run_worker(Job, run)


def run(job: Job, frames: socket.socket, control: socket.socket) -> None:
    """Open the deployment, say so, and answer."""
    deployment = Deployment.from_json(job.deployment)
    with (
        Workspace.open(job.workspace, overrides=job.overrides) as workspace,
        Endpoint.open(workspace, deployment, report=lambda condition: send(control, Condition(condition))) as endpoint,
    ):
        versions = [route.version for route in deployment.routes]
        described = metadata(deployment.endpoint, versions, endpoint.inputs, endpoint.outputs)
        layouts = layouts_of(deployment.project, deployment.endpoint, endpoint.scorers)
        batcher = Batcher(endpoint, Spool(Path(job.spool), layouts, workspace.settings.serving.ledger_limit_bytes))
        settle_memory()
        watch([scorer.reader for scorer in endpoint.scorers.values()], control)
        send(control, Ready(described.decode(), [layout.to_json() for layout in layouts.values()], versions))
        answer_all(batcher, frames)


def answer_all(batcher: Batcher, frames: socket.socket) -> None:
    """Answer all that waits, batch after batch, until the front end closes the socket."""
    received, buffer = RequestFrames(), memoryview(bytearray(_RECEIVE_BYTES))
    while size := frames.recv_into(buffer):
        waiting = received.feed(bytes(buffer[:size]))
        if waiting:
            frames.sendall(batcher.answer(waiting))


if __name__ == "__main__":
    main()
