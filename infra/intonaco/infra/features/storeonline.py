"""Features online: fed by materialization or by pushes, and read."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from intonaco.core.columns import Columns, rows_of
from intonaco.core.errors import InvalidError
from intonaco.infra.compute.timeline import as_us, as_us_array
from intonaco.infra.features.checking.readlog import ReadLog
from intonaco.infra.features.defined.sets import FeatureSet
from intonaco.infra.features.defined.sources import StreamSource
from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.features.offline.asked import check_asked, request_columns
from intonaco.infra.features.offline.rows import columns_table, plain_columns, plain_table
from intonaco.infra.features.online.answer import Answer
from intonaco.infra.features.online.keptreaders import KeptReaders
from intonaco.infra.features.online.reader import OnlineReader
from intonaco.infra.features.online.watermarks import Watermarks
from intonaco.infra.features.recorded.progress import Mark
from intonaco.infra.features.storedefinitions import AppliedFeatures
from intonaco.infra.features.writing.clearing import clear, finish_clearing, know_store
from intonaco.infra.features.writing.materialization import Materialized, Wanted, materialize, silent
from intonaco.infra.features.writing.moves import Listener
from intonaco.infra.features.writing.quality import gates
from intonaco.infra.features.writing.rebuild import Rebuild
from intonaco.infra.features.writing.writer import OnlineWriter, ViewWriter

__all__ = ["OnlineFeatures"]


class OnlineFeatures(AppliedFeatures):
    """What is kept for each entity, written and read."""

    __slots__ = ()

    def materialize(
        self,
        given: FeatureView | FeatureSet | str,
        until: "datetime | int",
        *,
        online: bool = True,
        version: int | None = None,
        listener: Listener = silent,
    ) -> list[Materialized]:
        """Store the events before a moment, in hops and online, that are not stored yet; of a set, those of all its views.

        Online entries are fed by materialization until the first push to a view, and by pushes from then on. A run that was
        cut short, by whatever, is gone on with by the next one; an error says from which row. A store that was emptied, or
        that is another than before, is filled from the beginning.

        Parameters
        ----------
        listener
            Hears after each piece how far it is.
        """
        views = self.views(given, version)
        wanted = [Wanted(view=view, version=number, online=online and not self._settled(view, number)) for view, number in views]
        for each in wanted:
            if each.online:
                know_store(self.workspace, self.project, each.view.name, each.version)
        return materialize(self.workspace, self.project, wanted, as_us(until), listener)

    def rebuild(self, given: FeatureView | FeatureSet | str, until: "datetime | int", *, listener: Listener = silent) -> list[Materialized]:
        """Build views anew from their sources up to a moment, while their old values go on being read.

        For what no longer follows from its source: the source was replaced, or a late event changed what a chained view should
        have seen. New entries take the place of old ones when all are there. Cut short, it is gone on with by the next one.
        """
        return [Rebuild(self.workspace, self.project, view, number).run(as_us(until), listener) for view, number in self.views(given)]

    def writer(self, views: Iterable[FeatureView | FeatureSet | str]) -> OnlineWriter:
        """Writes events to the entries of these views, for many pushes; from now on they are fed by pushes.

        Close it, or use it as a context manager, to let another process write.
        """
        found = {(view.name, number): view for given in views for view, number in self.views(given)}
        streamed = next((view for view in found.values() if isinstance(view.source, StreamSource)), None)
        if streamed is not None:
            hint = "append them: FeatureStore.append"
            raise InvalidError(f"events of feature view {streamed.name!r} come by its topic", hint=hint, field=streamed.name)
        chained = next((view for view in found.values() if view.source.uses), None)
        if chained is not None:
            hint = "materialize it: what it joins is as of each event's time, which pushes in any order cannot keep to"
            raise InvalidError(f"feature view {chained.name!r} joins other views and takes no pushes", hint=hint, field=chained.name)
        turns = []
        for (name, number), view in found.items():
            pushed = self.progress(name, number, "push")
            if not self._settled(view, number):
                with pushed.alone() as lease:
                    pushed.finish(lease, Mark(sequence=1))
            turns.append(self.progress(name, number, "online").turn)
        writers = tuple(ViewWriter.of(view, self.project, each[1]) for each, view in found.items())
        held = gates(self.workspace, self.project, found.values(), "push")
        return OnlineWriter(self.workspace.keyvalue, writers, tuple(turns), held)

    def push(self, given: FeatureView | FeatureSet | str, events: Columns | pa.Table, *, sequence: int = 0) -> int:
        """Write new events of a view's table online, to all views of a set that read it; how many entries changed.

        See `OnlineWriter.push`; for many pushes keep a `writer`.
        """
        table = plain_table(events) if isinstance(events, pa.Table) else columns_table(events)
        with self.writer([given]) as writer:
            return writer.push({view.view.source.table: table for view in writer.views}, sequence=sequence)

    def read(self, features: FeatureSet | str, columns: Columns, at: Any) -> Answer:
        """Read a set online as of moments at or after its views' watermarks, and the newest event written; see `OnlineReader.read`."""
        moments = np.broadcast_to(as_us_array(at), (rows_of(columns),))
        reader, plain = self._reader(features), plain_columns(columns)
        plan, rows = reader.plan, columns_table(plain)
        check_asked(plan, rows)
        Watermarks.of(self.workspace.catalog, self.project).newest(plan).check(moments)
        answer = reader.read({**plain, **request_columns(plan, rows)}, moments)
        if (log := self.read_log) is not None:
            log.offer(plan, plain, moments, answer)
        return answer

    def _reader(self, features: FeatureSet | str) -> OnlineReader:
        """The reader of a set, which is kept until something is applied."""
        kept: KeptReaders = self.workspace.shared("feature readers", lambda: KeptReaders(self.workspace.catalog))
        return kept.get(self.project, features, lambda: OnlineReader(self.read_plan(features), self.workspace.keyvalue))

    @property
    def read_log(self) -> ReadLog | None:
        """What keeps a sample of what is read online, once for a workspace; None where the settings say so."""
        rows_per_s = self.workspace.settings.features.logged_rows_per_s
        if not rows_per_s:
            return None
        made: ReadLog = self.workspace.shared("read log", lambda: ReadLog(self.workspace.stream, rows_per_s))
        return made

    def clear_online(self, given: FeatureView | FeatureSet | str) -> int:
        """Remove the online entries of views, so that materialization fills them anew; how many there were."""
        return sum(clear(self.workspace, self.project, view.name, number) for view, number in self.views(given))

    def _settled(self, view: FeatureView, version: int) -> bool:
        """Whether pushes feed the view, once a clearing that was cut short is finished."""
        finish_clearing(self.workspace, self.project, view.name, version)
        return self.progress(view.name, version, "push").mark().sequence > 0
