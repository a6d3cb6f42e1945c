"""Requests: bodies of the Open Inference Protocol, decoded strictly, once for each signature's types."""

import functools
import operator
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from attrs import define, field, frozen
from msgspec import UNSET, Struct, UnsetType

from intonaco.core.errors import SchemaError
from intonaco.core.schema import Schema, suggestion
from intonaco.infra.serving.protocol.misfits import check_value, has_inexact
from intonaco.infra.serving.protocol.strictjson import parse
from intonaco.infra.serving.protocol.tensors import Tensor

__all__ = ["Request", "RequestDecoder", "microseconds"]

_Shape = list[int]
_HIGHEST_US = 253_402_300_799_999_999  # the end of the year 9999


class _Output(Struct, gc=False):
    name: str
    parameters: dict[str, Any] | UnsetType = UNSET


class _Body(Struct, gc=False):
    """What stands beside the inputs."""

    id: str | UnsetType = UNSET
    outputs: list[_Output] | UnsetType = UNSET
    parameters: dict[str, Any] | UnsetType = UNSET


@define(slots=True, eq=False)
class Request:
    """A decoded request: one list of values for each input of the schema, in its order."""

    id: str
    rows: int
    data: list[list[Any]]
    shapes: list[_Shape]
    at_us: int | None
    features: bool
    outputs: tuple[str, ...]


