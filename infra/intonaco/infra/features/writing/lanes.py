"""Lanes: views on their way through a source table, each at one place where its events are stored."""

from collections.abc import Callable, Sequence

import pyarrow as pa
from attrs import define, field, frozen

from intonaco.infra.features.entries.entitykeys import EntityKeys
from intonaco.infra.features.recorded.progress import Mark, Piece, Progress
from intonaco.infra.features.recorded.turns import Turn
from intonaco.infra.features.writing.viewwriter import ViewWriter
from intonaco.infra.storage.tables import Snapshot

__all__ = ["Advance", "Lane", "Listener", "Rows", "Sink"]


@frozen
class Advance:
    """How far a materialization is: rows of the source looked at, of how many, for which views."""

    views: tuple[str, ...]
    done: int
    total: int


Listener = Callable[[Advance], None]


@frozen(eq=False)
class Rows:
    """The events of one piece for one lane."""

    writer: ViewWriter
    events: pa.Table
    keys: EntityKeys
    sequence: int


@define(eq=False)
class Lane:
    """One view at one place, its `hops` or `online`, on its way through the source."""

    writer: ViewWriter
    progress: Progress
    turn: Turn
    idle: bool = False
    stored: int = field(default=0, init=False)
    mark: Mark = field(factory=Mark, init=False)
    wish: Mark | None = field(default=None, init=False)
    piece: Piece | None = field(default=None, init=False)
    joined: dict[str, Snapshot] = field(factory=dict, init=False)

    def look(self) -> None:
        """Read how far it is."""
        self.mark, self.wish, self.piece = self.progress.mark(), self.progress.unfinished(), None
        if self.wish is not None:
            self.piece = self.progress.piece()

    @property
    def standing(self) -> tuple[object, ...]:
        """What lanes that read together have in common."""
        until = None if self.wish is None else (self.wish.source_version, self.wish.source_rows, self.wish.until_us)
        piece = None if self.piece is None else (self.piece.done, self.piece.end)
        return (self.mark.source_version, self.mark.source_rows, self.mark.until_us, until, piece)

    @property
    def sequence(self) -> int:
        """The number of the piece that is being written, or of the last one."""
        return self.mark.sequence if self.piece is None else self.piece.sequence


#: Writes the pieces of lanes; what it raises leaves the piece to be written again.
Sink = Callable[[Sequence[tuple[Lane, Rows]]], None]
