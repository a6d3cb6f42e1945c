"""Records of a topic: one event as a JSON object, or many as an Arrow stream; told apart by their first byte.

JSON is what any program can append: every declared column by its name, null where there is no value, times as microseconds
since 1970 or as ISO 8601 with a zone, bytes as base64, decimals as text; other names are left out, as other columns of a table
are. Arrow holds the same columns for many events at once, and is what `FeatureStore.append` writes.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Annotated, Any

import msgspec
import numpy as np
import pyarrow as pa
from attrs import define, evolve, field

from intonaco.core.errors import DefinitionError, SchemaError
from intonaco.core.schema import Field, Schema
from intonaco.infra.compute.timeline import as_us
from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.features.streams.eventtext import EventText
from intonaco.infra.features.streams.received import NOWHERE, Fault, Origin, Received
from intonaco.infra.storage.arrow import arrow_schema, conform
from intonaco.infra.storage.arrowtypes import PRIVATE

__all__ = ["EventRecords", "named"]

#: Events of one Arrow record.
ROWS_PER_RECORD = 5_000
_ARROW = b"\xff\xff\xff\xff"
_WHOLE = {f"{sign}int{bits}": (bits, bool(sign)) for sign in ("", "u") for bits in (8, 16, 32, 64)}


@define(eq=False)
class EventRecords:
    """Writes and reads the records of a topic.

    Parameters
    ----------
    schema
        The columns of its events, all nullable.
    private
        Columns of personal data, whose values no message shows.
    """

    topic: str
    schema: Schema
    private: frozenset[str] = frozenset()
    text: EventText = field(init=False)
    _decoder: "msgspec.json.Decoder[Any]" = field(init=False)

    @classmethod
    def of(cls, topic: str, views: Collection[FeatureView]) -> "EventRecords":
        """The records that views of one topic read: the columns of their source, its times, and the keys of their entities."""
        columns: dict[str, Field] = {}
        for view in views:
            times = [Field(name, "timestamp") for name in (view.source.time, view.source.created) if name]
            for each in (*view.source.columns, *times, *view.entity.keys):
                held = columns.setdefault(each.name, Field(each.name, each.dtype, nullable=True))
                if held.dtype != each.dtype:
                    fault = f"topic {topic!r}: views take {each.name!r} for {held.dtype} and for {each.dtype}"
                    raise DefinitionError(fault, hint="declare it alike in all of them", field=each.name)
        private = frozenset(each.name for view in views for each in view.source.columns if PRIVATE in each.tags)
        return cls(topic, Schema(tuple(columns.values())), private)

    def __attrs_post_init__(self) -> None:
        fields = [(f"f{number}", _json_type(each) | None) for number, each in enumerate(self.schema)]
        rename = {f"f{number}": each.name for number, each in enumerate(self.schema)}
        self.text = EventText(self.schema, self.private)
        self._decoder = msgspec.json.Decoder(msgspec.defstruct("Event", fields, rename=rename, gc=False))

    def of_table(self, events: pa.Table) -> list[bytes]:
        """Arrow records of events; SchemaError where a column is missing or of another type."""
        held = self._conformed(events)
        return [_arrow_record(held.slice(start, ROWS_PER_RECORD)) for start in range(0, held.num_rows, ROWS_PER_RECORD)]

    def of_rows(self, rows: Sequence[Mapping[str, Any]]) -> list[bytes]:
        """JSON records of events; SchemaError names the first that could not be read back."""
        records = [msgspec.json.encode(row) for row in rows]
        faults = self.read([(number, record) for number, record in enumerate(records)]).faults
        if faults:
            raise SchemaError(
                f"event {faults[0].origin.offset} for {self.topic!r}: {faults[0].reason}",
                hint="nothing was appended",
                field=faults[0].field,
            )
        return records

    def read(self, records: Sequence[tuple[int, bytes]], partition: int = 0) -> Received:
        """The events of (offset, value) records, in their order."""
        parts: list[Received] = []
        for is_arrow, run in groupby(records, key=lambda record: record[1][:4] == _ARROW):
            if is_arrow:
                parts += [self._of_arrow(Origin(partition, offset), value) for offset, value in run]
            else:
                parts.append(self._of_json(partition, list(run)))
        return Received.joined(parts, self.schema)

    def record_of(self, events: pa.Table, row: int) -> bytes:
        """One event as a record of its own."""
        return _arrow_record(events.slice(row, 1))

    def _of_arrow(self, origin: Origin, value: bytes) -> Received:
        try:
            events = self._conformed(pa.ipc.open_stream(value).read_all())
        except (pa.ArrowException, OSError, SchemaError) as error:
            return self._nothing(Fault(origin, _reason(error), value, _field(error)))
        rows = np.arange(events.num_rows)
        return Received(events, np.stack([np.full_like(rows, origin.partition), np.full_like(rows, origin.offset), rows], axis=1))

    def _of_json(self, partition: int, records: Sequence[tuple[int, bytes]]) -> Received:
        objects: list[Any] = []
        kept: list[tuple[int, bytes]] = []
        faults: list[Fault] = []
        decode = self._decoder.decode
        for offset, value in records:
            try:
                objects.append(decode(value))
                kept.append((offset, value))
            except (msgspec.MsgspecError, ValueError) as error:
                name = _field(error)
                faults.append(Fault(Origin(partition, offset), self.text.misfit(value, name) or _reason(error), value, name))
        made = self._made(partition, objects, kept)
        return evolve(made, faults=faults + made.faults)

    def _made(self, partition: int, objects: Sequence[Any], records: Sequence[tuple[int, bytes]]) -> Received:
        """The events of objects; where Arrow cannot hold one, of each half."""
        if not objects:
            return self._nothing()
        try:
            events = self._table(objects)
        except pa.ArrowException as error:
            if len(objects) == 1:
                return self._nothing(Fault(Origin(partition, records[0][0]), _reason(error), records[0][1]))
            half = len(objects) // 2
            one, other = self._made(partition, objects[:half], records[:half]), self._made(partition, objects[half:], records[half:])
            faults = one.faults + other.faults
            return Received(pa.concat_tables([one.events, other.events]), np.concatenate([one.origins, other.origins]), faults)
        offsets = np.array([offset for offset, _ in records], dtype=np.int64)
        return Received(events, np.stack([np.full_like(offsets, partition), offsets, np.zeros_like(offsets)], axis=1))

    def _nothing(self, *faults: Fault) -> Received:
        return Received(arrow_schema(self.schema).empty_table(), NOWHERE, list(faults))

    def _conformed(self, events: pa.Table) -> pa.Table:
        for name in self.schema.names:
            if events.column_names.count(name) != 1:
                self.schema.check_names(events.column_names, f"an event of {self.topic!r}")
        return conform(events.select(list(self.schema.names)), self.schema)

    def _table(self, objects: Sequence[Any]) -> pa.Table:
        wanted = arrow_schema(self.schema)
        columns = [_array([getattr(each, f"f{number}") for each in objects], kind.type) for number, kind in enumerate(wanted)]
        return pa.Table.from_arrays(columns, schema=wanted)


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if not pa.types.is_timestamp(kind):
        return pa.array(values, kind)
    moments = [value if value is None or isinstance(value, int) else as_us(value) for value in values]
    return pa.array(moments, pa.int64()).view(kind)


def _arrow_record(events: pa.Table, metadata: Mapping[str, str] | None = None) -> bytes:
    sink = pa.BufferOutputStream()
    plain = events.replace_schema_metadata(metadata)
    with pa.ipc.new_stream(sink, plain.schema) as writer:
        writer.write_table(plain)
    return bytes(sink.getvalue())


def _json_type(column: Field) -> Any:
    if column.dtype in _WHOLE and not column.shape:
        bits, unsigned = _WHOLE[column.dtype]
        low, high = (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return Annotated[int, msgspec.Meta(ge=low, le=min(high, 2**63 - 1))]
    if column.dtype == "timestamp":
        return Annotated[int, msgspec.Meta(ge=-(2**63) + 1, le=2**63 - 1)] | Annotated[datetime, msgspec.Meta(tz=True)]
    if column.dtype.startswith("decimal"):
        return Decimal
    return _JSON_TYPES.get("list" if column.shape else column.dtype, str)


_JSON_TYPES: Mapping[str, Any] = {"bool": bool, "float32": float, "float64": float, "str": str, "bytes": bytes, "json": str, "list": list}


def _reason(error: Exception) -> str:
    return error.message if isinstance(error, SchemaError) else f"it is no event: {error}"


def _field(error: Exception) -> str:
    """The column that an error names."""
    if isinstance(error, SchemaError):
        return error.field
    text = str(error)
    start = text.find("`$.")
    return text[start + 3 : text.find("`", start + 1)] if start >= 0 else text.partition("required field `")[2].partition("`")[0]


def named(record: bytes, origin: Origin) -> bytes:
    """The record, saying of which event it is a replay; what is no event stays as it is."""
    name = f"{origin.partition}.{origin.offset}.{origin.row}"
    if record[:4] == _ARROW:
        try:
            events = pa.ipc.open_stream(record).read_all()
        except (pa.ArrowException, OSError):
            return record
        return _arrow_record(events, {"replay of": name})
    return b'{"replay of":"%s",' % name.encode() + record[1:] if record[:1] == b"{" and record[1:2] != b"}" else record
