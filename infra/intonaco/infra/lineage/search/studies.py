"""Studies: what a search proposed and learned, as events of a stream, from which it resumes exactly."""

from typing import Any, Self

from attrs import define, field

from intonaco.core.errors import ConflictError
from intonaco.infra.lineage import values
from intonaco.infra.storage.streams import Stream

__all__ = ["Study"]

Params = dict[str, Any]


@define
class Study:
    """The events of one search, in order: its setting, then proposals and scores.

    Parameters
    ----------
    topic
        `project/name` in the stream; empty keeps the events in memory alone.
    events
        What was recorded before, and since.
    """

    stream: Stream
    topic: str
    events: list[dict[str, Any]] = field(factory=list)

    @classmethod
    def open(cls, stream: Stream, topic: str, setting: dict[str, Any]) -> Self:
        """Begin a study, or read what there is of it.

        Raises
        ------
        ConflictError
            The recorded study searches something else.
        """
        study = cls(stream, topic)
        study._read()
        setting = values.loads(values.dumps({"event": "start", **values.encode(setting)}))
        if not study.events:
            study.record(setting)
        elif study.events[0] != setting:
            what = f"the study {topic} was begun with another space, sampler or seed"
            raise ConflictError(what, hint="give the search another study name")
        return study

    def record(self, *events: dict[str, Any]) -> None:
        """Add events; durable on return."""
        if self.topic:
            self.stream.append(self.topic, [values.dumps(event).encode() for event in events])
        self.events += events

    def _read(self) -> None:
        offset = 0
        while self.topic and (batch := self.stream.read(self.topic, after=offset)):
            self.events += [values.loads(data) for _, data in batch]
            offset = batch[-1][0]