@frozen(eq=False)
class RequestDecoder:
    """Decodes the bodies of one endpoint.

    The common form (flat data, no key twice) is decoded in one pass into types made for these inputs; whatever that refuses is
    read again, slowly, to name what is wrong, or to take nested data.
    """

    tensors: tuple[Tensor, ...]
    _kinds: list[type[Struct]] = field(repr=False)
    _decoder: "msgspec.json.Decoder[Any]" = field(repr=False)
    _scalars: bool = field(init=False)
    _checked: tuple[int, ...] = field(init=False)

    @_scalars.default
    def _all_scalars(self) -> bool:
        return all(not tensor.field.shape for tensor in self.tensors)

    @_checked.default
    def _with_checks(self) -> tuple[int, ...]:
        return tuple(place for place, tensor in enumerate(self.tensors) if tensor.check is not None)

    @classmethod
    def of(cls, inputs: Schema) -> "RequestDecoder":
        """A decoder for these inputs."""
        tensors = tuple(Tensor(each) for each in inputs)
        kinds = [_kind(tensor) for tensor in tensors]
        inputs_type: Any = list[functools.reduce(operator.or_, kinds)] if kinds else list[_Output]  # type: ignore[misc]
        body = msgspec.defstruct("Body", [("inputs", inputs_type)], bases=(_Body,), kw_only=True, gc=False)
        return cls(tensors, kinds, msgspec.json.Decoder(body))

    def decode(self, body: bytes) -> Request:
        """The request in `body`.

        Raises
        ------
        SchemaError
            It is not a request for these inputs; the message and `field` name what is wrong.
        """
        try:
            wire = self._decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            wire = self._slowly(body)
        else:
            # A key given twice shows as a colon too many, and so does a colon in a text: then the slow parser decides.
            if body.count(b":") != 1 + 4 * len(wire.inputs) + _more_keys(wire):
                parse(body)
        return self._request(wire)

    def _request(self, wire: Any) -> Request:
        ordered = self._ordered(wire.inputs)
        data, shapes = [each.data for each in ordered], [each.shape for each in ordered]
        rows = shapes[0][0] if shapes and shapes[0] else 0
        # All inputs are scalars in most requests: then one comparison says that shapes and lengths are right.
        if rows < 1 or not self._scalars or shapes != [[rows]] * len(shapes) or list(map(len, data)) != [rows] * len(data):
            self._check_shapes(data, shapes, rows)
        for place in self._checked:
            self.tensors[place].check(data[place])  # type: ignore[misc]
        if wire.parameters is UNSET and wire.outputs is UNSET:
            return Request(wire.id or "", rows, data, shapes, None, False, ())
        at_us, features = _parameters(wire.parameters)
        return Request(wire.id or "", rows, data, shapes, at_us, features, _outputs(wire.outputs))

    def _ordered(self, inputs: list[Any]) -> list[Any]:
        """The inputs in the order of the schema, each there once."""
        kinds = list(map(type, inputs))
        if kinds == self._kinds:
            return inputs
        by_kind = dict(zip(kinds, inputs, strict=True))
        if len(by_kind) != len(self._kinds) or len(inputs) != len(by_kind):
            raise self._names_fault([each.__struct_config__.tag for each in inputs])
        return [by_kind[kind] for kind in self._kinds]

    def _check_shapes(self, data: list[list[Any]], shapes: list[_Shape], rows: int) -> None:
        for tensor, values, shape in zip(self.tensors, data, shapes, strict=True):
            size = tensor.size if tensor.size >= 0 else _product(shape[1:])
            if rows < 1 or shape[:1] != [rows] or not _fits(shape, tensor) or len(values) != rows * size:
                raise _shape_fault(tensor, shape, len(values), rows)

    def _names_fault(self, given: Sequence[str]) -> SchemaError:
        known = [tensor.field.name for tensor in self.tensors]
        twice = next((name for name in given if list(given).count(name) > 1), None)
        if twice is not None:
            return SchemaError(f"the request gives the input {twice!r} twice", field=twice)
        missing = next(tensor for tensor in self.tensors if tensor.field.name not in given)
        name, hint = missing.field.name, f"the inputs are {', '.join(known)}"
        return SchemaError(f"the request lacks the input {name!r} ({missing.datatype})", hint=hint, field=name)

    def _slowly(self, body: bytes) -> Any:
        """What the one-pass decoder refused: an error that names the fault, or the request if its data was nested."""
        document = parse(body)
        if not isinstance(document, dict) or not isinstance(document.get("inputs"), list):
            hint = 'write {"inputs": [{"name": ..., "shape": ..., "datatype": ..., "data": [...]}]}'
            raise SchemaError("the body must be an object with a list 'inputs'", hint=hint, field="inputs")
        rest = {key: value for key, value in document.items() if key in _Body.__struct_fields__}
        wire = _convert(rest, _Body, "body")
        inputs = [self._input(each, place) for place, each in enumerate(document["inputs"])]
        return _Wire(inputs, wire)

    def _input(self, given: Any, place: int) -> Any:
        if not isinstance(given, dict) or not isinstance(given.get("name"), str):
            raise SchemaError(f"inputs[{place}] must be an object with a 'name'", field=f"inputs[{place}]")
        name = given["name"]
        known = {tensor.field.name: index for index, tensor in enumerate(self.tensors)}
        if name not in known:
            raise SchemaError(f"unknown input {_shown(name)}", hint=suggestion(name, known), field=name[:100] or f"inputs[{place}].name")
        return self._typed(given, self.tensors[known[name]], self._kinds[known[name]])

    def _typed(self, given: dict[str, Any], tensor: Tensor, kind: type[Struct]) -> Any:
        name = tensor.field.name
        for key in ("shape", "datatype", "data"):
            if key not in given:
                raise SchemaError(f"input {name!r} lacks its {key!r}", field=name)
        if given["datatype"] != tensor.datatype:
            raise SchemaError(f"input {name!r} has the datatype {_shown(given['datatype'])}, expected {tensor.datatype}", field=name)
        shape = _convert(given["shape"], _Shape, name)
        return kind(shape=shape, datatype=tensor.datatype, data=_held(_flat(given["data"], shape, tensor), tensor))


class _Wire:
    """The same names as the decoded structure, made by the slow path."""

    __slots__ = ("id", "inputs", "outputs", "parameters")

    def __init__(self, inputs: list[Any], rest: _Body) -> None:
        self.inputs = inputs
        self.id, self.outputs, self.parameters = rest.id, rest.outputs, rest.parameters


def _kind(tensor: Tensor) -> type[Struct]:
    """The type of one input's JSON object; its name is the tag that tells it from the others."""
    fields: list[tuple[str, Any]] = [("shape", _Shape), ("datatype", Literal[tensor.datatype]), ("data", list[tensor.quick])]  # type: ignore[name-defined]
    return msgspec.defstruct("Input", fields, tag_field="name", tag=tensor.field.name, gc=False)


