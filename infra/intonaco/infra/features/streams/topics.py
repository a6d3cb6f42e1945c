"""Topics of events: how they are called in the stream, who reads them, and how events are appended to them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from attrs import define, field

from intonaco.core.errors import DefinitionError, InvalidError
from intonaco.infra.features.defined.sources import StreamSource
from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.features.streams.eventrecords import EventRecords

if TYPE_CHECKING:
    from intonaco.infra.workspace import Workspace

__all__ = ["Topic"]

_DEAD = ".dead"


@define(eq=False)
class Topic:
    """One topic of events, as the views that read it see it.

    Parameters
    ----------
    views
        That read it, and their versions; at least one.
    """

    workspace: "Workspace"
    project: str
    views: tuple[tuple[FeatureView, int], ...]
    source: StreamSource = field(init=False)
    records: EventRecords = field(init=False)

    def __attrs_post_init__(self) -> None:
        sources = [view.source for view, _ in self.views]
        first = sources[0]
        if not isinstance(first, StreamSource):
            name = self.views[0][0].name
            raise InvalidError(
                f"feature view {name!r} reads the table {first.table!r} and no stream", hint="give it a StreamSource", field=name
            )
        if first.topic.endswith(_DEAD):
            raise DefinitionError(
                f"the topic {first.topic!r} ends in {_DEAD!r}, the name of dead letters", hint="name it otherwise", field=first.topic
            )
        if any(not isinstance(each, StreamSource) or each.partitions != first.partitions for each in sources):
            raise DefinitionError(
                f"views of the topic {first.topic!r} count its partitions differently",
                hint="give their sources the same number",
                field=first.topic,
            )
        self.source = first
        self.records = EventRecords.of(first.topic, [view for view, _ in self.views])

    @property
    def name(self) -> str:
        """What the topic is called in the stream."""
        return f"{self.project}/events/{self.source.topic}"

    @property
    def dead(self) -> str:
        """What the topic of its dead letters is called."""
        return self.name + _DEAD

    @property
    def table(self) -> str:
        """The table in which its events land."""
        return f"{self.project}/{self.source.table}"

    @property
    def partitions(self) -> range:
        """Numbers of its partitions."""
        return range(self.source.partitions)

    def append(self, events: pa.Table | Sequence[Mapping[str, Any]], partition: int = 0) -> int:
        """Append events, all or none; the offset of the last record.

        Raises
        ------
        SchemaError
            A column is missing or of another type.
        """
        if partition not in self.partitions:
            fault = f"the topic {self.source.topic!r} has {len(self.partitions)} partitions, and none of number {partition}"
            raise InvalidError(fault, field="partition")
        records = self.records.of_table(events) if isinstance(events, pa.Table) else self.records.of_rows(events)
        return self.workspace.stream.append(self.name, records, partition)
