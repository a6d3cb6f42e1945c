"""Gates: what is expected of the rows of one table, held wherever they come in."""

import time
from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
import pyarrow as pa
from attrs import field, frozen

from intonaco.infra.storage.quality.expectations import Expectation, Finding, as_expectations, findings, refuse_if_violated
from intonaco.infra.storage.quality.quarantine import keep_aside
from intonaco.infra.storage.streams import Stream
from intonaco.infra.storage.tables import Snapshot, TableStore

__all__ = ["Admitted", "Gate", "Verdict", "Written", "verdicts"]

#: Verdicts of a table that are kept, and after how many older ones are removed.
_KEPT, _TRIM = 10_000, 1_000


@frozen(kw_only=True, eq=False)
class Admitted:
    """The rows that pass a gate, what is to be told of the others, and where these are kept; `kept` is empty where all passed."""

    rows: pa.Table
    warnings: tuple[str, ...] = ()
    kept: str = ""
    aside: int = 0


@frozen(kw_only=True, eq=False)
class Written:
    """A write that passed its gate."""

    snapshot: Snapshot
    warnings: tuple[str, ...] = ()
    kept: str = ""
    aside: int = 0


@frozen(kw_only=True)
class Verdict:
    """The record of one expectation on one batch of rows, as the topic of a table's quality holds it.

    Parameters
    ----------
    value
        The number that the check compares.
    """

    table: str
    check: str
    mode: str
    by: str
    at_us: int
    rows: int
    violations: int
    value: float


@frozen
class Gate:
    """What is expected of the rows of one table.

    Parameters
    ----------
    table
        `project/name`.
    by
        Whose rows they are, as bad ones tell: `tables ingest`, `view delays@1`.
    stream
        Takes a record of every verdict; None records nothing.
    hidden
        Columns whose values no message shows, beside those that the rows themselves declare private.
    """

    tables: TableStore = field(repr=False)
    table: str
    expectations: tuple[Expectation, ...] = field(converter=as_expectations)
    by: str = field(default="", kw_only=True)
    stream: Stream | None = field(default=None, repr=False, kw_only=True)
    hidden: frozenset[str] = field(default=frozenset(), kw_only=True)

    def admit(self, data: pa.Table, *, at_us: int | None = None, keep_bad: bool = False) -> Admitted:
        """The rows that pass at a moment, now by default.

        Parameters
        ----------
        keep_bad
            Rows that would be kept aside pass too: they are in their table already, and one end must not see other rows than
            the other.

        Raises
        ------
        QualityError
            An expectation that refuses does not hold; its rows are kept aside.
        SchemaError
            The columns cannot be held to a check.
        """
        if not self.expectations or not data.num_rows:
            return Admitted(rows=data)
        moment = time.time_ns() // 1000 if at_us is None else at_us
        found = findings(self.expectations, data, self.table, moment, self.hidden)
        bad = [each for each in found if not each.holds and each.mode != "warn"]
        kept = keep_aside(self.tables, self.table, data, bad, at_us=moment, by=self.by)
        self._record(found, moment)
        where = "" if kept is None else kept.reference
        refuse_if_violated(found, where)
        out = np.logical_or.reduce([each.bad for each in bad]) if bad else np.zeros(data.num_rows, np.bool_)
        rows = data if keep_bad or not out.any() else data.filter(pa.array(~out))
        return Admitted(rows=rows, warnings=tuple(each.text for each in found if each.text), kept=where, aside=int(out.sum()))

    def reasons(self, data: pa.Table, at_us: int | None = None) -> dict[int, str]:
        """The rows that are bad, each judged by itself, and why; warnings are only recorded. No row is kept.

        For streams, whose bad records go to the dead letters one by one, so that the others go on.
        """
        alone = [each for each in self.expectations if each.check.alone]
        moment = time.time_ns() // 1000 if at_us is None else at_us
        found = [each for each in findings(alone, data, self.table, moment, self.hidden) if not each.holds] if alone else []
        if found:
            self._record(found, moment)
        out = [each for each in found if each.mode != "warn"]
        bad = np.flatnonzero(np.logical_or.reduce([each.bad for each in out])) if out else ()
        return {int(row): "; ".join(f"it violates {each.expectation.check}" for each in out if each.bad[row]) for row in bad}

    def write(self, data: pa.Table, *, mode: Literal["append", "replace"] = "append", token: str = "", at_us: int | None = None) -> Written:
        """Commit the rows that pass; the bad ones are kept first, so that a crash in between loses none of them."""
        admitted = self.admit(data, at_us=at_us)
        snapshot = self.tables.write(self.table, admitted.rows, mode=mode, token=token)
        return Written(snapshot=snapshot, warnings=admitted.warnings, kept=admitted.kept, aside=admitted.aside)

    def _record(self, found: Sequence[Finding], at_us: int) -> None:
        if self.stream is None:
            return
        topic = _topic(self.table)
        last = self.stream.append(topic, [msgspec.json.encode(msgspec.to_builtins(self._verdict(each, at_us))) for each in found])
        if last // _TRIM != (last - len(found)) // _TRIM and last > _KEPT:
            self.stream.trim(topic, last - _KEPT)

    def _verdict(self, each: Finding, at_us: int) -> Verdict:
        return Verdict(
            table=self.table,
            check=str(each.expectation.check),
            mode=each.mode,
            by=self.by,
            at_us=at_us,
            rows=len(each.bad),
            violations=int(each.bad.sum()),
            value=each.value,
        )


def verdicts(stream: Stream, table: str, limit: int = 1000) -> list[Verdict]:
    """The newest verdicts on rows of a table, the oldest of them first."""
    topic = _topic(table)
    records = stream.read(topic, max(0, stream.end(topic) - limit), limit)
    return [msgspec.json.decode(value, type=Verdict) for _, value in records]


def _topic(table: str) -> str:
    project, _, name = table.partition("/")
    return f"{project}/quality/{name}"
