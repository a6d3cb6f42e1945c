"""Tables: Arrow data in versions, each an immutable snapshot."""

from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from attrs import evolve, frozen

from intonaco.core.schema import Schema
from intonaco.infra.storage.checks import Check
from intonaco.infra.storage.guarantees import Guarantee
from intonaco.infra.storage.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Part", "Snapshot", "SupportsExpiry", "SupportsPaths", "SupportsVerification", "TableStore"]


@frozen(kw_only=True)
class Part:
    """One file of a snapshot.

    Parameters
    ----------
    name
        Of the blob.
    sha256
        Of the file.
    values_sha256
        Of the rows' values, whatever the file's encoding.
    """

    name: str
    rows: int
    size_bytes: int
    sha256: str
    values_sha256: str


@frozen(kw_only=True)
class Snapshot:
    """One version of a table.

    Parameters
    ----------
    table
        `project/name`.
    version
        Counts from 0; each commit is the next.
    digest
        SHA-256 of schema and values.
    """

    table: str
    version: int
    digest: str
    schema: Schema
    rows: int
    parts: tuple[Part, ...]

    @property
    def reference(self) -> str:
        """`table:project/name@version`."""
        return f"table:{self.table}@{self.version}"

    def of_parts(self, first: int, last: int) -> "Snapshot":
        """What holds the rows of the parts from `first` to before `last` alone, to be read in its place."""
        parts = self.parts[first:last]
        return evolve(self, parts=parts, rows=sum(part.rows for part in parts))


class TableStore(Store):
    """Tables of Arrow data with time travel.

    A write is one commit, there whole or not at all; concurrent writes each get a version of their own and none is lost.
    A snapshot stays readable until `intonaco gc` removes it. Rows come back in the order in which they were written.
    """

    __slots__ = ()
    promises = frozenset({Guarantee.DURABLE, Guarantee.WHOLE, Guarantee.NO_LOST_UPDATES, Guarantee.SNAPSHOTS, Guarantee.CHECKED})

    @abstractmethod
    def write(
        self,
        table: str,
        data: "pa.Table | Iterable[pa.Table]",
        *,
        mode: Literal["append", "replace"] = "append",
        checks: Sequence[Check] = (),
        token: str = "",
    ) -> Snapshot:
        """Commit rows and return the new snapshot.

        Parameters
        ----------
        table
            `project/name`; made by its first write, whose schema it keeps until it is replaced.
        data
            An empty table is a commit too. A column that would not come back equal is refused. Of batches, which may be made
            while they are written, only a few are held at a time, and none is seen before all are; the snapshot has the digest
            of the same rows in one table. The first says what the columns of a new table are.
        checks
            All must hold for the written rows; those that judge rows together take one table, not batches.
        token
            Of two writes with the same token only the first takes effect; the second returns the first's snapshot.

        Raises
        ------
        SchemaError
            The columns differ from the table's, or a type cannot be kept exactly.
        QualityError
            Rows violate a check; nothing is written.
        ConflictError
            Others were always first, or something changed under batches that cannot be had again.
        """

    @abstractmethod
    def snapshot(self, table: str, version: int | None = None) -> Snapshot:
        """The given version, or the newest; MissingError if there is none, CorruptError if its log is damaged."""

    @abstractmethod
    def read(self, snapshot: Snapshot, columns: Sequence[str] | None = None) -> "pa.Table":
        """All rows of the snapshot, of these columns; CorruptError names a damaged part."""

    def batches(self, snapshot: Snapshot, columns: Sequence[str] | None = None) -> "Iterator[pa.Table]":
        """The rows of `read`, read part by part; at least one batch, which may be empty."""
        for number in range(max(1, len(snapshot.parts))):
            yield self.read(snapshot.of_parts(number, number + 1), columns)

    @abstractmethod
    def names(self, project: str = "") -> list[str]:
        """All tables, `project/name`, sorted."""


@runtime_checkable
class SupportsPaths(Protocol):
    """A table store whose parts are Parquet files of this machine."""

    def paths(self, snapshot: Snapshot) -> list[Path] | None:
        """The files of a snapshot in the order of its rows, each verified; None if they lie elsewhere.

        They hold categories as text, unsigned integers in the next wider type and tensors as lists.
        """


@runtime_checkable
class SupportsVerification(Protocol):
    """A table store that can look for damage."""

    def damaged(self, table: str) -> list[str]:
        """What is wrong with the table in any of its versions, one line for each damaged object; reads every byte."""


@runtime_checkable
class SupportsExpiry(Protocol):
    """A table store that keeps what old versions need until it is told to let go; only `intonaco gc` calls this."""

    def expirable(self, table: str, keep: Collection[int], older_than_s: float) -> list[str]:
        """The blobs, older than this, that neither the versions to keep nor the newest one needs.

        A part that a running write has stored and not yet committed is one of them, so the age must exceed the longest write.
        """

    def expire(self, table: str, keep: Collection[int], older_than_s: float) -> list[str]:
        """Remove those and tell which; a version that needed one raises MissingError from then on."""
