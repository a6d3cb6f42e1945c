"""Answers: what the Open Inference Protocol says back, as strict JSON."""

import functools
from collections.abc import Sequence
from typing import Any

import msgspec
from attrs import frozen

from intonaco.core.errors import SchemaError
from intonaco.core.schema import Field, Schema, suggestion
from intonaco.infra.serving.protocol.tensors import Tensor, datatype_of

__all__ = ["Output", "encode_answer", "encode_error", "metadata", "select"]

_ENCODER = msgspec.json.Encoder()


@frozen(eq=False)
class Output:
    """One column of a scored batch: its name on the wire, its type, and plain values, one per row."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: list[Any]
    head: bytes
    tail: bytes
    texts: Sequence[bytes] = ()

    @classmethod
    def of(cls, field: Field, values: list[Any], *, apart: bool = False) -> "Output":
        """A column of this field; `apart` says that its rows go to several requests."""
        head, tail = _around(field)
        datatype = datatype_of(field)
        # The JSON of numbers holds no comma, so the rows are written in one go and cut.
        texts = _ENCODER.encode(values)[1:-1].split(b",") if apart and not field.shape and datatype != "BYTES" else ()
        return cls(field.name, datatype, field.shape, values, head, tail, texts)

    def rows(self, first: int, last: int) -> bytes:
        """The rows of one request, as JSON."""
        if self.texts:
            return b"%b%d%b[%b]}" % (self.head, last - first, self.tail, b",".join(self.texts[first:last]))
        values = self.values if last - first == len(self.values) else self.values[first:last]
        if self.shape and self.shape[0] >= 0:
            values = _flattened(values, len(self.shape))
        return b"%b%d%b%b}" % (self.head, last - first, self.tail, _ENCODER.encode(values))


@functools.lru_cache(maxsize=4096)
def _around(field: Field) -> tuple[bytes, bytes]:
    """What stands before the number of rows, and between that and the values; the same for every answer."""
    lengths = "".join(f",{length}" for length in field.shape)
    head = b'{"name":%b,"shape":[' % _ENCODER.encode(field.name)
    return head, f'{lengths}],"datatype":"{datatype_of(field)}","data":'.encode()


def _flattened(values: list[Any], depth: int) -> list[Any]:
    for _ in range(depth):
        values = [value for row in values for value in row]
    return values


def select(outputs: Sequence[Output], wanted: tuple[str, ...]) -> Sequence[Output]:
    """Those that a request asks for, in its order; all if it asks for none.

    Raises
    ------
    SchemaError
        It asks for one that the model does not give.
    """
    if not wanted:
        return outputs
    by_name = {output.name: output for output in outputs}
    for name in wanted:
        if name not in by_name:
            raise SchemaError(f"unknown output {name!r}", hint=suggestion(name, by_name), field=name)
    return [by_name[name] for name in wanted]


def encode_answer(
    endpoint: str,
    version: int,
    prediction_id: str,
    request_id: str,
    outputs: Sequence[Output],
    first: int,
    last: int,
    degraded: tuple[str, ...] = (),
) -> bytes:
    """The body of an answer: rows `first` to `last` of these outputs; NaN is null."""
    head = _head(endpoint, version, prediction_id, request_id, degraded)
    return b"%b%b]}" % (head.encode(), b",".join([output.rows(first, last) for output in outputs]))


def _head(endpoint: str, version: int, prediction_id: str, request_id: str, degraded: tuple[str, ...]) -> str:
    """All before the outputs; the names of endpoints and our own ids need no escapes, a caller's id may."""
    given = f'"id":{_ENCODER.encode(request_id).decode()},' if request_id else ""
    more = f',"degraded":{_ENCODER.encode(", ".join(degraded)).decode()}' if degraded else ""
    parameters = f'"parameters":{{"version":{version},"prediction_id":"{prediction_id}"{more}}}'
    return f'{{"model_name":"{endpoint}","model_version":"{version}",{given}{parameters},"outputs":['


def encode_error(message: str, *, code: str, field: str = "", hint: str = "", error_id: str = "") -> bytes:
    """The body of a refusal; the protocol asks for the text under `error`."""
    return _ENCODER.encode({"error": message, "code": code, "field": field, "hint": hint, "error_id": error_id})


def metadata(endpoint: str, versions: Sequence[int], inputs: Schema, outputs: Schema) -> bytes:
    """What the protocol calls a model's metadata."""
    return _ENCODER.encode(
        {
            "name": endpoint,
            "versions": [str(version) for version in versions],
            "platform": "intonaco",
            "inputs": [_described(each) for each in inputs],
            "outputs": [_described(each) for each in outputs],
        }
    )


def _described(field: Field) -> dict[str, Any]:
    tensor = Tensor(field)
    extra = {key: value for key, value in (("unit", field.unit), ("description", field.description)) if value}
    return {"name": field.name, "datatype": tensor.datatype, "shape": tensor.shape, "parameters": {"nullable": field.nullable, **extra}}
