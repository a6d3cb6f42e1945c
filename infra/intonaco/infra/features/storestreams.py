"""Features of streams: events appended to topics, and what consumes them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from intonaco.core.columns import Columns
from intonaco.core.errors import InvalidError, MissingError
from intonaco.core.schema import suggestion
from intonaco.infra.features.defined.sets import FeatureSet
from intonaco.infra.features.defined.sources import StreamSource
from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.features.offline.rows import columns_table
from intonaco.infra.features.storedefinitions import AppliedFeatures
from intonaco.infra.features.streams.consumer import StreamConsumer
from intonaco.infra.features.streams.deadletters import DeadLetter, DeadLetters
from intonaco.infra.features.streams.topics import Topic

__all__ = ["StreamedFeatures"]


class StreamedFeatures(AppliedFeatures):
    """Events that come by topics."""

    __slots__ = ()

    def append(self, given: FeatureView | str, events: "Columns | pa.Table | Sequence[Mapping[str, Any]]", *, partition: int = 0) -> int:
        """Append events to the topic of a view, all or none, durable on return; the offset of the last record.

        Parameters
        ----------
        given
            A view of the topic, or its name; or the name of the topic.
        events
            With all columns that the source declares, its times, and the keys: a table or columns, kept as Arrow; or rows, each
            a JSON record of its own.

        Raises
        ------
        SchemaError
            A column is missing or of another type; nothing is appended.
        """
        table = columns_table(events) if isinstance(events, Mapping) else events
        return self._topic(given).append(table, partition)

    def consumer(self, views: Iterable[FeatureView | FeatureSet | str], *, land_every_s: float = 10.0) -> StreamConsumer:
        """Consumes the topics of these views, of sets those that have one; a context manager. One process consumes a view."""
        found = {(view.name, number): view for given in views for view, number in self.views(given)}
        streamed = [(view, number) for (_, number), view in found.items() if isinstance(view.source, StreamSource)]
        if not streamed:
            names = ", ".join(sorted(name for name, _ in found))
            raise InvalidError(f"none of these feature views reads a stream: {names}", hint="give one a StreamSource", field="views")
        topics = {view.source.table: self._topic(view) for view, _ in streamed}
        taken = [(topic, [each for each in streamed if each[0].source.table == name]) for name, topic in topics.items()]
        return StreamConsumer.of(taken, land_every_s)

    def dead_letters(self, given: FeatureView | str) -> list[DeadLetter]:
        """The events of a view's topic, or of a topic, that could not take effect and were not replayed; the oldest first."""
        return DeadLetters(self._topic(given)).waiting()

    def events_of(self, given: FeatureView | str, letters: Sequence[DeadLetter]) -> "list[tuple[Any, str]]":
        """What each letter holds as plain values, None where its bytes are no event, and the place of the event that it replays.

        Values of columns that are tagged `private` are hidden.
        """
        text = self._topic(given).records.text
        return [text.plain(letter.event) for letter in letters]

    def replay(self, given: FeatureView | str, letters: Sequence[DeadLetter] | None = None) -> int:
        """Append the events of dead letters to their topic again, once each; all by default. How many."""
        return DeadLetters(self._topic(given)).replay(letters)

    def _topic(self, given: FeatureView | str) -> Topic:
        """The topic of a view, or of this name, with all applied views that read it."""
        views = [self.views(each)[0] for each in self._streamed()]
        views += [each for each in ([] if isinstance(given, str) else self.views(given)) if each not in views]
        by_view = {view.name: view.source.table for view, _ in views}
        name = given if isinstance(given, str) else given.name
        table = by_view.get(name, name)
        found = tuple(each for each in views if each[0].source.table == table)
        if not found:
            raise MissingError(f"no feature view {name!r} that reads a stream", hint=suggestion(name, by_view), field=name)
        return Topic(self.workspace, self.project, found)

    def _streamed(self) -> list[FeatureView]:
        views = [each.definition for each in self.registry.search(kind="view")]
        return [view for view in views if isinstance(view, FeatureView) and isinstance(view.source, StreamSource)]
