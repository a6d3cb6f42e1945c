"""The ledger: every prediction with what was given, what was read and what was answered, first a stream, then a table."""

import itertools
import uuid
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sql
from attrs import define, field, frozen
from numpy.typing import NDArray

from intonaco.core.columns import Column, Columns, concatenate, rows_of, take
from intonaco.core.errors import MissingError
from intonaco.core.references import DEFAULT_PROJECT
from intonaco.infra.serving.endpoints.endpoint import Endpoint
from intonaco.infra.serving.endpoints.scorer import Answer
from intonaco.infra.serving.ledger.ledgerrecords import HEADER, Layout, decode_header, decode_record, encode_record
from intonaco.infra.serving.ledger.spoolmover import topic
from intonaco.infra.serving.tables import LAYOUTS, LEDGERS
from intonaco.infra.storage.arrow import to_arrow
from intonaco.infra.storage.tables import Snapshot

if TYPE_CHECKING:
    from intonaco.infra.workspace import Workspace

__all__ = ["Ledger", "Progress", "declare"]

_ROWS_A_RECORD = 8192
_RECORDS = 500


@frozen(kw_only=True)
class Progress:
    """How far a ledger is: rows in the table, records that wait in the stream, and rows that were dropped and counted."""

    endpoint: str
    rows: int
    waiting: int
    dropped: int


def declare(workspace: "Workspace", layouts: Iterable[Layout]) -> None:
    """Put layouts into the catalog, before anything that is recorded with them is read."""
    with workspace.catalog.transaction() as connection:
        known = set(connection.execute(sql.select(LAYOUTS.c.digest)).scalars())
        for digest, layout in {layout.digest: layout for layout in layouts}.items():
            if digest not in known:
                row = {"digest": digest, "project": layout.project, "endpoint": layout.endpoint, "fields": layout.to_json()}
                connection.execute(sql.insert(LAYOUTS).values(**row))


