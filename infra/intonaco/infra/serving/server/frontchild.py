"""The front end's process as the supervisor sees it: started, told what to do, listened to, and started again when it died."""

import logging
from collections.abc import Callable
from typing import Any

from attrs import define, field

from intonaco.core.errors import UnavailableError
from intonaco.infra.serving.server.children import Child
from intonaco.infra.serving.wire import messages
from intonaco.infra.serving.wire.messages import Drained, Hung, Listening

__all__ = ["FrontChild"]

_LOG = logging.getLogger(__name__)
_DEATHS = 5
_FromFront: Any = Listening | Hung | Drained


@define(eq=False)
class FrontChild:
    """The process that takes requests; it is there from the first `start` on."""

    _start: Callable[[], Child]
    _child: Child = field(init=False)
    _deaths: int = field(default=0, init=False)

    def start(self) -> None:
        """Start it."""
        self._child = self._start()

    def start_again(self) -> None:
        """Start it in the place of one that died; UnavailableError if that happens again and again."""
        self._deaths += 1
        if self._deaths > _DEATHS:
            raise UnavailableError(f"the front end {self._child.ending}, {self._deaths} times", hint="the log tells why")
        _LOG.error("the front end %s and is started again", self._child.ending)
        self._child.kill()
        self.start()

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._child.alive

    def fileno(self) -> int:
        """What becomes readable when it says something."""
        return self._child.control.fileno()

    def order(self, message: Any, fds: tuple[int, ...] = ()) -> None:
        """Tell it something; one that is gone is found by whoever looks whether it runs."""
        try:
            messages.send(self._child.control, message, fds)
        except OSError as error:
            _LOG.warning("the front end is gone: %s", error)

    def hear(self) -> Listening | Hung | Drained | None:
        """What it said; None when it has ended."""
        message, _ = messages.receive(self._child.control, _FromFront)
        if message is None:
            self._child.process.wait(10)
        said: Listening | Hung | Drained | None = message
        return said

    def kill(self) -> None:
        """End it now."""
        self._child.kill()
