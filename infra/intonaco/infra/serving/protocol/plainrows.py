"""Rows as people have them, one mapping each, held to what an endpoint takes just as a request over HTTP is."""

import base64
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from intonaco.core.columns import Column, Columns
from intonaco.core.errors import InvalidError, SchemaError
from intonaco.core.schema import Field, Schema, suggestion
from intonaco.infra.serving.protocol.misfits import check_value
from intonaco.infra.serving.protocol.requests import RequestDecoder
from intonaco.infra.serving.protocol.strictjson import NOT_FINITE, parse
from intonaco.infra.serving.protocol.tensors import Tensor, listed

__all__ = ["columns_of_rows", "request_body", "rows_of_columns", "rows_of_text"]


def rows_of_text(text: str, what: str = "JSON") -> list[dict[str, Any]]:
    """Rows of a JSON object, of a list of them, of `@FILE`, or of `-`, the standard input.

    Parameters
    ----------
    what
        The argument that was given, for the message.

    Raises
    ------
    InvalidError
        It is something else, or there is no such file.
    """
    name = what.strip("-").lower()
    try:
        parsed = parse(_bytes_of(text, what), what, name)
    except SchemaError as error:
        error.hint = error.hint or _how(text)
        raise
    rows = parsed if isinstance(parsed, list) else [parsed]
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            told = f"row {number} of {what}" if isinstance(parsed, list) else what
            raise InvalidError(f"{told} is {row!r:.60}, expected an object", hint=_FORMS, field=name)
    return rows


_FORMS = """'{"origin": "JFK"}', a list of such objects, @FILE that holds them, or - for the standard input"""


def _bytes_of(text: str, what: str) -> bytes:
    if text in ("-", "@-"):
        return sys.stdin.buffer.read()
    if not text.startswith("@"):
        return text.encode("utf-8", "surrogateescape")
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise InvalidError(f"{what} names the file {text[1:]!r}, which cannot be read: {error.strerror}", hint=_FORMS) from error


def _how(text: str) -> str:
    """What was likely meant by a text that is no JSON."""
    return f"@{text} reads the file" if text and "\0" not in text and len(text) < 256 and Path(text).is_file() else f"give {_FORMS}"


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
    for number, row in enumerate(rows):
        _check_row(inputs, row, number)
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


def _check_row(inputs: Schema, row: Mapping[str, Any], number: int) -> None:
    for name in row:
        if name not in inputs:
            raise SchemaError(f"row {number}: unknown input {name!r}", hint=suggestion(name, inputs.names), field=name)
    for each in inputs:
        if row.get(each.name) is None and not each.nullable:
            fault = f"row {number} lacks the input {each.name!r} ({each.dtype}), which may not be missing"
            raise SchemaError(fault, hint=f"the inputs are {', '.join(inputs.names)}", field=each.name)


def _tensor(field: Field, values: list[Any]) -> dict[str, Any]:
    if field.shape[:1] == (-1,):
        raise SchemaError(f"input {field.name!r} varies in length; give it as columns", field=field.name)
    tensor = Tensor(field)
    plain = [_plain(value, tensor, f"row {number}: input {field.name!r}") for number, value in enumerate(values)]
    return {"name": field.name, "shape": [len(values), *field.shape], "datatype": tensor.datatype, "data": _flat(plain, field)}


def _plain(value: Any, tensor: Tensor, where: str) -> Any:
    """The value as JSON writes it; SchemaError if JSON has nothing for it."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if value is NOT_FINITE:
        check_value(tensor, value, where)
    plain = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    if isinstance(plain, list | tuple):
        return [_plain(each, tensor, where) for each in plain]
    if plain is None or isinstance(plain, str | int | float | dict):
        return plain
    raise SchemaError(f"{where} holds a {type(plain).__name__}, expected {tensor.field.dtype}", field=tensor.field.name)


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
        raise SchemaError(f"row {number}: input {field.name!r} is {value!r:.60}, expected {expected}", field=field.name)
    for each in value if shape else ():
        _check_shape(each, shape[1:], field, number)


def _leaves(value: Any, depth: int) -> list[Any]:
    return [value] if depth == 0 else [leaf for each in value for leaf in _leaves(each, depth - 1)]
