"""Records of the ledger: one for each scored batch, columns packed as bytes.

A record is its header (number, rows dropped before it, writer) and a MessagePack array. Which columns it holds is told by the
digest of its layout, which stands in the catalog. Format 1.
"""

import hashlib
import struct
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import msgspec
import numpy as np
from attrs import evolve, field, frozen
from numpy.typing import NDArray

from intonaco.core.columns import Column, Columns, Masked, Ragged
from intonaco.core.errors import CorruptError, InvalidError, SchemaError
from intonaco.core.schema import Field, Schema
from intonaco.infra.serving.endpoints.scorer import Answer, Scorer

__all__ = ["HEADER", "RESERVED", "Layout", "decode_header", "decode_record", "encode_record", "layouts_of"]

HEADER: Final = struct.Struct("<QI16s")
RESERVED: Final = Schema.of(
    prediction_id="str", prediction_row="int32", predicted_at="timestamp", model_version="int64", ledger_offset="int64"
)
_ENCODER = msgspec.msgpack.Encoder()


@frozen
class Layout:
    """Which columns the records of an endpoint hold: what was given, what was read, and what was answered.

    In the table, given columns have their own names, the others are `feature.NAME`, `status.NAME` and `output.NAME`.
    """

    project: str
    endpoint: str
    given: Schema
    features: Schema
    outputs: Schema
    digest: str = field(init=False)

    @digest.default
    def _make_digest(self) -> str:
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    @classmethod
    def of(cls, project: str, endpoint: str, scorer: Scorer) -> "Layout":
        """The layout for a version's answers; InvalidError if a given column has a name that the ledger needs."""
        for name in scorer.inputs.names:
            if name in RESERVED or name.startswith(("feature.", "status.", "output.")):
                raise InvalidError(f"input {name!r} has a name that the ledger keeps for itself", field=name)
        return cls(project, endpoint, _open(scorer.inputs), _open(scorer.features), _open(scorer.signature.outputs))

    @cached_property
    def schema(self) -> Schema:
        """Of the table."""
        read: list[Field] = []
        for each in self.features:
            read += (evolve(each, name=f"feature.{each.name}"), Field(f"status.{each.name}", "uint8"))
        outputs = [evolve(each, name=f"output.{each.name}") for each in self.outputs]
        return Schema((*RESERVED, *self.given, *read, *outputs))

    @property
    def table(self) -> str:
        """The table that takes these records."""
        return f"{self.project}/ledger.{self.endpoint}.{self.digest[:8]}"

    def to_json(self) -> str:
        """One line that `from_json` reads."""
        schemas = {"given": self.given.to_json(), "features": self.features.to_json(), "outputs": self.outputs.to_json()}
        return msgspec.json.encode({"project": self.project, "endpoint": self.endpoint, **schemas}).decode()

    @classmethod
    def from_json(cls, text: str) -> "Layout":
        """Read what `to_json` wrote."""
        stored = msgspec.json.decode(text)
        schemas = (Schema.from_json(stored[name]) for name in ("given", "features", "outputs"))
        return cls(stored["project"], stored["endpoint"], *schemas)


def layouts_of(project: str, endpoint: str, scorers: Mapping[int, Scorer]) -> dict[int, Layout]:
    """The layouts of an endpoint's versions."""
    return {version: Layout.of(project, endpoint, scorer) for version, scorer in scorers.items()}


def _open(schema: Schema) -> Schema:
    """The same columns, all nullable and of any category: a ledger takes what happened."""
    return Schema(tuple(evolve(each, nullable=True, categories=(), description="") for each in schema))


def encode_record(
    layout: Layout, ids: Sequence[str], counts: Sequence[int], at_us: NDArray[np.int64], given: Columns, answer: Answer
) -> bytes:
    """One batch, without its header."""
    packed = [_packed(given[each.name]) for each in layout.given]
    for each in layout.features:
        packed += (_packed(answer.features[each.name]), answer.statuses[each.name].tobytes())
    packed += [_packed(answer.columns[each.name]) for each in layout.outputs]
    return _ENCODER.encode([layout.digest, answer.version, ids, counts, at_us.tobytes(), packed])


def _packed(column: Column) -> Any:
    if isinstance(column, Masked):
        return [_packed(column.values), column.missing.tobytes()]
    if isinstance(column, Ragged):
        return [_packed(column.values), column.offsets.tobytes()]
    return column.tolist() if column.dtype.kind == "O" else column.tobytes()


def decode_header(record: bytes) -> tuple[int, int, bytes]:
    """Number, rows dropped before it, and writer of a record."""
    if len(record) < HEADER.size:
        raise CorruptError("a record of the ledger is shorter than its header")
    number, dropped, writer = HEADER.unpack_from(record)
    return number, dropped, writer


def decode_record(record: bytes, layouts: Mapping[str, Layout], offset: int) -> tuple[Layout, dict[str, Column]]:
    """The layout of a record of the stream, and its rows as the table has them."""
    try:
        digest, version, ids, counts, at, packed = msgspec.msgpack.decode(memoryview(record)[HEADER.size :])
        layout = layouts[digest]
        rows = sum(counts)
        columns: dict[str, Column] = {
            "prediction_id": np.repeat(np.array(ids, dtype=object), counts),
            "prediction_row": np.concatenate([np.arange(count, dtype=np.int32) for count in counts]),
            "predicted_at": np.frombuffer(at, dtype="datetime64[us]"),
            "model_version": np.full(rows, version, dtype=np.int64),
            "ledger_offset": np.full(rows, offset, dtype=np.int64),
        }
        fields = [each for each in layout.schema if each.name not in RESERVED]
        columns.update({each.name: _unpacked(held, each, rows) for each, held in zip(fields, packed, strict=True)})
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError, SchemaError) as error:
        raise CorruptError(f"record {offset} of the ledger cannot be read: {error!r}") from error
    return layout, columns


def _unpacked(held: Any, field: Field, rows: int) -> Column:
    if field.shape[:1] == (-1,):
        return Ragged(_array(held[0], field, (-1, *field.shape[1:])), np.frombuffer(held[1], dtype=np.int64))
    masked = isinstance(held, list) and len(held) == 2 and isinstance(held[1], bytes) and _is_mask(held, field)
    values = _array(held[0] if masked else held, field, (rows, *field.shape))
    missing = np.frombuffer(held[1], dtype=np.bool_) if masked else np.zeros(rows, dtype=np.bool_)
    plain_float = field.dtype.startswith("float") and not masked
    return values if plain_float or not field.nullable else Masked(values, missing)


def _is_mask(held: list[Any], field: Field) -> bool:
    """Whether a list is (values, mask), not two values of a column of objects."""
    return isinstance(held[0], list) or field.dtype not in ("str", "json", "bytes")


def _array(held: Any, field: Field, shape: tuple[int, ...]) -> NDArray[Any]:
    if isinstance(held, bytes):
        return np.frombuffer(held, dtype="datetime64[us]" if field.dtype == "timestamp" else field.dtype).reshape(shape)
    array = np.empty(len(held), dtype=object)
    array[:] = held
    return array.reshape(shape)
