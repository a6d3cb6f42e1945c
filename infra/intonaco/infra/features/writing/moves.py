"""Moves of watermarks over a table, piece by piece: what is read once is written for every view that stands at the same place.

Before a piece is written it is recorded which rows it holds and under which number, so that after a crash the same rows are
chosen again and a piece that was written takes no second effect. Marks move when all pieces of a move are stored, never before.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
from attrs import define, evolve, field

from intonaco.core.errors import IntonacoError, InvalidError
from intonaco.infra.compute.arrays import times
from intonaco.infra.features.recorded.progress import Mark, Piece
from intonaco.infra.features.writing.joined import joined_sources
from intonaco.infra.features.writing.lanes import Advance, Lane, Listener, Rows, Sink
from intonaco.infra.features.writing.pieces import PieceReader
from intonaco.infra.storage.tables import Snapshot

if TYPE_CHECKING:
    from intonaco.infra.workspace import Workspace

__all__ = ["Advance", "Lane", "Listener", "Rows", "Sink", "advance", "follows"]

#: Rows of the source that are read, folded and written together; memory grows with this and not with the table.
ROWS = 250_000


def advance(workspace: "Workspace", snapshot: Snapshot, lanes: Sequence[Lane], until_us: int, sink: Sink, listener: Listener) -> None:
    """Bring lanes to the events of a snapshot before a moment, moves that were begun first.

    Raises
    ------
    InvalidError
        The table was replaced since a lane read it.
    """
    for lane in lanes:
        lane.turn.hold()
        lane.look()
    while waiting := [lane for lane in lanes if lane.wish is not None or _behind(lane.mark, snapshot, until_us)]:
        begun = [lane for lane in waiting if lane.wish is not None] or waiting
        group = [lane for lane in begun if lane.standing == begun[0].standing]
        _begin(group, snapshot, until_us)
        _Move(workspace, snapshot, group, sink, listener).run()


def _behind(mark: Mark, snapshot: Snapshot, until_us: int) -> bool:
    return mark.until_us < until_us or mark.source_version < snapshot.version


def _begin(lanes: Sequence[Lane], snapshot: Snapshot, until_us: int) -> None:
    """Record where lanes are to move, for those that are not under way."""
    for lane in lanes:
        if lane.wish is None:
            mark = lane.mark
            until = max(until_us, mark.until_us)
            place = {"source_version": snapshot.version, "source_rows": snapshot.rows, "until_us": until}
            lane.wish = Mark(**place, sequence=mark.sequence + 1)
            lane.progress.begin(lane.turn.hold(), lane.wish)


def follows(after: Snapshot, before: Snapshot) -> bool:
    """Whether a version of a table has all rows of another in their place: events are only ever appended."""
    return after.parts[: len(before.parts)] == before.parts


@define(eq=False)
class _Move:
    """One move of lanes that stand at one place."""

    workspace: "Workspace"
    newest: Snapshot
    lanes: Sequence[Lane]
    sink: Sink
    listener: Listener
    _snapshot: Snapshot = field(init=False)
    _reader: PieceReader = field(init=False)
    _done: Mark = field(init=False)
    _wish: Mark = field(init=False)

    def __attrs_post_init__(self) -> None:
        first = self.lanes[0]
        assert first.wish is not None
        self._done, self._wish = first.mark, first.wish
        self._snapshot = self.workspace.tables.snapshot(self.newest.table, self._wish.source_version)
        self._reader = PieceReader(self.workspace, self._snapshot, tuple(lane.writer.view for lane in self.lanes if not lane.idle))

    def run(self) -> None:
        """Write the pieces that are left, then move the marks."""
        self._refuse_replaced()
        self._join()
        piece = self.lanes[0].piece
        try:
            if piece is not None:
                self._write(piece.done, piece.end)
            place = self._first if piece is None else piece.end
            while place < self._wish.source_rows and not all(lane.idle for lane in self.lanes):
                end = self._end(place)
                self._step(place, end)
                self._write(place, end)
                place = end
        except IntonacoError as error:
            resume = self._resume
            if isinstance(error, InvalidError):
                names = ", ".join(dict.fromkeys(repr(lane.progress.view) for lane in self.lanes))
                error.message = f"feature view {names} cannot take rows of {self._snapshot.reference}: {error.message}"
                resume = f"{self._stored}: write the table anew with these rows mended, then materialize with --rebuild"
            error.hint = f"{error.hint}; {resume}" if error.hint else resume
            raise
        self._finish()

    def _join(self) -> None:
        """Choose the versions of the tables that chained views join."""
        for lane in self.lanes:
            if lane.writer.view.source.uses and not lane.idle:
                assert lane.wish is not None
                lease = lane.turn.hold()
                lane.joined = joined_sources(self.workspace, lane.progress, lane.writer.view, lane.mark, lane.wish, lease)

    @property
    def _first(self) -> int:
        """Older rows are looked at again only where the moment has moved."""
        return 0 if self._done.until_us < self._wish.until_us else self._done.source_rows

    def _end(self, place: int) -> int:
        """A piece holds rows that were there before, or new ones."""
        edge = self._done.source_rows if place < self._done.source_rows else self._wish.source_rows
        return min(place + ROWS, edge)

    def _step(self, done: int, end: int) -> None:
        for lane in self.lanes:
            piece = Piece(done=done, end=end, sequence=lane.sequence + 1)
            lane.progress.step(lane.turn.hold(), piece)
            lane.piece = piece

    def _write(self, start: int, end: int) -> None:
        busy = [lane for lane in self.lanes if not lane.idle]
        rows = [(lane, self._rows(lane, start, end)) for lane in busy]
        self.sink([(lane, each) for lane, each in rows if each.events.num_rows])
        for lane, each in rows:
            lane.stored += each.events.num_rows
        self.listener(Advance(tuple(dict.fromkeys(lane.progress.view for lane in self.lanes)), end, self._wish.source_rows))

    def _rows(self, lane: Lane, start: int, end: int) -> Rows:
        """The events of a piece that the wish holds and the mark does not: new rows, and older ones whose time has come."""
        view = lane.writer.view
        events, keys = self._reader.events(view, start, end, lane.joined)
        moments, timed = times(events, view.source.time, f"table {self._snapshot.table!r}")
        chosen = timed & (moments < self._wish.until_us)
        if end <= self._done.source_rows:
            chosen &= moments >= self._done.until_us
        if not chosen.all():
            events, keys = events.filter(pa.array(chosen)), keys.of_rows(chosen)
        return Rows(lane.writer, events, keys, lane.sequence)

    def _finish(self) -> None:
        for lane in self.lanes:
            assert lane.wish is not None
            lane.progress.finish(lane.turn.hold(), evolve(lane.wish, sequence=max(lane.wish.sequence, lane.sequence)))
            lane.look()

    @property
    def _resume(self) -> str:
        return f"{self._stored}: run it again to go on from there"

    @property
    def _stored(self) -> str:
        piece = self.lanes[0].piece
        done = self._first if piece is None else piece.done
        return f"{done:,} of {self._wish.source_rows:,} rows of {self._snapshot.reference} are stored"

    def _refuse_replaced(self) -> None:
        if self._done.source_version < 0:
            return
        before = self.workspace.tables.snapshot(self._snapshot.table, self._done.source_version)
        if not follows(self._snapshot, before):
            name = self.lanes[0].progress.view
            raise InvalidError(
                f"table {self._snapshot.table!r} was replaced since feature view {name!r} was materialized from version {before.version}, "
                "so what is stored no longer follows from it",
                hint=f"intonaco features materialize {name} --rebuild fills it anew while the old values are served",
                field=name,
            )
