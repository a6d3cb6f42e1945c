"""Degradation: what a worker does, and tells, when the store that it reads features from does not answer."""

import logging
import socket
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from intonaco.infra.features.online.plan import ReadPlan
from intonaco.infra.features.online.reader import OnlineReader
from intonaco.infra.serving.wire.messages import Degraded, send

if TYPE_CHECKING:
    from intonaco.infra.workspace import Workspace

__all__ = ["open_reader", "watch"]

_LOG = logging.getLogger(__name__)
_LOOK_S = 0.5


@runtime_checkable
class Probed(Protocol):
    """A reader whose store may not answer."""

    def probe(self, timeout_s: float) -> str:
        """Why the store does not answer; empty if it does."""


def open_reader(workspace: "Workspace", plan: ReadPlan) -> OnlineReader:
    """A reader of a plan that does what the settings want when the store does not answer."""
    degrade = workspace.settings.serving.degrade
    return OnlineReader(plan, workspace.keyvalue, on_unavailable="degrade" if degrade else "raise")


def watch(readers: Iterable[object], control: socket.socket) -> None:
    """Ask the store of these readers again and again, on a thread beside, and tell the server when its answer changes.

    All readers of a worker read from one store, so the first of them is asked; without one there is nothing to watch.
    """
    probed = next((reader for reader in readers if isinstance(reader, Probed)), None)
    if probed is not None:
        threading.Thread(target=_watch, args=(probed, control), name="store", daemon=True).start()


def _watch(reader: Probed, control: socket.socket) -> None:
    told = ""
    while True:
        time.sleep(_LOOK_S)
        reason = reader.probe(_LOOK_S)
        if bool(reason) != bool(told):
            _LOG.warning("the store of features %s", f"does not answer: {reason}" if reason else "answers again")
            try:
                send(control, Degraded(reason))
            except OSError:
                return  # the server is gone, and this process ends
        told = reason
