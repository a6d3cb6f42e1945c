"""Rows as people have them, one mapping each, held to what an endpoint takes just as a request over HTTP is."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from intonaco.core.columns import Column, Columns
from intonaco.core.errors import InvalidError, SchemaError
from intonaco.core.schema import Field, Schema, suggestion
from intonaco.infra.serving.requests import RequestDecoder
from intonaco.infra.serving.tensors import Tensor, listed

__all__ = ["columns_of_rows", "request_body", "rows_of_columns"]


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
            raise SchemaError(f"a row lacks the input {each.name!r} ({each.dtype}), which may not be missing", field=each.name)


def _tensor(field: Field, values: list[Any]) -> dict[str, Any]:
    plain = [_plain(value) for value in values]
    shape = [len(values), *field.shape]
    if field.shape[:1] == (-1,):
        raise SchemaError(f"input {field.name!r} varies in length; give it as columns", field=field.name)
    return {"name": field.name, "shape": shape, "datatype": Tensor(field).datatype, "data": _flat(plain, len(field.shape))}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _flat(values: list[Any], depth: int) -> list[Any]:
    for _ in range(depth):
        values = [value for row in values for value in row]
    return values
