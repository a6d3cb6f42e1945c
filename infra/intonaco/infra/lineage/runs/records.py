"""What the catalog holds of runs and steps, as values."""

import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, Self

from attrs import field, frozen

from intonaco.infra.lineage import values
from intonaco.infra.lineage.artifacts import Artifact
from intonaco.infra.storage.catalog.seals import verify

__all__ = ["InputRecord", "RunRecord", "Status", "StepRecord", "holder", "moment"]

#: `crashed` is shown where a run is recorded as running and its process is gone.
Status = Literal["running", "finished", "failed", "crashed"]


def moment(at_us: int) -> datetime:
    """Microseconds since 1970 as a time in UTC."""
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).replace(microsecond=at_us % 1_000_000)


@frozen(kw_only=True)
class RunRecord:
    """A run as it is recorded.

    Parameters
    ----------
    parent
        The run that started it, or empty.
    code
        Commit, branch and whether tracked files were changed; empty outside a repository.
    lock, manifest
        Digests of the artifacts that hold the environment and the workspace's manifest.
    error
        Why it failed.
    """

    id: str
    project: str
    name: str
    status: Status
    parent: str
    params: dict[str, Any]
    seeds: dict[str, Any]
    code: dict[str, Any]
    lock: str = field(repr=False)
    manifest: str = field(repr=False)
    started_at: datetime
    ended_at: datetime | None
    error: str

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it runs."""
        return None if self.ended_at is None else (self.ended_at - self.started_at).total_seconds()

    @classmethod
    def from_row(cls, row: Mapping[Any, Any]) -> Self:
        """Read a row of the table of runs; CorruptError if it is damaged."""
        verify(row, where="the catalog's runs")
        crashed = row["status"] == "running" and not _alive(values.loads(row["holder"]))
        return cls(
            id=row["id"],
            project=row["project"],
            name=row["name"],
            status="crashed" if crashed else row["status"],
            parent=row["parent"],
            params=values.decode(values.loads(row["params"])),
            seeds=values.decode(values.loads(row["seeds"])),
            code=values.loads(row["code"]),
            lock=row["lock"],
            manifest=row["manifest"],
            started_at=moment(row["started_us"]),
            ended_at=None if row["ended_us"] is None else moment(row["ended_us"]),
            error=row["error"],
        )


@frozen(kw_only=True)
class StepRecord:
    """A call of a step as it is recorded.

    Parameters
    ----------
    number, parent
        Which of its run's steps it is, from 1, and which one called it; 0 if the run did.
    artifact
        Its result; None if it has none.
    """

    run: str
    number: int
    parent: int
    project: str
    function: str
    key: str
    status: Status
    memoized: bool
    artifact: Artifact | None
    started_at: datetime
    seconds: float
    error: str

    @classmethod
    def from_row(cls, row: Mapping[Any, Any], *, running: bool) -> Self:
        """Read a row of the table of steps; a step cannot run in a run that does not. CorruptError if it is damaged."""
        verify(row, where="the catalog's steps")
        artifact = (
            Artifact(digest=row["digest"], kind=row["kind"], size_bytes=row["size_bytes"], reference=row["reference"])
            if row["digest"]
            else None
        )
        return cls(
            run=row["run"],
            number=row["number"],
            parent=row["parent"],
            project=row["project"],
            function=row["function"],
            key=row["key"],
            status="crashed" if row["status"] == "running" and not running else row["status"],
            memoized=row["memoized"],
            artifact=artifact,
            started_at=moment(row["started_us"]),
            seconds=row["seconds"],
            error=row["error"],
        )


@frozen(kw_only=True)
class InputRecord:
    """An artifact that a step (or, as step 0, the run itself) was given, and the argument in which it stood."""

    run: str
    step: int
    name: str
    kind: str
    digest: str
    reference: str

    @classmethod
    def from_row(cls, row: Mapping[Any, Any]) -> Self:
        """Read a row of the table of inputs; CorruptError if it is damaged."""
        verify(row, where="the catalog's inputs")
        return cls(**{name: row[name] for name in ("run", "step", "name", "kind", "digest", "reference")})

    @property
    def artifact(self) -> Artifact:
        """The input as an artifact."""
        return Artifact(digest=self.digest, kind=self.kind, size_bytes=0, reference=self.reference)


def holder() -> dict[str, Any]:
    """The calling process, told apart from one that has its number later."""
    import psutil

    return {"host": socket.gethostname(), "pid": os.getpid(), "started": psutil.Process().create_time()}


def _alive(held: dict[str, Any]) -> bool:
    """Whether the process is there; one of another machine is taken to be."""
    import psutil

    if held["host"] != socket.gethostname():
        return True
    try:
        process = psutil.Process(held["pid"])
        return bool(abs(process.create_time() - held["started"]) < 2 and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
