"""The feature store: definitions applied, training sets, and reads as of any moment."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from attrs import evolve, frozen

from intonaco.core.columns import Columns, rows_of
from intonaco.core.errors import InvalidError, MissingError
from intonaco.core.references import DEFAULT_PROJECT
from intonaco.core.schema import suggestion
from intonaco.infra.compute.timeline import as_us, as_us_array, duration
from intonaco.infra.features.answer import Answer
from intonaco.infra.features.asked import check_asked, request_columns
from intonaco.infra.features.certificates import Certificate, Certificates
from intonaco.infra.features.consistency import Consistency
from intonaco.infra.features.consumer import StreamConsumer
from intonaco.infra.features.deadletters import DeadLetter, DeadLetters
from intonaco.infra.features.examples import Examples
from intonaco.infra.features.functions import AT
from intonaco.infra.features.keys import view_prefix
from intonaco.infra.features.labels import Labels
from intonaco.infra.features.materialization import Materialized, Wanted, materialize, silent
from intonaco.infra.features.meaning import Definition
from intonaco.infra.features.moves import Listener
from intonaco.infra.features.plan import ReadPlan
from intonaco.infra.features.progress import Mark, Progress
from intonaco.infra.features.quality import gates, table_gate
from intonaco.infra.features.reader import OnlineReader
from intonaco.infra.features.readlog import ReadLog, logged_reads
from intonaco.infra.features.readrecords import Reads
from intonaco.infra.features.rebuild import Rebuild
from intonaco.infra.features.registry import Registry, Step
from intonaco.infra.features.replay import replay
from intonaco.infra.features.rows import Rows, columns_table, plain_columns, plain_table
from intonaco.infra.features.selection import Selection, select
from intonaco.infra.features.sets import FeatureSet
from intonaco.infra.features.sources import StreamSource
from intonaco.infra.features.steps import counted
from intonaco.infra.features.topics import Topic
from intonaco.infra.features.training import answers, labelled_rows, training_set
from intonaco.infra.features.views import FeatureView
from intonaco.infra.features.writer import OnlineWriter, ViewWriter
from intonaco.infra.storage.checks import Check
from intonaco.infra.storage.expectations import Expectation
from intonaco.infra.storage.gates import Written
from intonaco.infra.storage.tables import Snapshot
from intonaco.infra.workspace import Workspace

__all__ = ["FeatureStore"]


@frozen
class FeatureStore:
    """The features of one project: one meaning of time, offline and online."""

    workspace: Workspace
    project: str = DEFAULT_PROJECT

    @property
    def registry(self) -> Registry:
        """The record of applied definitions, to get and search them."""
        return Registry(self.workspace.catalog, self.project)

    def plan(self, definitions: Iterable[Definition], *, complete: bool = False) -> list[Step]:
        """What `apply` would add, change, rebuild or break; nothing is changed.

        Parameters
        ----------
        complete
            Whether these are all that the project declares; only then can one be gone, or renamed.
        """
        return counted(self.registry.plan(definitions, complete=complete), self.workspace.tables, self.project)

    def apply(self, definitions: Iterable[Definition], *, complete: bool = False, force: bool = False) -> list[Step]:
        """Record definitions, all or none; a changed meaning makes a new version beside the one that is online.

        Raises
        ------
        RefusedError
            Somebody reads a feature that goes away, and `force` is not given.
        """
        return counted(self.registry.apply(definitions, complete=complete, force=force), self.workspace.tables, self.project)

    def read_plan(self, given: FeatureSet | str) -> ReadPlan:
        """The compiled plan of an applied feature set."""
        found = self.feature_set(given)
        stored = self.registry.stored_views(found.views)
        uses = [evolve(use, view=stored[use.view.name][0]) for use in found.features]
        return ReadPlan.compile(evolve(found, features=uses), self.project, {view.name: version for view, version in stored.values()})

    def read_plans(self) -> list[ReadPlan]:
        """The plans of all applied sets, each in its newest version, by name."""
        sets = [each.definition for each in self.registry.search(kind="set")]
        return [self.read_plan(each) for each in sets if isinstance(each, FeatureSet)]

    def feature_set(self, given: FeatureSet | str) -> FeatureSet:
        """The set itself, or the newest applied one of this name."""
        if isinstance(given, FeatureSet):
            return given
        found = self.registry.get("set", given).definition
        assert isinstance(found, FeatureSet)
        return found

    def labels(self, name: str) -> Labels:
        """The newest applied labels of this name."""
        found = self.registry.get("labels", name).definition
        assert isinstance(found, Labels)
        return found

    def training_set(
        self,
        features: FeatureSet | str,
        rows: Columns | pa.Table | Snapshot | None = None,
        *,
        labels: Labels | str | Sequence[str] = (),
        at: str = "at",
        versions: Mapping[str, int] | None = None,
    ) -> Examples:
        """Features of rows as of each row's moment, with labels: nothing that became usable at the moment or later is seen.

        Parameters
        ----------
        rows
            Keys, the moment, request columns, labels, and columns by which an evaluation may be cut. Left out, they are the
            rows of the labels' table.
        labels
            Names of columns of the rows; or `Labels`, or the name of applied ones, joined by their keys: rows whose outcome is
            null or absent are left out.
        at
            The column of moments.
        versions
            Versions of the source tables to read, by name; the newest by default.
        """
        plan = self.read_plan(features)
        asked = self.labels(labels) if isinstance(labels, str) else labels
        given, moment = self._rows(rows, asked, at)
        names = (asked.value,) if isinstance(asked, Labels) else tuple(asked)
        sources = self._sources(features, versions)
        engine, tables = self.workspace.engine, self.workspace.tables
        return training_set(engine, tables, self.feature_set(features), plan, given, sources, labels=names, at=moment)

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
        cut short, by whatever, is gone on with by the next one; an error says from which row.

        Parameters
        ----------
        listener
            Hears after each piece how far it is.
        """
        views = self._views(given, version)
        wanted = [Wanted(view=view, version=number, online=online and not self._settled(view, number)) for view, number in views]
        return materialize(self.workspace, self.project, wanted, as_us(until), listener)

    def rebuild(self, given: FeatureView | FeatureSet | str, until: "datetime | int", *, listener: Listener = silent) -> list[Materialized]:
        """Build views anew from their sources up to a moment, while their old values go on being read.

        For what no longer follows from its source: the source was replaced, or a late event changed what a chained view should
        have seen. New entries take the place of old ones when all are there. Cut short, it is gone on with by the next one.
        """
        return [Rebuild(self.workspace, self.project, view, number).run(as_us(until), listener) for view, number in self._views(given)]

    def writer(self, views: Iterable[FeatureView | FeatureSet | str]) -> OnlineWriter:
        """Writes events to the entries of these views, for many pushes; from now on they are fed by pushes.

        Close it, or use it as a context manager, to let another process write.
        """
        found = {(view.name, number): view for given in views for view, number in self._views(given)}
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
            pushed = self._progress(name, number, "push")
            if not self._settled(view, number):
                with pushed.alone() as lease:
                    pushed.finish(lease, Mark(sequence=1))
            turns.append(self._progress(name, number, "online").turn)
        writers = tuple(ViewWriter.of(view, self.project, each[1]) for each, view in found.items())
        held = gates(self.workspace, self.project, found.values(), "push")
        return OnlineWriter(self.workspace.keyvalue, writers, tuple(turns), held)

    def write(
        self,
        table: str,
        rows: Columns | pa.Table,
        *,
        mode: Literal["append", "replace"] = "append",
        expectations: Iterable[Check | Expectation] = (),
        token: str = "",
        by: str = "write",
    ) -> Written:
        """Write rows to a table of the project, held to these and to what applied views expect of them; see `Gate.write`."""
        found = [each.definition for each in self.registry.search(table, kind="view")]
        views = [each for each in found if isinstance(each, FeatureView)]
        gate = table_gate(self.workspace, self.project, table, views, by, expectations)
        return gate.write(rows if isinstance(rows, pa.Table) else columns_table(rows), mode=mode, token=token)

    def push(self, given: FeatureView | FeatureSet | str, events: Columns | pa.Table, *, sequence: int = 0) -> int:
        """Write new events of a view's table online, to all views of a set that read it; how many entries changed.

        See `OnlineWriter.push`; for many pushes keep a `writer`.
        """
        table = plain_table(events) if isinstance(events, pa.Table) else columns_table(events)
        with self.writer([given]) as writer:
            return writer.push({view.view.source.table: table for view in writer.views}, sequence=sequence)

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
        found = {(view.name, number): view for given in views for view, number in self._views(given)}
        streamed = [(view, number) for (_, number), view in found.items() if isinstance(view.source, StreamSource)]
        if not streamed:
            names = ", ".join(sorted(name for name, _ in found))
            raise InvalidError(f"none of these feature views reads a stream: {names}", hint="give one a StreamSource", field="views")
        return StreamConsumer.of(self.workspace, self.project, streamed, land_every_s)

    def dead_letters(self, given: FeatureView | str) -> list[DeadLetter]:
        """The events of a view's topic, or of a topic, that could not take effect and were not replayed; the oldest first."""
        return DeadLetters(self._topic(given)).waiting()

    def replay(self, given: FeatureView | str, letters: Sequence[DeadLetter] | None = None) -> int:
        """Append the events of dead letters to their topic again, once each; all by default. How many."""
        return DeadLetters(self._topic(given)).replay(letters)

    def _topic(self, given: FeatureView | str) -> Topic:
        """The topic of a view, with all applied views that read it."""
        newest = [self._views(each)[0] for each in self._streamed()]
        wanted = given if isinstance(given, str) else given.source.table
        named = {view.source.table for view, _ in newest if wanted in (view.name, view.source.table)}
        if not named:
            if not isinstance(given, str):
                return Topic(self.workspace, self.project, tuple(self._views(given)))
            known = {view.name for view, _ in newest}
            raise MissingError(f"no feature view {given!r} that reads a stream", hint=suggestion(given, known), field=given)
        return Topic(self.workspace, self.project, tuple(each for each in newest if each[0].source.table in named))

    def _streamed(self) -> list[FeatureView]:
        views = [each.definition for each in self.registry.search(kind="view")]
        return [view for view in views if isinstance(view, FeatureView) and isinstance(view.source, StreamSource)]

    def read(self, features: FeatureSet | str, columns: Columns, at: Any) -> Answer:
        """Read a set online as of moments at or after the newest event written; see `OnlineReader.read`."""
        moments = np.broadcast_to(as_us_array(at), (rows_of(columns),))
        plan, plain = self.read_plan(features), plain_columns(columns)
        rows = columns_table(plain)
        check_asked(plan, rows)
        answer = OnlineReader(plan, self.workspace.keyvalue).read({**plain, **request_columns(plan, rows)}, moments)
        if (log := self.read_log) is not None:
            log.offer(plan, columns, moments, answer)
        return answer

    @property
    def read_log(self) -> ReadLog | None:
        """What keeps a sample of what is read online, once for a workspace; None where the settings say so."""
        rows_per_s = self.workspace.settings.features.logged_rows_per_s
        if not rows_per_s:
            return None
        made: ReadLog = self.workspace.shared("read log", lambda: ReadLog(self.workspace.stream, rows_per_s))
        return made

    def consistency(
        self,
        features: FeatureSet | str,
        reads: Reads | None = None,
        *,
        since: "datetime | int | None" = None,
        until: "datetime | int | None" = None,
        every: str | int = "1h",
    ) -> Consistency:
        """What was read online beside what the tables say of the same moments; see `Consistency`.

        Parameters
        ----------
        reads
            Those of the log by default.
        since, until
            Only reads as of moments from the one on and before the other.
        every
            The length of the buckets of the time series.
        """
        plan = self.read_plan(features)
        if reads is None and (log := self.read_log) is not None:
            log.flush()
        held = logged_reads(self.workspace.stream, plan) if reads is None else reads
        bounds = (None if each is None else as_us(each) for each in (since, until))
        return replay(self, plan, held.between(*bounds), duration(every))

    def selection(self, examples: Examples, target: str = "") -> Selection:
        """What each feature of examples tells of a label, and which of them tell the same; see `select`."""
        return select(examples, target)

    def read_offline(self, features: FeatureSet | str, columns: Columns, at: Any) -> Answer:
        """Read a set from the tables of events, as of any moments."""
        moments = as_us_array(at).view("datetime64[us]")
        rows = columns_table({**columns, AT: np.broadcast_to(moments, (rows_of(columns),)).copy()})
        engine, tables = self.workspace.engine, self.workspace.tables
        return answers(engine, tables, self.feature_set(features), self.read_plan(features), rows, self._sources(features), AT)

    @property
    def certificates(self) -> Certificates:
        """The certificates of the versions of views."""
        return Certificates(self.workspace.catalog, self.project)

    def certify(
        self, given: FeatureView | FeatureSet | str, *, examples: int = 100, seed: int = 0, limit_s: float = 20.0
    ) -> list[Certificate]:
        """Try views on generated streams, each for that long at most, and keep the outcomes with their versions."""
        return self.certificates.make(self._views(given), self.workspace.engine, examples=examples, seed=seed, limit_s=limit_s)

    def clear_online(self, given: FeatureView | FeatureSet | str) -> int:
        """Remove the online entries of views, so that materialization fills them anew; how many there were."""
        return sum(self._clear(view, number) for view, number in self._views(given))

    def _clear(self, view: FeatureView, version: int) -> int:
        """Remove the entries, then the marks: that it was begun is recorded, so that `_settled` finishes it after a crash."""
        online, clearing = self._progress(view.name, version, "online"), self._progress(view.name, version, "clearing")
        with online.alone(), clearing.alone() as lease:
            clearing.finish(lease, Mark(sequence=1))
            keys = [key for key, _ in self.workspace.keyvalue.scan(view_prefix(self.project, view.name, version))]
            self.workspace.keyvalue.delete(keys)
            clearing.forget("online", "push")
        return len(keys)

    def _settled(self, view: FeatureView, version: int) -> bool:
        """Whether pushes feed the view, once a clearing that was cut short is finished."""
        if self._progress(view.name, version, "clearing").mark().sequence:
            self._clear(view, version)
        return self._progress(view.name, version, "push").mark().sequence > 0

    def _views(self, given: FeatureView | FeatureSet | str, version: int | None = None) -> list[tuple[FeatureView, int]]:
        """Views and their versions; a name is that of a view, or else of a set."""
        if isinstance(given, str) and (found := self.registry.find("view", given, version)) is not None:
            assert isinstance(found.definition, FeatureView)
            return [self.registry.stored(found.definition, found.version)]
        if isinstance(given, FeatureView) and version is not None:
            return [self.registry.stored(given, version)]
        views = (given,) if isinstance(given, FeatureView) else self.feature_set(given).views
        return list(self.registry.stored_views(views).values())

    def _progress(self, view: str, version: int, place: str) -> Progress:
        return Progress(self.workspace.catalog, self.project, view, version, place)

    def _rows(self, rows: Columns | pa.Table | Snapshot | None, labels: Labels | Sequence[str], at: str) -> tuple[Rows, str]:
        data = self.workspace.tables.read(rows) if isinstance(rows, Snapshot) else rows
        source = rows.reference if isinstance(rows, Snapshot) else ""
        if not isinstance(labels, Labels):
            if data is None:
                raise InvalidError("a training set needs rows, or labels that have some", field="rows")
            return Rows.of(data, source), at
        snapshot = self._snapshot(labels.table, None)
        outcomes = self.workspace.tables.read(snapshot)
        moment = labels.at or at if data is None else at
        return labelled_rows(labels, outcomes, snapshot.reference, Rows.of(data, source) if data is not None else None), moment

    def _sources(self, features: FeatureSet | str, versions: Mapping[str, int] | None = None) -> dict[str, Snapshot]:
        """The tables that a set's views read."""
        tables = dict.fromkeys(table for view in self.feature_set(features).views for table in view.tables)
        return {table: self._snapshot(table, versions) for table in tables}

    def _snapshot(self, table: str, versions: Mapping[str, int] | None) -> Snapshot:
        return self.workspace.tables.snapshot(f"{self.project}/{table}", (versions or {}).get(table))
