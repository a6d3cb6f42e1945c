"""Stream consumers: records of topics to online entries of views, each event once, and to the tables in which they land.

A batch is recorded before it takes effect: which records it holds, and the clock. Entries and the view's position in the topic
are one commit of the key-value store. A process that was killed is taken over at its position; one that stalled and comes back
can no longer begin a batch, and what it still writes of the last one is, entry by entry, what its successor writes too.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self

from attrs import define, field, frozen

from intonaco.core.errors import UnavailableError
from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.features.streams.topicconsumer import TopicConsumer
from intonaco.infra.features.streams.topics import Topic

__all__ = ["Consumed", "StreamConsumer"]

_IDLE_S = 0.05
_RETRY_S = 1.0


@frozen(kw_only=True)
class Consumed:
    """How far a consumer is.

    Parameters
    ----------
    events, dead
        Since it was opened: events that took effect, and events that were kept aside.
    lag
        Records that wait, by topic.
    ahead
        Events that wait for their time to come.
    fault
        What store does not answer; empty if all do.
    """

    events: int
    dead: int
    lag: Mapping[str, int]
    ahead: int
    fault: str = ""


Listener = Callable[[Consumed], None]


@define(eq=False)
class StreamConsumer:
    """Consumes the topics that views read; one process at a time consumes a view. Used from one thread at a time.

    Open it as a context manager; `run` goes on until it is stopped, `step` takes what waits now.
    """

    topics: tuple[TopicConsumer, ...]
    _stores: str = field(default="", init=False)

    @classmethod
    def of(cls, topics: Iterable[tuple[Topic, Sequence[tuple[FeatureView, int]]]], land_every_s: float = 10.0) -> Self:
        """A consumer of topics by these of the views that read them; those of one topic are consumed together.

        Parameters
        ----------
        land_every_s
            How long events wait until they land in the table of their topic.
        """
        return cls(tuple(TopicConsumer(topic, tuple(views), land_every_s) for topic, views in topics))

    def __enter__(self) -> Self:
        try:
            for topic in self.topics:
                topic.open()
        except BaseException:
            self._let_go()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None:
                self.land()
        finally:
            self._let_go()

    def _let_go(self) -> None:
        for topic in self.topics:
            topic.close()

    def step(self) -> int:
        """Take at most one batch of each topic; 0 if nothing waited."""
        return sum(topic.step() for topic in self.topics)

    def drain(self) -> int:
        """Take all that waits now; how many events were looked at."""
        total = 0
        while taken := self.step():
            total += taken
        return total

    def land(self) -> int:
        """Commit what has taken effect to the tables of the topics; how many events."""
        return sum(topic.landing.land() for topic in self.topics)

    def state(self) -> Consumed:
        """How far it is."""
        return Consumed(
            events=sum(topic.events for topic in self.topics),
            dead=sum(topic.dead for topic in self.topics),
            lag={topic.topic.source.topic: topic.lag() for topic in self.topics},
            ahead=sum(topic.ahead for topic in self.topics),
            fault=self._stores,
        )

    def run(self, stop: threading.Event, listener: Listener | None = None, every_s: float = 1.0) -> None:
        """Consume until `stop` is set; a store that does not answer is tried again.

        Parameters
        ----------
        listener
            Hears every `every_s` how far it is.
        """
        told = time.monotonic()
        while not stop.is_set():
            wait_s = self._tried()
            if listener is not None and time.monotonic() - told >= every_s:
                told = time.monotonic()
                listener(self.state())
            if wait_s:
                stop.wait(wait_s)

    def _tried(self) -> float:
        """Take a batch; how long to wait for the next."""
        try:
            taken = self.step()
        except UnavailableError as error:
            self._stores = error.message
            return _RETRY_S
        self._stores = ""
        return 0.0 if taken else _IDLE_S
