"""The events of views as Arrow tables: for training sets, for materialization and for reading offline, by one way."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import pyarrow as pa
from attrs import evolve

from intonaco.core.errors import MissingError, SchemaError
from intonaco.core.schema import Schema, suggestion
from intonaco.infra.compute.arrays import times
from intonaco.infra.compute.tables import TableEngine
from intonaco.infra.features.defined.given import family
from intonaco.infra.features.defined.joins import JoinSource
from intonaco.infra.features.defined.sources import QuerySource, Source, StreamSource, widened
from intonaco.infra.features.defined.views import FeatureView, Use
from intonaco.infra.features.offline.offline import read_offline
from intonaco.infra.features.online.plan import view_plan
from intonaco.infra.storage.arrow import to_arrow
from intonaco.infra.storage.tables import Snapshot, TableStore

if TYPE_CHECKING:
    from intonaco.infra.workspace import Workspace

__all__ = ["check_table", "event_data", "event_table", "events_of", "read_events", "source_events"]

#: Rows of a piece. Features are joined to the events of one piece at a time, and joined views are sorted for each anew.
PIECE = 1_000_000
#: What to do about a time that is none.
_AS_TIME = "write the table with it as a timestamp of UTC: pyarrow's cast(pa.timestamp('us', tz='UTC'))"


def check_table(view: FeatureView, snapshot: Snapshot) -> None:
    """Raise SchemaError where a table cannot give the events of a view: a column is not there, or of another type than declared."""
    held, source = snapshot.schema, view.source
    while isinstance(source, JoinSource):
        source = source.events_of
    wanted = {key.name: (key.dtype, f"a key of entity {view.entity.name!r}") for key in view.entity.keys}
    wanted |= {name: (source.columns[name].dtype, "declared by its source") for name in source.columns.names}
    wanted |= {name: ("timestamp", "the time of its events") for name in (source.time, source.created) if name}
    plain = {} if isinstance(source, QuerySource) else wanted
    for name in view.source.needs(view.used):
        dtype, what = plain.get(name, ("", "in its source's expressions"))
        where = f"table {snapshot.table!r}, which feature view {view.name!r} reads,"
        if name not in held:
            hint = f"write the table with it, or name another in the view's source: {suggestion(name, held.names)}"
            raise SchemaError(f"{where} lacks the column {name!r}, {what}", hint=hint, field=name)
        if dtype and family(held[name].dtype) != family(dtype) and not widened(held[name].dtype, dtype):
            hint = _AS_TIME if dtype == "timestamp" else "declare it as it is, or write a table in which it is as declared"
            raise SchemaError(f"{where} has {name!r}, {what}, as {held[name].dtype}, expected {dtype}", hint=hint, field=name)


def event_table(tables: TableStore, project: str, views: Iterable[FeatureView], table: str, version: int | None = None) -> Snapshot:
    """A version of a table that these views read, the newest by default; MissingError says of a topic that nothing has landed yet."""
    try:
        return tables.snapshot(f"{project}/{table}", version)
    except MissingError as error:
        readers = [view for view in views if view.source.table == table]
        if not readers or version is not None:
            raise
        streamed = next((view for view in readers if isinstance(view.source, StreamSource)), None)
        if streamed is None:
            fault = f"there is no table {f'{project}/{table}'!r}, which feature view {readers[0].name!r} reads"
            raise MissingError(fault, hint=f"intonaco tables ingest {table} FILE; {error.hint}", field=table) from error
        fault = f"nothing of the topic {table!r}, which feature view {streamed.name!r} reads, has landed in its table yet"
        raise MissingError(fault, hint=f"intonaco features consume {streamed.name} --once", field=streamed.name) from error


def event_data(engine: TableEngine, tables: TableStore, view: FeatureView, sources: Mapping[str, Snapshot]) -> Snapshot | pa.Table:
    """The events of a view as an engine takes them: the stored table itself where its rows are the events.

    Parameters
    ----------
    sources
        Versions of the tables `view.tables`.
    """
    check_table(view, sources[view.source.table])
    if not isinstance(view.source, QuerySource | JoinSource) and not _converts(view.source, sources[view.source.table].schema):
        return sources[view.source.table]
    pieces = list(events_of(engine, tables, view, sources))
    return pa.concat_tables(pieces)


def _converts(source: Source, held: Schema) -> bool:
    """Whether columns of the table are in other types than declared."""
    return any(widened(held[name].dtype, source.columns[name].dtype) for name in source.columns.names if name in held)


def read_events(
    workspace: "Workspace",
    view: FeatureView,
    project: str,
    snapshot: Snapshot,
    rows: slice = slice(None),
    *,
    sources: Mapping[str, Snapshot] | None = None,
) -> Iterator[pa.Table]:
    """The events that rows of a version of the view's table make, piece by piece, in the order of the rows.

    Each piece has the columns `view.used`. A row may make no event; the events of later rows never change those of earlier
    ones, unless a joined view got events that are older than they are (`joins.py`).

    Parameters
    ----------
    snapshot
        Of the view's table.
    rows
        Positions of rows in the snapshot, a step left out; all by default.
    sources
        Versions of the tables of joined views, by name; the newest by default.
    """
    found = dict(sources or {})
    for table in view.tables:
        if table not in found and table != view.source.table:
            found[table] = workspace.tables.snapshot(f"{project}/{table}")
    yield from events_of(workspace.engine, workspace.tables, view, {**found, view.source.table: snapshot}, rows)


def events_of(
    engine: TableEngine, tables: TableStore, view: FeatureView, sources: Mapping[str, Snapshot], rows: slice = slice(None)
) -> Iterator[pa.Table]:
    """The events of a view, piece by piece; at least one piece, which may be empty."""
    check_table(view, sources[view.source.table])
    return _made(engine, tables, view.source, view.used, sources, rows)


def source_events(
    tables: TableStore, source: Source, used: Iterable[str], snapshot: Snapshot, rows: slice = slice(None)
) -> Iterator[pa.Table]:
    """The events of a source, without what is joined to them, piece by piece; at least one piece."""
    plain = source.events_of if isinstance(source, JoinSource) else source
    if isinstance(plain, JoinSource):
        yield from source_events(tables, plain, used, snapshot, rows)
        return
    for piece in _pieces(tables, snapshot, plain.needs(used), rows):
        yield plain.events(piece, used)


def _made(
    engine: TableEngine, tables: TableStore, source: Source, used: Iterable[str], sources: Mapping[str, Snapshot], rows: slice
) -> Iterator[pa.Table]:
    wanted = list(dict.fromkeys(used))
    if not isinstance(source, JoinSource):
        yield from source_events(tables, source, wanted, sources[source.table], rows)
        return
    uses = source.joining(wanted)
    joined = [(use, event_data(engine, tables, use.view, sources)) for use in uses]
    keys = [key.name for use in uses for key in use.key_columns]
    own = [name for name in wanted if name not in source.joined]
    for piece in _made(engine, tables, source.events_of, [*own, source.time, *keys], sources, rows):
        yield _enriched(engine, source, joined, piece).select(wanted)


def _enriched(engine: TableEngine, source: JoinSource, joined: list[tuple[Use, Snapshot | pa.Table]], events: pa.Table) -> pa.Table:
    """The events that have a time, each with the joined views' features as of it."""
    _, timed = times(events, source.time, f"source {source.table!r}")
    held = events if timed.all() else events.filter(pa.array(timed))
    reads = [(view_plan(use, 0), use.view, data) for use, data in joined]
    names = dict.fromkeys([source.time, *(name for plan, _, _ in reads for name, _ in plan.keys)])
    found = read_offline(engine, reads, held.select(list(names)), source.time).columns
    added = to_arrow(found, Schema(tuple(evolve(source.joined[name], nullable=True) for name in found)))
    for name in added.column_names:
        held = held.append_column(added.schema.field(name), added[name])
    return held


def _pieces(tables: TableStore, snapshot: Snapshot, columns: list[str], rows: slice) -> Iterator[pa.Table]:
    """Rows of a snapshot, read part by part."""
    start, stop, _ = rows.indices(snapshot.rows)
    began = yielded = 0
    for part in snapshot.parts:
        first, last = max(start - began, 0), min(stop - began, part.rows)
        began += part.rows
        if first < last:
            table = tables.read(evolve(snapshot, parts=(part,), rows=part.rows), columns)
            for place in range(first, last, PIECE):
                yielded += 1
                yield table.slice(place, min(PIECE, last - place))
    if not yielded:
        yield tables.read(evolve(snapshot, parts=(), rows=0), columns)
