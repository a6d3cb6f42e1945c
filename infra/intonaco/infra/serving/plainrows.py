"""Rows as people have them, one mapping each, held to what an endpoint takes just as a request over HTTP is."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from intonaco.core.columns import Column, Columns
from intonaco.core.errors import InvalidError, SchemaError
from intonaco.core.schema import Field, Schema, suggestion
from intonaco.infra.serving.requests import RequestDecoder
from intonaco.infra.serving.strictjson import NOT_FINITE, parse
from intonaco.infra.serving.tensors import Tensor, listed

__all__ = ["columns_of_rows", "request_body", "rows_of_columns", "rows_of_text"]


def rows_of_text(text: str) -> list[dict[str, Any]]:
    """Rows of a JSON object, of a list of them, or of `@FILE`.

    Raises
    ------
    InvalidError
        It is something else, or there is no such file.
    """
    if text.startswith("@"):
        path = Path(text[1:])
        if not path.is_file():
            raise InvalidError(f"there is no file {path}", hint="give JSON, or @ and the path of a file that holds it")
        text = path.read_text(encoding="utf-8")
    parsed = parse(text.encode("utf-8", "surrogateescape"))
    rows = parsed if isinstance(parsed, list) else [parsed]
    if not all(isinstance(row, dict) for row in rows):
        raise InvalidError("rows are JSON objects", hint='{"origin": "JFK", "dep_delay": 12}')
    return rows


def request_body(inputs: Schema, rows: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any] | None = None) -> bytes:
    """The rows as a request of the Open Inference Protocol; what a row leaves out is missing.

    Raises
    ------
    InvalidError
        There is no row.
    SchemaError
        A row names an input that there is not, or leaves out one that may not be missing.
    """
    if not rows:
        raise InvalidError("there are no rows to predict", hint='give at least one: [{"origin": "JFK"}]')
    for row in rows:
        _check_row(inputs, row)
    tensors = [_tensor(each, [row.get(each.name) for row in rows]) for each in inputs]
    return msgspec.json.encode({"inputs": tensors, **({"parameters": dict(parameters)} if parameters else {})})


def columns_of_rows(inputs: Schema, rows: Sequence[Mapping[str, Any]]) -> dict[str, Column]:
    """The rows as columns; SchemaError names the input that is not what the endpoint takes."""
    decoder = RequestDecoder.of(inputs)
    request = decoder.decode(request_body(inputs, rows))
    return {tensor.field.name: tensor.column(data) for tensor, data in zip(decoder.tensors, request.data, strict=True)}


def rows_of_columns(columns: Columns) -> list[dict[str, Any]]:
    """Columns as one mapping for each row."""
    values = {name: listed(column) for name, column in columns.items()}
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def _check_row(inputs: Schema, row: Mapping[str, Any]) -> None:
    for name in row:
        if name not in inputs:
            raise SchemaError(f"unknown input {name!r}", hint=suggestion(name, inputs.names), field=name)
    for each in inputs:
        if row.get(each.name) is None and not each.nullable:
            fault = f"a row lacks the input {each.name!r} ({each.dtype}), which may not be missing"
            raise SchemaError(fault, hint=f"the inputs are {', '.join(inputs.names)}", field=each.name)


def _tensor(field: Field, values: list[Any]) -> dict[str, Any]:
    if field.shape[:1] == (-1,):
        raise SchemaError(f"input {field.name!r} varies in length; give it as columns", field=field.name)
    plain = [_plain(value, field) for value in values]
    return {"name": field.name, "shape": [len(values), *field.shape], "datatype": Tensor(field).datatype, "data": _flat(plain, field)}


def _plain(value: Any, field: Field) -> Any:
    """The value as JSON writes it; SchemaError if JSON has nothing for it."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if value is NOT_FINITE:
        what = "NaN, Infinity or a number beyond 64 bits"
        hint = "write null for a missing value" if field.nullable else "this input may not be missing"
        raise SchemaError(f"input {field.name!r} holds {what}, which it may not", hint=hint, field=field.name)
    plain = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    if isinstance(plain, list | tuple):
        return [_plain(each, field) for each in plain]
    if isinstance(plain, int) and field.dtype.startswith("float") and int(float(plain)) != plain:
        hint = f"write it with a point, {float(plain)!r}, if that is near enough"
        raise SchemaError(f"input {field.name!r} holds {plain}, which {field.dtype} cannot hold exactly", hint=hint, field=field.name)
    if plain is None or isinstance(plain, str | int | float | dict):
        return plain
    raise SchemaError(f"input {field.name!r} holds a {type(plain).__name__}, expected {field.dtype}", field=field.name)


def _flat(values: list[Any], field: Field) -> list[Any]:
    """The rows' values one behind the other; SchemaError where a row does not have the field's shape."""
    flat: list[Any] = []
    for number, value in enumerate(values):
        _check_shape(value, field.shape, field, number)
        flat += _leaves(value, len(field.shape))
    return flat


def _check_shape(value: Any, shape: Sequence[int], field: Field, number: int) -> None:
    if bool(shape) != isinstance(value, list) or (shape and len(value) != shape[0]):
        expected = f"shape {field.shape}" if field.shape else f"one {field.dtype}"
        raise SchemaError(f"input {field.name!r} of row {number} is {value!r:.60}, expected {expected}", field=field.name)
    for each in value if shape else ():
        _check_shape(each, shape[1:], field, number)


def _leaves(value: Any, depth: int) -> list[Any]:
    return [value] if depth == 0 else [leaf for each in value for leaf in _leaves(each, depth - 1)]