@define(eq=False)
class Ledger:
    """The ledgers of a project's endpoints.

    Records reach the table once each: a table holds the stream's offset of each row, and takes only what lies behind its
    greatest; the commit that adds rows is the one that moves the offset.
    """

    workspace: "Workspace" = field(repr=False)
    project: str = DEFAULT_PROJECT
    _writer: bytes = field(factory=lambda: uuid.uuid4().bytes, init=False, repr=False)
    _numbers: "itertools.count[int]" = field(factory=lambda: itertools.count(1), init=False, repr=False)
    _behind: dict[tuple[str, int], int] = field(factory=dict, init=False, repr=False)

    def record(self, endpoint: Endpoint, given: Columns, answer: Answer, at_us: NDArray[np.int64], ids: Sequence[str] = ()) -> int:
        """Keep predictions that were made without a server, one id a row; durable on return. The number of rows."""
        layout = Layout.of(self.project, endpoint.deployment.endpoint, endpoint.scorers[answer.version])
        declare(self.workspace, [layout])
        rows = rows_of(given)
        prefix = uuid.uuid4().hex[:16]
        names = list(ids) or [f"{prefix}-{row}" for row in range(rows)]
        records = []
        for first in range(0, rows, _ROWS_A_RECORD):
            part = slice(first, first + _ROWS_A_RECORD)
            told = _part(answer, part)
            payload = encode_record(layout, names[part], [1] * len(at_us[part]), at_us[part], take(given, part), told)
            records.append(HEADER.pack(next(self._numbers), 0, self._writer) + payload)
        self.workspace.stream.append(topic(self.project, endpoint.deployment.endpoint), records)
        return rows

    def collect(self, endpoint: str) -> int:
        """Move what waits in the stream to the table; the number of rows that took effect."""
        name, rows = topic(self.project, endpoint), 0
        through = self._through(endpoint)
        layouts = self._layouts(endpoint)
        while records := self.workspace.stream.read(name, after=through, limit=_RECORDS):
            rows += self._take_in(records, layouts)
            through = records[-1][0]
            self._keep_through(endpoint, through, sum(decode_header(record)[1] for _, record in records))
            self.workspace.stream.trim(name, through)
        return rows

    def read(self, endpoint: str, since_us: int | None = None, until_us: int | None = None) -> pa.Table:
        """The predictions from `since_us` up to before `until_us`, in the order in which they were recorded.

        Given columns have their own names; `feature.NAME`, `status.NAME`, `output.NAME`, and `prediction_id`, `prediction_row`,
        `predicted_at`, `model_version` and `ledger_offset` stand beside them.

        Raises
        ------
        MissingError
            The endpoint has never recorded anything.
        """
        self.collect(endpoint)
        found = [self.workspace.tables.read(snapshot) for snapshot in self._snapshots(endpoint)]
        if not found:
            raise MissingError(f"the ledger of endpoint {endpoint!r} is empty", hint="predictions appear here as they are made")
        whole = pa.concat_tables(found, promote_options="default")
        kept = _between(whole, since_us, until_us)
        order = [("ledger_offset", "ascending"), ("prediction_id", "ascending"), ("prediction_row", "ascending")]
        return kept.sort_by(order) if len(found) > 1 else kept

    def endpoints(self) -> list[str]:
        """All endpoints that have recorded something, or could have."""
        query = sql.select(LAYOUTS.c.endpoint).where(LAYOUTS.c.project == self.project).distinct().order_by(LAYOUTS.c.endpoint)
        with self.workspace.catalog.read() as connection:
            return list(connection.execute(query).scalars())

    def progress(self, endpoint: str) -> Progress:
        """How far the ledger of an endpoint is."""
        rows = sum(snapshot.rows for snapshot in self._snapshots(endpoint))
        waiting = self.workspace.stream.end(topic(self.project, endpoint)) - self._through(endpoint)
        with self.workspace.catalog.read() as connection:
            dropped = connection.execute(sql.select(LEDGERS.c.dropped).where(*self._row(endpoint))).scalar()
        return Progress(endpoint=endpoint, rows=rows, waiting=waiting, dropped=dropped or 0)

    def _take_in(self, records: list[tuple[int, bytes]], layouts: dict[str, Layout]) -> int:
        parts: dict[Layout, list[dict[str, Column]]] = {}
        for offset, record in records:
            layout, columns = decode_record(record, layouts, offset)
            parts.setdefault(layout, []).append(columns)
        return sum(self._write(layout, concatenate(held)) for layout, held in parts.items())

    def _write(self, layout: Layout, columns: dict[str, Column]) -> int:
        """Add what lies behind the table's greatest offset; of two that do so at once, one writes, and the other looks again."""
        offsets = columns["ledger_offset"]
        assert isinstance(offsets, np.ndarray)
        while True:
            before = self._snapshot(layout)
            behind = self._offset(before)
            fresh = np.flatnonzero(offsets > behind)
            if not len(fresh):
                return 0
            data = to_arrow(take(columns, fresh), layout.schema)
            after = self.workspace.tables.write(layout.table, data, token=f"ledger behind {behind}")
            if after.rows == len(fresh) + (before.rows if before else 0):
                self._behind[layout.table, after.version] = int(offsets[-1])
                return len(fresh)

    def _offset(self, snapshot: Snapshot | None) -> int:
        if snapshot is None:
            return 0
        key = snapshot.table, snapshot.version
        if key not in self._behind:
            self._behind[key] = pc.max(self.workspace.tables.read(snapshot, ["ledger_offset"])["ledger_offset"]).as_py() or 0
        return self._behind[key]

    def _snapshot(self, layout: Layout) -> Snapshot | None:
        try:
            return self.workspace.tables.snapshot(layout.table)
        except MissingError:
            return None

    def _snapshots(self, endpoint: str) -> list[Snapshot]:
        found = (self._snapshot(layout) for layout in self._layouts(endpoint).values())
        return [snapshot for snapshot in found if snapshot is not None]

    def _layouts(self, endpoint: str) -> dict[str, Layout]:
        query = sql.select(LAYOUTS.c.digest, LAYOUTS.c.fields).where(LAYOUTS.c.project == self.project, LAYOUTS.c.endpoint == endpoint)
        with self.workspace.catalog.read() as connection:
            return {row.digest: Layout.from_json(row.fields) for row in connection.execute(query)}

    def _row(self, endpoint: str) -> tuple[Any, Any]:
        return (LEDGERS.c.project == self.project, LEDGERS.c.endpoint == endpoint)

    def _through(self, endpoint: str) -> int:
        with self.workspace.catalog.read() as connection:
            return connection.execute(sql.select(LEDGERS.c.through).where(*self._row(endpoint))).scalar() or 0

    def _keep_through(self, endpoint: str, through: int, dropped: int) -> None:
        with self.workspace.catalog.transaction() as connection:
            kept = connection.execute(sql.select(LEDGERS.c.through).where(*self._row(endpoint))).scalar()
            if kept is None:
                row = {"project": self.project, "endpoint": endpoint, "through": through, "dropped": dropped}
                connection.execute(sql.insert(LEDGERS).values(**row))
            elif kept < through:
                values = {"through": through, "dropped": LEDGERS.c.dropped + dropped}
                connection.execute(sql.update(LEDGERS).where(*self._row(endpoint)).values(**values))


def _part(answer: Answer, part: slice) -> Answer:
    statuses = {name: codes[part] for name, codes in answer.statuses.items()}
    return Answer(columns=take(answer.columns, part), features=take(answer.features, part), statuses=statuses, version=answer.version)


def _between(table: pa.Table, since_us: int | None, until_us: int | None) -> pa.Table:
    moments = table["predicted_at"]
    if since_us is not None:
        table = table.filter(pc.greater_equal(moments, pa.scalar(since_us, pa.int64()).cast(moments.type)))
        moments = table["predicted_at"]
    if until_us is not None:
        table = table.filter(pc.less(moments, pa.scalar(until_us, pa.int64()).cast(moments.type)))
    return table
