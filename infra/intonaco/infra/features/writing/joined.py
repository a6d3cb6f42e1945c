"""Which versions of joined views' tables a move of a chained view reads, and why a late event may stop it.

Events that are stored were enriched with what was usable at their times. If a joined view gets an event that would have been
usable then, stored and new would follow from different pasts, so the move is refused until the view is built anew.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa
from attrs import evolve, frozen

from intonaco.core.errors import InvalidError
from intonaco.infra.compute.arrays import times
from intonaco.infra.features.defined.sources import Source
from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.features.offline.events import source_events
from intonaco.infra.features.recorded.progress import Mark, Progress
from intonaco.infra.storage.catalog.leases import Lease
from intonaco.infra.storage.tables import Snapshot

if TYPE_CHECKING:
    from intonaco.infra.workspace import Workspace

__all__ = ["joined_sources"]


@frozen
class _Below:
    """A source that a joined view reads, and how long its events take at least until they can be seen in the view's own."""

    view: str
    source: Source
    delay_us: int


def joined_sources(
    workspace: "Workspace", progress: Progress, view: FeatureView, done: Mark, wish: Mark, lease: Lease
) -> dict[str, Snapshot]:
    """The tables of joined views in the versions that a move reads: the newest when it began, the same after a crash.

    Parameters
    ----------
    done, wish
        Where the view stands in its own table, and where it is to move; the wish is recorded before this is called.

    Raises
    ------
    InvalidError
        A joined view got events that are older than what is stored, or its table was replaced.
    """
    below = list(_below(view, 0))
    own = workspace.tables.snapshot(f"{progress.project}/{view.source.table}", wish.source_version)
    found = {view.source.table: own}
    for table in dict.fromkeys(each.source.table for each in below):
        place = evolve(progress, place=f"{progress.place}:joined:{table}")
        pinned = done if table == view.source.table else place.mark()
        if table != view.source.table:
            version = pinned.source_version if pinned.sequence == wish.sequence else None
            found[table] = workspace.tables.snapshot(f"{progress.project}/{table}", version)
        if pinned.sequence != wish.sequence and pinned.source_version >= 0:
            _refuse_late(workspace, view, [each for each in below if each.source.table == table], found[table], pinned, done.until_us)
        if table != view.source.table and pinned.sequence != wish.sequence:
            place.finish(lease, evolve(wish, source_version=found[table].version, source_rows=found[table].rows))
    return found


def _below(view: FeatureView, delay_us: int) -> Iterator[_Below]:
    for use in view.source.uses:
        delayed = delay_us + use.view.delay
        yield _Below(use.view.name, use.view.source, delayed)
        yield from _below(use.view, delayed)


def _refuse_late(workspace: "Workspace", view: FeatureView, below: list[_Below], snapshot: Snapshot, pinned: Mark, until_us: int) -> None:
    hint = f"intonaco features materialize {view.name} --rebuild fills it anew; a delay of the joined view waits for late events"
    before = workspace.tables.snapshot(snapshot.table, pinned.source_version)
    if snapshot.parts[: len(before.parts)] != before.parts:
        fault = f"table {snapshot.table!r}, which feature view {view.name!r} joins, was replaced since it was materialized"
        raise InvalidError(fault, hint=hint, field=view.name)
    for each in below:
        for events in source_events(workspace.tables, each.source, [each.source.time], snapshot, slice(before.rows, None)):
            late = _late(events, each, until_us)
            if late:
                raise InvalidError(
                    f"feature view {each.view!r} got {late} events that are older than what is stored of {view.name!r}, which joins it",
                    hint=hint,
                    field=view.name,
                )


def _late(events: pa.Table, below: _Below, until_us: int) -> int:
    moments, timed = times(events, below.source.time, f"source {below.source.table!r}")
    return int((timed & (moments < until_us - below.delay_us)).sum())
