"""Rebuilding: the entries and hops of a view built anew from its source, while the old values go on being read.

Where a source was replaced, or a late event changed what a chained view should have seen, what is stored no longer follows from
the source. New entries are built under keys of their own; when all are there, each takes the place of the old one, entity by
entity, and those that have no events any more go. A rebuild that is cut short is gone on with by the next one.
"""

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from attrs import define, field

from intonaco.core.errors import ConflictError, InvalidError
from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.features.entries.keys import view_prefix
from intonaco.infra.features.recorded.progress import Mark, Progress
from intonaco.infra.features.writing.hops import hop_rows, hops_table
from intonaco.infra.features.writing.materialization import Materialized, Places, Wanted, result
from intonaco.infra.features.writing.moves import Lane, Listener, Rows, advance, follows
from intonaco.infra.features.writing.viewwriter import ViewWriter
from intonaco.infra.storage.tables import Snapshot

if TYPE_CHECKING:
    from intonaco.infra.workspace import Workspace

__all__ = ["Rebuild"]

#: Added to a view's version, it gives the keys under which new entries wait; no version is as great.
_ASIDE = 2**31
_CHUNK = 10_000
_BUILDING, _SWAPPING, _SWEEPING = 1, 2, 3


@define(eq=False)
class Rebuild:
    """The rebuild of one version of a view."""

    workspace: "Workspace"
    project: str
    view: FeatureView
    version: int
    _state: Progress = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._state = self._progress("rebuild")

    def _progress(self, place: str) -> Progress:
        return Progress(self.workspace.catalog, self.project, self.view.name, self.version, place)

    def run(self, until_us: int, listener: Listener) -> Materialized:
        """Build anew up to a moment, or finish what was begun.

        Raises
        ------
        InvalidError
            The view is fed by pushes or by a stream, which cannot be repeated.
        """
        turns = [self._progress(place).turn for place in ("online", "hops")]
        try:
            for turn in turns:
                turn.hold()
            if self._progress("push").mark().sequence:
                fault = f"feature view {self.view.name!r} is fed by events as they come, not by its table"
                raise InvalidError(fault, hint="clear it online, and let it be fed anew", field=self.view.name)
            lanes = self._lanes()
            lanes[0].turn, lanes[1].turn = turns
            return self._run(lanes, until_us, listener)
        finally:
            for turn in turns:
                turn.release()

    def _lanes(self) -> list[Lane]:
        """The new entries, and the new hops."""
        aside = ViewWriter.of(self.view, self.project, self.version + _ASIDE)
        online, hops = self._progress("rebuild:online"), self._progress("rebuild:hops")
        return [Lane(aside, online, online.turn), Lane(aside, hops, hops.turn, idle=not self.view.windows)]

    def _run(self, lanes: Sequence[Lane], until_us: int, listener: Listener) -> Materialized:
        started, state = time.perf_counter(), self._state.mark().sequence
        if state in (0, _BUILDING):
            snapshot = self.workspace.tables.snapshot(f"{self.project}/{self.view.source.table}")
            if not state or self._is_replaced(lanes, snapshot):
                self._begin(lanes)
            advance(self.workspace, snapshot, lanes, until_us, self._write, listener)
            self._state.finish(lanes[0].turn.hold(), Mark(sequence=_SWAPPING))
        if state != _SWEEPING:
            self._swap()
            self._settle(lanes)
        self._sweep(lanes)
        done = Wanted(view=self.view, version=self.version, online=True)
        for lane, place in zip(lanes, ("online", "hops"), strict=True):
            lane.progress = self._progress(place)
            lane.look()
        return result(done, lanes, time.perf_counter() - started)

    def _is_replaced(self, lanes: Sequence[Lane], newest: Snapshot) -> bool:
        """Whether what was begun was read from rows that are no more."""
        marks = [mark for lane in lanes for mark in (lane.progress.mark(), lane.progress.unfinished()) if mark is not None]
        versions = {mark.source_version for mark in marks if mark.source_version >= 0}
        return not all(follows(newest, self.workspace.tables.snapshot(newest.table, version)) for version in versions)

    def _begin(self, lanes: Sequence[Lane]) -> None:
        """Begin with nothing, under numbers that were not used before."""
        self._remove(self._aside)
        with self._state.moving(lanes[0].turn.hold()) as connection:
            for lane, place in zip(lanes, ("online", "hops"), strict=True):
                lane.progress.drop(connection)
                lane.progress.settle(connection, Mark(sequence=self._progress(place).mark().sequence + 1))
            self._state.settle(connection, Mark(sequence=_BUILDING))

    def _write(self, pieces: Sequence[tuple[Lane, Rows]]) -> None:
        online = [(lane, rows) for lane, rows in pieces if lane.progress.place == "rebuild:online"]
        Places(self.workspace, self.project).write(online)
        for lane, rows in pieces:
            if lane.progress.place == "rebuild:hops":
                name = hops_table(self.project, self.view.name, self.version)
                first = lane.piece is not None and lane.piece.sequence == lane.mark.sequence + 1
                made = hop_rows(rows.writer, rows.events, rows.keys)
                self.workspace.tables.write(name, made, mode="replace" if first else "append", token=f"{name}#{rows.sequence}")

    @property
    def _aside(self) -> bytes:
        return view_prefix(self.project, self.view.name, self.version + _ASIDE)

    @property
    def _there(self) -> bytes:
        return view_prefix(self.project, self.view.name, self.version)

    def _swap(self) -> None:
        """Put each new entry in the place of the old one, then take away those that have no new one."""
        keyvalue = self.workspace.keyvalue
        for suffixes in self._suffixes(self._aside):
            new = keyvalue.get([self._aside + suffix for suffix in suffixes])
            old = keyvalue.get([self._there + suffix for suffix in suffixes])
            entries = [
                (self._there + suffix, 1 if was is None else was[0] + 1, made[1])
                for suffix, made, was in zip(suffixes, new, old, strict=True)
                if made is not None and (was is None or was[1] != made[1])
            ]
            if keyvalue.put(entries) != len(entries):
                raise ConflictError(f"somebody else wrote entries of {self.view.name!r} while it was rebuilt", hint="one writer at a time")
        for suffixes in self._suffixes(self._there):
            new = keyvalue.get([self._aside + suffix for suffix in suffixes])
            keyvalue.delete([self._there + suffix for suffix, made in zip(suffixes, new, strict=True) if made is None])

    def _settle(self, lanes: Sequence[Lane]) -> None:
        """Let the new marks be the view's."""
        with self._state.moving(lanes[0].turn.hold()) as connection:
            for lane, place in zip(lanes, ("online", "hops"), strict=True):
                self._progress(place).drop(connection)
                self._progress(place).settle(connection, lane.progress.mark())
            self._state.settle(connection, Mark(sequence=_SWEEPING))

    def _sweep(self, lanes: Sequence[Lane]) -> None:
        self._remove(self._aside)
        self._state.forget(*(lane.progress.place for lane in lanes))

    def _remove(self, prefix: bytes) -> None:
        for suffixes in self._suffixes(prefix):
            self.workspace.keyvalue.delete([prefix + suffix for suffix in suffixes])

    def _suffixes(self, prefix: bytes) -> Iterator[list[bytes]]:
        found = (key[len(prefix) :] for key, _ in self.workspace.keyvalue.scan(prefix))
        while chunk := list(islice(found, _CHUNK)):
            yield chunk