def _more_keys(wire: Any) -> int:
    keys = 0 if wire.id is UNSET else 1
    if wire.parameters is not UNSET:
        keys += 1 + len(wire.parameters)
    if wire.outputs is not UNSET:
        keys += 1 + sum(1 if each.parameters is UNSET else 2 + len(each.parameters) for each in wire.outputs)
    return keys


def _fits(shape: _Shape, tensor: Tensor) -> bool:
    wanted = tensor.field.shape
    fits = (given == length or (length == -1 and given >= 0) for given, length in zip(shape[1:], wanted, strict=False))
    return len(shape) == 1 + len(wanted) and all(fits)


def _product(lengths: _Shape) -> int:
    size = 1
    for length in lengths:
        size *= max(length, 0)
    return size


def _shape_fault(tensor: Tensor, shape: _Shape, values: int, rows: int) -> SchemaError:
    name = tensor.field.name
    if not _fits(shape, tensor) or shape[0] < 1:
        return SchemaError(f"input {name!r} has the shape {shape}, expected {tensor.shape} with at least one row", field=name)
    if shape[0] != rows:
        return SchemaError(f"input {name!r} has {shape[0]} rows, the first input has {rows}", field=name)
    return SchemaError(f"input {name!r} has {values} values, its shape {shape} asks for {_product(shape)}", field=name)


def _flat(data: Any, shape: _Shape, tensor: Tensor) -> Any:
    """Nested data as one list, row-major; flat data as it is."""
    name = tensor.field.name
    for length in shape[1:] if isinstance(data, list) and any(isinstance(each, list) for each in data) else ():
        if not all(isinstance(each, list) and len(each) == length for each in data):
            raise SchemaError(f"input {name!r} holds nested data that does not fit its shape {shape}", field=name)
        data = [value for each in data for value in each]
    return data


def _held(data: Any, tensor: Tensor) -> list[Any]:
    """The values in the type of the tensor; SchemaError for the first that is none, with its row."""
    name = tensor.field.name
    if not isinstance(data, list):
        raise SchemaError(f"the data of input {name!r} is {_shown(data)}, expected a list", hint='"data": [1, 2]', field=name)
    try:
        held: list[Any] = msgspec.convert(data, list[tensor.element], strict=True)  # type: ignore[name-defined]
        if not has_inexact(tensor, data):
            return held
    except msgspec.ValidationError:
        pass
    for place, value in enumerate(data):
        where = f"value {place} of input {name!r}" if tensor.size < 1 else f"row {place // tensor.size}: input {name!r}"
        check_value(tensor, value, where)
    raise AssertionError(f"no value of input {name!r} is at fault")


def _convert(value: Any, kind: Any, name: str) -> Any:
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        what = "the body" if name == "body" else f"input {name!r}"
        raise SchemaError(f"{what} cannot be used: {error}", field=name) from error


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _parameters(given: dict[str, Any] | UnsetType) -> tuple[int | None, bool]:
    if given is UNSET or not given:
        return None, False
    features = given.get("features", False)
    if not isinstance(features, bool):
        raise SchemaError(f"the parameter 'features' is {_shown(features)}, expected true or false", field="parameters.features")
    return microseconds(given["at"]) if "at" in given else None, features


def microseconds(at: Any, field: str = "parameters.at") -> int:
    """A moment given as microseconds since 1970 or in ISO 8601 with its offset, as microseconds; `field` is where it was given.

    Raises
    ------
    SchemaError
        It is neither.
    """
    if isinstance(at, int) and not isinstance(at, bool) and abs(at) <= _HIGHEST_US:
        return at
    try:
        moment = datetime.fromisoformat(at) if isinstance(at, str) else None
        if moment is not None and moment.tzinfo is not None:
            epoch = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
            return (moment - epoch) // (epoch.resolution)
    except (ValueError, OverflowError):
        pass
    hint = "give microseconds since 1970, or ISO 8601 with an offset: 2013-10-19T18:00:00Z"
    raise SchemaError(f"{field} is {_shown(at)}, which is no moment", hint=hint, field=field)


def _outputs(given: list[_Output] | UnsetType) -> tuple[str, ...]:
    return () if given is UNSET or not given else tuple(each.name for each in given)
