"""Inputs: a request for a prediction in protocol buffers, as the body in JSON that workers take.

Numbers keep every bit: floats are written so that they read back the same, integers are whole. NaN and infinities are refused as
over HTTP; what is missing is said by its position, in the parameter `missing.NAME`.
"""

import re
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from intonaco.core.errors import SchemaError

__all__ = ["MISSING", "NUMBERS", "TYPED", "parameter", "request_body"]

#: Begins the name of a parameter that tells the positions of missing values of the tensor named behind it.
MISSING: Final = "missing."
#: How numbers stand in raw tensors; a bool is one byte.
NUMBERS: Final[dict[str, np.dtype[Any]]] = {
    "BOOL": np.dtype("u1"),
    **{f"{sign}INT{bits}": np.dtype(f"<{'u' if sign else 'i'}{bits // 8}") for sign in ("", "U") for bits in (8, 16, 32, 64)},
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
#: Where typed values stand.
TYPED: Final = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
#: Typed values are not narrowed to their datatype: workers refuse those that it cannot hold.
_WIDEST: Final[dict[str, np.dtype[Any]]] = {
    "bool_contents": np.dtype("u1"),
    "int_contents": np.dtype("i8"),
    "int64_contents": np.dtype("i8"),
    "uint_contents": np.dtype("u8"),
    "uint64_contents": np.dtype("u8"),
    "fp32_contents": np.dtype("f8"),
    "fp64_contents": np.dtype("f8"),
}
_POSITIONS = re.compile(r"\d{1,9}(,\d{1,9})*")
_LENGTH = struct.Struct("<I")
_ENCODER = msgspec.json.Encoder()


def request_body(request: Any) -> bytes:
    """The request as JSON; what workers refuse by themselves is passed on as it came.

    Raises
    ------
    SchemaError
        JSON has nothing for it: NaN where nothing is said to be missing, bytes that are no UTF-8, tensors that are cut off.
    """
    given = {name: parameter(value) for name, value in request.parameters.items()}
    missing = {name.removeprefix(MISSING): value for name, value in given.items() if name.startswith(MISSING)}
    body: dict[str, Any] = {"inputs": _inputs(request, missing)}
    if request.id:
        body["id"] = request.id
    if len(given) > len(missing):
        body["parameters"] = {name: value for name, value in given.items() if not name.startswith(MISSING)}
    if request.outputs:
        body["outputs"] = [{"name": each.name} for each in request.outputs]
    return _ENCODER.encode(body)


def parameter(value: Any) -> Any:
    """The one value that a parameter holds; None if it holds none."""
    kind = value.WhichOneof("parameter_choice")
    return None if kind is None else getattr(value, kind)


def _inputs(request: Any, missing: Mapping[str, Any]) -> list[dict[str, Any]]:
    tensors, raw = request.inputs, request.raw_input_contents
    if raw and len(raw) != len(tensors):
        raise SchemaError(f"there are {len(raw)} raw_input_contents for {len(tensors)} inputs", field="raw_input_contents")
    if missing and (strange := missing.keys() - {tensor.name for tensor in tensors}):
        raise SchemaError(f"the parameter {MISSING + min(strange)!r:.80} names no input of the request", field=f"parameters.{MISSING}")
    inputs = []
    for place, tensor in enumerate(tensors):
        values = _values(tensor, raw[place] if raw else None, _positions(tensor.name, missing.get(tensor.name)))
        inputs.append({"name": tensor.name, "shape": list(tensor.shape), "datatype": tensor.datatype, "data": values})
    return inputs


def _positions(name: str, given: Any) -> list[int]:
    if given is None:
        return []
    if not isinstance(given, str) or not _POSITIONS.fullmatch(given):
        what = f"the parameter {MISSING + name!r:.80} is no list of positions"
        raise SchemaError(what, hint="give places in the tensor, from 0, row by row: '0,3'", field=name)
    return [int(each) for each in given.split(",")]


def _values(tensor: Any, raw: bytes | None, gone: Sequence[int]) -> list[Any]:
    """The values of a tensor, None where they are missing; none of a datatype that the server does not know, for workers to say so."""
    name, datatype = tensor.name, tensor.datatype
    if datatype not in TYPED:
        return []
    if raw is not None and tensor.HasField("contents"):
        raise SchemaError(f"input {name!r} has raw and typed contents", hint="give one of them", field=name)
    if datatype == "BYTES":
        values = _texts(name, tensor.contents.bytes_contents if raw is None else _cut(name, raw))
    else:
        array = _typed(tensor) if raw is None else _raw(name, datatype, raw)
        _check(name, datatype, array, gone)
        values = (array != 0 if datatype == "BOOL" else array).tolist()
    for place in gone:
        if place >= len(values):
            raise SchemaError(f"input {name!r} has {len(values)} values, none at the missing position {place}", field=name)
        values[place] = None
    return values


def _typed(tensor: Any) -> Any:
    contents, kind = tensor.contents, TYPED[tensor.datatype]
    for field, _ in contents.ListFields():
        if field.name != kind:
            what = f"input {tensor.name!r} is {tensor.datatype} and has {field.name}"
            raise SchemaError(what, hint=f"{tensor.datatype} stands in {kind}", field=tensor.name)
    values = getattr(contents, kind)
    return np.array(values, dtype=_WIDEST[kind])


def _raw(name: str, datatype: str, raw: bytes) -> Any:
    dtype = NUMBERS[datatype]
    if len(raw) % dtype.itemsize:
        raise SchemaError(f"input {name!r} has {len(raw)} raw bytes, which are no whole values of {datatype}", field=name)
    return np.frombuffer(raw, dtype)


def _check(name: str, datatype: str, array: Any, gone: Sequence[int]) -> None:
    """Refuse what the datatype can spell and JSON cannot."""
    if datatype == "BOOL" and array.size and array.max() > 1:
        raise SchemaError(f"input {name!r} holds a BOOL that is neither 0 nor 1", field=name)
    if datatype.startswith("FP") and not (finite := np.isfinite(array)).all():
        faults = np.flatnonzero(~finite)
        if not set(faults.tolist()) <= set(gone):
            hint = f"name the positions of missing values in the parameter {MISSING + name!r}"
            raise SchemaError(f"input {name!r} holds NaN or Infinity, which it may not", hint=hint, field=name)


def _cut(name: str, raw: bytes) -> list[bytes]:
    """The values of a raw tensor of BYTES, each behind its length."""
    values, start, end = [], 0, len(raw)
    while start < end:
        stop = start + _LENGTH.size
        stop += _LENGTH.unpack_from(raw, start)[0] if stop <= end else 0
        if stop > end:
            raise SchemaError(f"the raw bytes of input {name!r} end within a value", field=name)
        values.append(raw[start + _LENGTH.size : stop])
        start = stop
    return values


def _texts(name: str, values: Sequence[bytes]) -> list[Any]:
    try:
        return [value.decode() for value in values]
    except UnicodeDecodeError as error:
        hint = "text is UTF-8; a column of bytes travels as base64 text, as over HTTP"
        raise SchemaError(f"input {name!r} holds bytes that are not UTF-8", hint=hint, field=name) from error
