"""Coarse work on tables: the verbs that an engine takes over when data outgrow one process."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from attrs import frozen

from intonaco.infra.compute.algebra import Measure
from intonaco.infra.storage.tables import Snapshot, TableStore

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["AsofColumns", "Events", "HasTables", "TableEngine", "WindowColumn", "Windows"]


class HasTables(Protocol):
    """What an engine needs of a workspace."""

    @property
    def tables(self) -> TableStore:
        """The store whose snapshots it reads."""


@frozen(kw_only=True)
class Events:
    """Rows that happened at a time to an entity.

    Parameters
    ----------
    keys
        Columns of the entity's keys; an event of which one is null belongs to no entity.
    row_keys
        The columns of the rows that hold the same keys; `keys` by default.
    time, created
        Timestamp columns; of two events of one entity and time the later created one is the newer, then the greater value.
    delay_us
        Microseconds between the event and the moment from which it may be used.
    """

    data: "Snapshot | pa.Table"
    keys: tuple[str, ...]
    time: str
    created: str | None = None
    delay_us: int = 0
    row_keys: tuple[str, ...] = ()


@frozen(kw_only=True)
class AsofColumns:
    """Columns of the newest usable event, under other names.

    Parameters
    ----------
    columns
        (column of the events, name in the answer).
    ties
        Columns whose values decide between events of one time and creation time, the first first; null is least.
    age
        Name in the answer for the event's age in microseconds (int64); null where there is no event. Ages are told
        even where values are expired.
    """

    events: Events
    columns: tuple[tuple[str, str], ...]
    ties: tuple[str, ...] = ()
    valid_for_us: int | None = None
    age: str = ""


@frozen(kw_only=True)
class WindowColumn:
    """One aggregate over one window.

    Parameters
    ----------
    resolution, floats
        As `algebra.finalize` takes them.
    parameters
        As `algebra.measures_of` takes them.
    dtype
        Of the answer, where the column holds whole numbers: `int64`, or `decimal(p,s)`, which is answered in Arrow's own.
    """

    name: str
    kind: str
    column: str
    over_us: int
    hop_us: int
    resolution: float
    floats: bool
    measures: tuple[Measure, ...]
    parameters: tuple[float, ...] = ()
    dtype: str = "float64"


@frozen(kw_only=True)
class Windows:
    """Aggregates of one source over trailing windows; `age` as in `AsofColumns`, of the newest usable event."""

    events: Events
    columns: tuple[WindowColumn, ...]
    valid_for_us: int | None = None
    age: str = ""


class TableEngine(ABC):
    """Joins and aggregates tables by the rule of time (`compute.timeline`) and the algebra (`compute.algebra`).

    Inputs are versions of stored tables or Arrow tables. An answer comes in batches, each of which is made when it is asked for,
    so that what it takes grows with the events and not with the rows: `tables.write(name, engine.asof_join(...))` makes a table
    of it, as one commit, and `pa.concat_tables` holds it whole. There is at least one batch, which may be empty. No lazy frame
    crosses this seam. Methods may be called from any thread, and mistakes are told with the first batch.
    """

    __slots__ = ()

    @classmethod
    @abstractmethod
    def open(cls, workspace: HasTables) -> Self:
        """An engine that reads the tables of this workspace."""

    @abstractmethod
    def asof_join(self, rows: "Snapshot | pa.Table", at: str, joins: Sequence[AsofColumns]) -> "Iterator[pa.Table]":
        """The columns of the newest usable event of each row's entity as of its moment; one row for each given, in their order.

        Parameters
        ----------
        at
            Timestamp column of the rows.
        """

    @abstractmethod
    def window_aggregates(self, rows: "Snapshot | pa.Table", at: str, windows: Sequence[Windows]) -> "Iterator[pa.Table]":
        """Aggregates of the usable events in windows that trail each row's moment; null where finalized to none.

        One row for each given, in their order. Where no usable event was ever seen, or the newest is older than `valid_for_us`,
        all columns of a source are null.
        """

    @abstractmethod
    def latest_per_key(self, data: "Snapshot | pa.Table", keys: Sequence[str], order: Sequence[str]) -> "Iterator[pa.Table]":
        """One row for each combination of keys: the one with the greatest `order`, nulls least; in the order of first appearance."""

    @abstractmethod
    def map_batches(
        self, data: "Snapshot | pa.Table", function: "Callable[[pa.Table], pa.Table]", *, rows: int = 65_536
    ) -> "Iterator[pa.Table]":
        """What the function makes of batches of at most `rows` rows, one after the other."""

    def close(self) -> None:  # noqa: B027  an engine that holds nothing open has nothing to do
        """Let go of what is held open; a second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
