"""One stream of events by every way that features are made: in a batch, and by writes, read many rows and one row at a time."""

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import numpy as np
import pyarrow as pa
from attrs import define, field
from numpy.typing import NDArray

from intonaco.core.columns import Column, Masked, Ragged
from intonaco.core.errors import IntonacoError
from intonaco.infra.compute.arrays import times
from intonaco.infra.compute.tables import TableEngine
from intonaco.infra.features.checking.hardstreams import HardStream
from intonaco.infra.features.defined.sets import FeatureSet
from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.features.offline.offline import read_offline
from intonaco.infra.features.online.answer import Answer
from intonaco.infra.features.online.plan import ReadPlan
from intonaco.infra.features.online.reader import OnlineReader
from intonaco.infra.features.writing.writer import OnlineWriter, ViewWriter
from intonaco.infra.storage.arrow import to_arrow
from intonaco.infra.storage.keyvalue import KeyValueStore

__all__ = ["Ways"]

_AT = "moment of the read"
#: Value, as text that shows each bit, status and age of a feature of an entity.
Cell = tuple[str, int, int]


@define(eq=False)
class Ways:
    """Makes the features of streams of one view by every way.

    Parameters
    ----------
    keyvalue
        Each stream is written under a project of its own, named after `prefix`.
    """

    view: FeatureView
    engine: TableEngine
    keyvalue: KeyValueStore = field(repr=False)
    prefix: str = "certificate"
    _numbers: "count[int]" = field(factory=count, init=False, repr=False)

    def difference(self, stream: HardStream) -> str:
        """Where two ways differ in a bit of a value, a status or an age; empty if nowhere, as where all refuse the stream."""
        project = f"{self.prefix}-{next(self._numbers)}"
        plan = ReadPlan.compile(FeatureSet(name="all", features=[self.view]), project, {self.view.name: 1})
        moment = self._moment(stream)
        first = _made(lambda: self._in_a_batch(plan, stream, moment))
        reader = OnlineReader(plan, self.keyvalue)
        written = _made(lambda: self._write(project, stream))
        for name, way in (("online", self._many), ("online, one row at a time", self._one_by_one)):
            found = written if isinstance(written, IntonacoError) else _made(partial(way, reader, stream, moment))
            told = self._told(first, name, found, stream)
            if told:
                return told
        return ""

    def _told(self, batch: Any, name: str, online: Any, stream: HardStream) -> str:
        """Where a way differs from the batch, in words."""
        refused = isinstance(batch, IntonacoError), isinstance(online, IntonacoError)
        if any(refused):
            return "" if all(refused) else f"in a batch {_outcome(batch)}, {name} {_outcome(online)}"
        for key, left, right in zip(stream.keys, batch, online, strict=True):
            for feature, one, other in zip(self.view.features, left, right, strict=True):
                if one != other:
                    return f"{feature.name} of {key}: in a batch {_cell(one)}, {name} {_cell(other)}"
        return ""

    def _moment(self, stream: HardStream) -> int:
        moments, timed = times(stream.events, self.view.source.time, "the events")
        return int(moments[timed].max() if timed.any() else 0) + stream.later_us

    def _in_a_batch(self, plan: ReadPlan, stream: HardStream, moment: int) -> list[list[Cell]]:
        rows = to_arrow(self._keys(stream), self.view.entity.keys)
        rows = rows.append_column(_AT, pa.array([moment] * len(stream.keys), pa.timestamp("us", tz="UTC")))
        return _cells(read_offline(self.engine, [(plan.views[0], self.view, stream.events)], rows, _AT))

    def _write(self, project: str, stream: HardStream) -> None:
        writer = OnlineWriter(self.keyvalue, (ViewWriter.of(self.view, project, 1),))
        table = self.view.source.table
        for number, batch in enumerate(stream.batches, 1):
            for _ in range(2 if stream.repeated else 1):
                (writer.materialize if number <= stream.stored else writer.push)({table: batch}, sequence=number)

    def _many(self, reader: OnlineReader, stream: HardStream, moment: int) -> list[list[Cell]]:
        return _cells(reader.read(self._keys(stream), np.full(len(stream.keys), moment)))

    def _one_by_one(self, reader: OnlineReader, stream: HardStream, moment: int) -> list[list[Cell]]:
        names = self.view.entity.keys.names
        rows = [reader.row(dict(zip(names, key, strict=True)), moment) for key in stream.keys]
        return [list(zip(map(_shown, row.values), row.statuses, row.ages, strict=True)) for row in rows]

    def _keys(self, stream: HardStream) -> dict[str, Column]:
        made: dict[str, Column] = {}
        for number, key in enumerate(self.view.entity.keys):
            kind = {"str": "object", "bytes": "object", "timestamp": "datetime64[us]"}.get(key.dtype, key.dtype)
            made[key.name] = np.array([parts[number] for parts in stream.keys], dtype=kind)
        return made


def _made(make: Callable[[], Any]) -> Any:
    """What is made, or the error with which it is refused."""
    try:
        return make()
    except IntonacoError as error:
        return error


def _outcome(found: Any) -> str:
    return f"refused ({found})" if isinstance(found, IntonacoError) else "answered"


def _cell(cell: Cell) -> str:
    return f"{cell[0]} (status {cell[1]}, age {cell[2]} us)"


def _cells(answer: Answer) -> list[list[Cell]]:
    """The cells of each row."""
    columns = [
        list(zip(map(_shown, _plain(column)), answer.statuses[name].tolist(), answer.ages[name].tolist(), strict=True))
        for name, column in answer.columns.items()
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def _plain(column: Column) -> list[Any]:
    if isinstance(column, Ragged):
        return [_plain(row) for row in column]
    if isinstance(column, Masked):
        return [None if gone else value for value, gone in zip(_plain(column.values), column.missing.tolist(), strict=True)]
    values: NDArray[Any] = column.astype("datetime64[us]").view("int64") if column.dtype.kind == "M" else column
    return list(values.tolist())


def _shown(value: Any) -> str:
    if isinstance(value, float) and value != value:
        return "None"
    return repr(list(value) if isinstance(value, tuple) else value)
