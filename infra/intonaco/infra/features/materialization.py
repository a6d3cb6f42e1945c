"""Materialization: events of a table to hops in a table of their own and to online entries, each event once.

Hops are stored offline from the first day: rows of (keys, hop, number of the hop, measures), several for one hop where its
events came in several commits; merging is adding or taking the greatest, so their order does not matter. Hops of a size that
is a multiple of a smaller one are not stored, for they are merged from it.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from attrs import evolve, frozen
from numpy.typing import NDArray

from intonaco.core.errors import InvalidError
from intonaco.infra.compute.algebra import Measure
from intonaco.infra.compute.arrays import times
from intonaco.infra.compute.timeline import hop_of
from intonaco.infra.features.folding import event_words, merge_hops
from intonaco.infra.features.layout import Layout
from intonaco.infra.features.progress import Mark, Progress
from intonaco.infra.features.views import FeatureView
from intonaco.infra.features.writer import OnlineWriter, ViewWriter
from intonaco.infra.storage.tables import Snapshot, TableStore

if TYPE_CHECKING:
    from intonaco.infra.workspace import Workspace

__all__ = ["Materialized", "hop_rows", "hops_table", "materialize", "stored_hops"]

Ints = NDArray[np.int64]


@frozen(kw_only=True)
class Materialized:
    """What a materialization did.

    Parameters
    ----------
    rows
        Events that were not stored before.
    until_us
        The watermark: all events of the source's version with earlier times are stored.
    """

    view: str
    version: int
    rows: int
    until_us: int
    source: str
    seconds: float


def hops_table(project: str, view: str, version: int) -> str:
    """The name of the table of a view's hops."""
    return f"{project}/features.{view}.v{version}.hops"


def stored_hops(layout: Layout) -> list[int]:
    """The hops that are stored offline: those that no other divides."""
    sizes = [each.hop_us for each in layout.hops]
    return [size for size in sizes if not any(size % other == 0 for other in sizes if other < size)]


def materialize(workspace: "Workspace", view: FeatureView, project: str, version: int, until_us: int, *, online: bool) -> Materialized:
    """Store the events before a moment that are not stored yet, at both places; a plain re-run after a crash finishes it."""
    started = time.perf_counter()
    snapshot = workspace.tables.snapshot(f"{project}/{view.source.table}")
    writer = ViewWriter.of(view, project, version)
    hops = Progress(workspace.catalog, project, view.name, version, "hops")
    moved = _advance(workspace.tables, hops, view, snapshot, until_us, _hops_sink(workspace.tables, writer, project, version))
    if online:
        entries = evolve(hops, place="online")
        sink = OnlineWriter(workspace.keyvalue, (writer,))
        count = _advance(workspace.tables, entries, view, snapshot, until_us, lambda events, mark: _to_online(sink, view, events, mark))
        moved = max(moved, count)
    mark = hops.mark()
    return Materialized(
        view=view.name,
        version=version,
        rows=moved,
        until_us=mark.until_us,
        source=f"table:{snapshot.table}@{mark.source_version}",
        seconds=time.perf_counter() - started,
    )


def _to_online(writer: OnlineWriter, view: FeatureView, events: pa.Table, mark: Mark) -> None:
    writer.materialize({view.source.table: events}, mark.sequence)


def _hops_sink(tables: TableStore, writer: ViewWriter, project: str, version: int) -> Callable[[pa.Table, Mark], None]:
    name = hops_table(project, writer.view.name, version)

    def sink(events: pa.Table, mark: Mark) -> None:
        if writer.view.windows:
            tables.write(name, hop_rows(writer, events), token=f"{name}#{mark.sequence}")

    return sink


def _advance(
    tables: TableStore, progress: Progress, view: FeatureView, snapshot: Snapshot, until_us: int, sink: Callable[[pa.Table, Mark], None]
) -> int:
    """Move the mark, an unfinished move first; how many events were stored."""
    stored = 0
    with progress.alone() as lease:
        done, begun = progress.mark(), progress.unfinished()
        while begun is not None or done.until_us < until_us or done.source_version < snapshot.version:
            wish = begun or Mark(
                source_version=snapshot.version,
                source_rows=snapshot.rows,
                until_us=max(until_us, done.until_us),
                sequence=done.sequence + 1,
            )
            progress.begin(lease, wish)
            events = _chosen(tables, view, snapshot.table, done, wish)
            sink(events, wish)
            progress.finish(lease, wish)
            stored += events.num_rows
            done, begun = wish, None
    return stored


def _chosen(tables: TableStore, view: FeatureView, table: str, done: Mark, wish: Mark) -> pa.Table:
    """The events that the wish holds and the mark does not: new rows, and older ones whose time has come."""
    snapshot = tables.snapshot(table, wish.source_version)
    if done.source_version >= 0:
        before = tables.snapshot(table, done.source_version)
        if snapshot.parts[: len(before.parts)] != before.parts:
            raise InvalidError(
                f"table {table!r} was replaced since feature view {view.name!r} was materialized from version {done.source_version}",
                hint="events are only ever appended; apply the view under another name to start over",
                field=view.name,
            )
    events = tables.read(snapshot, _columns(view))
    moments, timed = times(events, view.source.time, f"table {table!r}")
    old = np.arange(len(moments)) < done.source_rows
    chosen = timed & (moments < wish.until_us) & ~(old & (moments < done.until_us))
    return events.filter(pa.array(chosen))


def _columns(view: FeatureView) -> list[str]:
    created = [view.source.created] if view.source.created else []
    used = [feature.column for feature in view.features if feature.column]
    return list(dict.fromkeys([*view.entity.keys.names, view.source.time, *created, *used]))


def hop_rows(writer: ViewWriter, events: pa.Table) -> pa.Table:
    """The hops of events: keys, `hop_us`, `hop`, and one column for each word of a measure."""
    prepared, shape = writer.prepared(events), writer.shape
    words = event_words(shape, prepared.words)
    moments = prepared.words[:, 0]
    parts = [
        (size, *merge_hops(shape, prepared.owners, hop_of(moments, size), words))
        for size in stored_hops(shape.layout)
        if len(prepared.keys)
    ]
    owners = np.concatenate([part[1] for part in parts]) if parts else np.zeros(0, dtype=np.int64)
    columns = _keys_of(writer, events, owners)
    columns["hop_us"] = pa.array(np.concatenate([np.full(len(part[1]), part[0]) for part in parts]) if parts else owners)
    columns["hop"] = pa.array(np.concatenate([part[2] for part in parts]) if parts else owners)
    measures = np.concatenate([part[3] for part in parts]) if parts else np.zeros((0, shape.words), dtype=np.int64)
    names = [name for measure in shape.layout.measures for name in _word_names(measure)]
    return pa.table({**columns, **{name: pa.array(measures[:, number]) for number, name in enumerate(names)}})


def _keys_of(writer: ViewWriter, events: pa.Table, owners: Ints) -> dict[str, pa.Array]:
    """The key columns of entities, by their numbers."""
    _, all_owners = writer.keys(events)
    held = np.flatnonzero(all_owners >= 0)
    _, first = np.unique(all_owners[held], return_index=True)
    rows = pa.array(held[first][owners] if len(held) else owners)
    return {name: events[name].take(rows) for name in writer.view.entity.keys.names}


def _word_names(measure: Measure) -> list[str]:
    name = f"{measure.kind}:{measure.column}" + ("" if measure.resolution == 1.0 else f":{measure.resolution!r}")
    return [f"{name}:time", f"{name}:created", name] if measure.by_time else [name]
