"""Answers: what the Open Inference Protocol says back, as strict JSON."""

from collections.abc import Sequence
from typing import Any

import msgspec
from attrs import frozen
from msgspec import UNSET, Struct, UnsetType

from intonaco.core.errors import SchemaError
from intonaco.core.schema import Field, Schema, suggestion
from intonaco.infra.serving.tensors import DATATYPES, Tensor

__all__ = ["Output", "encode_answer", "encode_error", "metadata", "select"]

_ENCODER = msgspec.json.Encoder()


class _Tensor(Struct):
    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class _Parameters(Struct):
    version: int
    prediction_id: str


class _Answer(Struct):
    model_name: str
    model_version: str
    parameters: _Parameters
    outputs: list[_Tensor]
    id: str | UnsetType = UNSET


@frozen(eq=False)
class Output:
    """One column of a scored batch: its name on the wire, its type, and plain values, one per row."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: list[Any]

    @classmethod
    def of(cls, field: Field, values: list[Any]) -> "Output":
        """A column of this field."""
        return cls(field.name, DATATYPES[field.dtype], field.shape, values)

    def rows(self, first: int, last: int) -> _Tensor:
        """The rows of one request."""
        values = self.values if last - first == len(self.values) else self.values[first:last]
        if self.shape and self.shape[0] >= 0:
            values = _flattened(values, len(self.shape))
        return _Tensor(self.name, [last - first, *self.shape], self.datatype, values)


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
    endpoint: str, version: int, prediction_id: str, request_id: str, outputs: Sequence[Output], first: int, last: int
) -> bytes:
    """The body of an answer: rows `first` to `last` of these outputs; NaN is null."""
    tensors = [output.rows(first, last) for output in outputs]
    return _ENCODER.encode(_Answer(endpoint, str(version), _Parameters(version, prediction_id), tensors, request_id or UNSET))


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
