"""Outputs: the JSON that a worker answers, as a response in protocol buffers, raw or typed as the request was.

A missing float is NaN. Where a type has no value for missing something stands in its place, and the parameter `missing.NAME` of the
response tells the positions. Rows that differ in length lie one behind the other, and `lengths.NAME` tells how long each is.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from intonaco.infra.serving.front.rpc import inference_pb2
from intonaco.infra.serving.front.rpc.inputs import MISSING, NUMBERS, TYPED

__all__ = ["LENGTHS", "model_metadata", "response"]

_MESSAGES: Any = inference_pb2
#: Begins the name of a parameter that tells the lengths of the rows of the output named behind it.
LENGTHS: Final = "lengths."
_LENGTH = struct.Struct("<I")
#: What stands where a value is missing: -1 as the age of what was never seen has it in Python.
_STANDING: Final = {"BOOL": False, "BYTES": "", **{f"INT{bits}": -1 for bits in (8, 16, 32, 64)}, "FP32": math.nan, "FP64": math.nan}


class _Tensor(msgspec.Struct, gc=False):
    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class _Answer(msgspec.Struct, gc=False):
    model_name: str
    model_version: str
    outputs: list[_Tensor]
    id: str = ""
    parameters: dict[str, Any] = {}


_DECODER = msgspec.json.Decoder(_Answer)


def response(body: bytes, *, raw: bool) -> bytes:
    """The bytes of a `ModelInferResponse` that says what the body of an answer says."""
    answer = _DECODER.decode(body)
    told = _MESSAGES.ModelInferResponse(model_name=answer.model_name, model_version=answer.model_version, id=answer.id)
    for tensor in answer.outputs:
        shape, values, beside = _flat(tensor)
        answer.parameters.update(beside)
        put = told.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=shape)
        if raw:
            told.raw_output_contents.append(_packed(tensor.datatype, values))
        else:
            _put(put.contents, tensor.datatype, values)
    _set_parameters(told.parameters, answer.parameters)
    return bytes(told.SerializeToString())


def model_metadata(body: bytes) -> bytes:
    """The bytes of a `ModelMetadataResponse` that says what an endpoint's metadata says."""
    given = msgspec.json.decode(body)
    told = _MESSAGES.ModelMetadataResponse(name=given["name"], versions=given["versions"], platform=given["platform"])
    for tensors, put in ((given["inputs"], told.inputs), (given["outputs"], told.outputs)):
        for each in tensors:
            described = put.add(name=each["name"], datatype=each["datatype"], shape=each["shape"])
            _set_parameters(described.parameters, each.get("parameters", {}))
    return bytes(told.SerializeToString())


def _set_parameters(put: Any, given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        kind = "bool_param" if isinstance(value, bool) else "int64_param" if isinstance(value, int) else "string_param"
        setattr(put[name], kind, value)


def _flat(tensor: _Tensor) -> tuple[list[int], list[Any], dict[str, str]]:
    """Shape, values and the parameters that tell of them."""
    shape, values, beside = tensor.shape, tensor.data, {}
    if -1 in shape:
        lengths = [-1 if row is None else len(row) for row in values]
        values = [value for row in values if row is not None for value in row]
        for _ in shape[2:]:
            values = [value for row in values for value in row]
        if len(set(lengths)) == 1 and lengths[0] >= 0:
            shape = [len(lengths), lengths[0], *shape[2:]]
        else:
            shape = [sum(length for length in lengths if length > 0), *shape[2:]]
            beside[LENGTHS + tensor.name] = ",".join(map(str, lengths))
    if None in values:
        if not tensor.datatype.startswith("FP"):
            beside[MISSING + tensor.name] = ",".join(str(place) for place, value in enumerate(values) if value is None)
        standing = _STANDING.get(tensor.datatype, 0)
        values = [standing if value is None else value for value in values]
    return shape, values, beside


def _packed(datatype: str, values: Sequence[Any]) -> bytes:
    if datatype == "BYTES":
        texts = [value.encode() for value in values]
        return b"".join([part for text in texts for part in (_LENGTH.pack(len(text)), text)])
    return np.array(values, dtype=NUMBERS[datatype]).tobytes()


def _put(contents: Any, datatype: str, values: Sequence[Any]) -> None:
    getattr(contents, TYPED[datatype]).extend([value.encode() for value in values] if datatype == "BYTES" else values)
