"""The feature worker: a process that reads a project's feature sets for the requests that the front end passes to it.

It is started, steered and ended as an endpoint worker is. A read that a store does not answer in time is answered by its
deadline, with what is degraded.
"""

import socket
import threading
import time
from typing import Any

import msgspec

from intonaco.infra.features.store import FeatureStore
from intonaco.infra.serving.endpoints.degradation import watch
from intonaco.infra.serving.features.featuredesk import FeatureDesk
from intonaco.infra.serving.wire.channel import RequestFrames
from intonaco.infra.serving.wire.messages import Ready, send
from intonaco.infra.serving.wire.processlife import run_worker, settle_memory
from intonaco.infra.workspace import Workspace

__all__ = ["FeatureJob", "main"]

_RECEIVE_BYTES = 1 << 20
_FOLLOW_S = 1.0


class FeatureJob(msgspec.Struct, kw_only=True):
    """What the server tells a new feature worker, on its standard input."""

    workspace: str
    overrides: dict[str, Any]
    project: str
    frames_fd: int
    control_fd: int


def main() -> None:
    """Run the worker until its sockets close."""
    run_worker(FeatureJob, run)


def run(job: FeatureJob, frames: socket.socket, control: socket.socket) -> None:
    """Compile the sets' plans, say so, and answer."""
    with (
        Workspace.open(job.workspace, overrides=job.overrides) as workspace,
        FeatureDesk.open(FeatureStore(workspace, job.project)) as desk,
    ):
        threading.Thread(target=_follow, args=(desk,), name="watermarks", daemon=True).start()
        settle_memory()
        watch(desk.readers, control)
        send(control, Ready("", [], paths=desk.paths))
        received, buffer = RequestFrames(), memoryview(bytearray(_RECEIVE_BYTES))
        while size := frames.recv_into(buffer):
            for frame in received.feed(bytes(buffer[:size])):
                desk.answer(frame, frames.sendall)


def _follow(desk: FeatureDesk) -> None:
    """Keep the desk's watermarks, so that no request has to ask the catalog for them."""
    while True:
        time.sleep(_FOLLOW_S)
        desk.follow()


if __name__ == "__main__":
    main()
