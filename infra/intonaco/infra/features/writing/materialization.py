"""Materialization: events of a table to hops in a table of their own and to online entries, each event once."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from attrs import define, evolve, field, frozen

from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.features.entries.shape import BATCH
from intonaco.infra.features.offline.events import check_table, event_table
from intonaco.infra.features.recorded.progress import Mark, Progress
from intonaco.infra.features.writing.hops import hop_rows, hops_table
from intonaco.infra.features.writing.intake import Intake
from intonaco.infra.features.writing.moves import Lane, Listener, Rows, advance
from intonaco.infra.features.writing.writer import Batch, OnlineWriter, ViewWriter

if TYPE_CHECKING:
    from intonaco.infra.workspace import Workspace

__all__ = ["Materialized", "Places", "Wanted", "materialize", "result", "silent"]


@frozen(kw_only=True)
class Materialized:
    """What a materialization did.

    Parameters
    ----------
    rows
        Events that were not stored before.
    until_us
        The watermark: all events of the source's version with earlier times are stored.
    source
        The version of the table that was read.
    source_rows
        Its rows; the next run reads from there on, and older rows only if their time had not come.
    seconds
        Of views that were read together each has its share.
    warnings
        What is expected of the events and does not hold.
    """

    view: str
    version: int
    rows: int
    until_us: int
    source: str
    source_rows: int
    seconds: float
    warnings: tuple[str, ...] = ()


@frozen(kw_only=True)
class Wanted:
    """A view that is to be materialized; `online` where its entries are not fed by pushes."""

    view: FeatureView
    version: int
    online: bool


def silent(_: object) -> None:
    """Hear nothing."""


def materialize(
    workspace: "Workspace", project: str, wanted: Sequence[Wanted], until_us: int, listener: Listener = silent
) -> list[Materialized]:
    """Store the events before a moment that are not stored yet, at both places; a plain re-run after a crash finishes it.

    Views that read the same table read it together. Memory grows with a piece of the table, not with the table.
    """
    done: dict[str, Materialized] = {}
    for table in dict.fromkeys(each.view.source.table for each in wanted):
        together = [each for each in wanted if each.view.source.table == table]
        done |= _together(workspace, project, together, until_us, listener)
    return [done[each.view.name] for each in wanted]


def _together(workspace: "Workspace", project: str, wanted: Sequence[Wanted], until_us: int, listener: Listener) -> dict[str, Materialized]:
    started = time.perf_counter()
    snapshot = event_table(workspace.tables, project, [each.view for each in wanted], wanted[0].view.source.table)
    for each in wanted:
        check_table(each.view, snapshot)
    lanes = [lane for each in wanted for lane in _lanes(workspace, project, each)]
    places = Places(workspace, project)
    try:
        advance(workspace, snapshot, lanes, until_us, places.write, listener)
    finally:
        for lane in lanes:
            lane.turn.release()
    for each in wanted:
        places.intake.freshness(each.view, snapshot, until_us)
    share = (time.perf_counter() - started) / len(wanted)
    done = (result(each, [lane for lane in lanes if lane.progress.view == each.view.name], share) for each in wanted)
    return {each.view: evolve(each, warnings=tuple(places.intake.warnings(each.view))) for each in done}


def _lanes(workspace: "Workspace", project: str, wanted: Wanted) -> list[Lane]:
    """A view's way to its hops, idle where it has no windows, and to its entries."""
    writer = ViewWriter.of(wanted.view, project, wanted.version)
    places = ["hops", "online"] if wanted.online else ["hops"]
    found = [Progress(workspace.catalog, project, wanted.view.name, wanted.version, place) for place in places]
    return [Lane(writer, each, each.turn, idle=each.place == "hops" and not wanted.view.windows) for each in found]


def result(wanted: Wanted, lanes: Sequence[Lane], seconds: float) -> Materialized:
    """What lanes of a view did."""
    mark: Mark = lanes[0].mark
    return Materialized(
        view=wanted.view.name,
        version=wanted.version,
        rows=max(lane.stored for lane in lanes),
        until_us=mark.until_us,
        source=f"table:{lanes[0].progress.project}/{wanted.view.source.table}@{mark.source_version}",
        source_rows=mark.source_rows,
        seconds=seconds,
    )


@define(eq=False)
class Places:
    """Where the pieces of lanes are written: hops to tables, entries of all views together to the key-value store."""

    workspace: "Workspace"
    project: str
    intake: Intake = field(init=False)
    _online: OnlineWriter = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._online, self.intake = OnlineWriter(self.workspace.keyvalue, ()), Intake(self.workspace, self.project)

    def write(self, pieces: Sequence[tuple[Lane, Rows]]) -> None:
        """Write the pieces; each that was written before under its number stays as it is."""
        for lane, rows in pieces:
            self.intake.look(rows.writer.view, lane.progress.version, lane.progress.place, rows.events, rows.sequence)
            if lane.progress.place == "hops":
                name = hops_table(self.project, lane.progress.view, lane.progress.version)
                self.workspace.tables.write(name, hop_rows(rows.writer, rows.events, rows.keys), token=f"{name}#{rows.sequence}")
        batches = [
            Batch(writer=rows.writer, events=rows.events, sequence=rows.sequence, keys=rows.keys)
            for lane, rows in pieces
            if lane.progress.place != "hops"
        ]
        self._online.write(batches, BATCH)
