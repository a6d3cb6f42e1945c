"""Tensors of gRPC: what goes in as JSON and out as protocol buffers keeps every bit, whatever the datatype."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from intonaco.core.errors import SchemaError
from intonaco.core.schema import Field, Schema
from intonaco.infra.serving.front.rpc import inference_pb2
from intonaco.infra.serving.front.rpc.inputs import NUMBERS, TYPED, request_body
from intonaco.infra.serving.front.rpc.outputs import response
from intonaco.infra.serving.front.rpc.refusals import text_of
from intonaco.infra.serving.protocol.answers import Output, encode_answer
from intonaco.infra.serving.protocol.requests import RequestDecoder
from intonaco.infra.serving.protocol.tensors import listed

MESSAGES: Any = inference_pb2
DTYPES = ["bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "float32", "float64"]


def columns_of(dtype: str) -> st.SearchStrategy[np.ndarray]:
    return arrays.arrays(dtype, st.integers(1, 8), elements={"allow_nan": False, "allow_infinity": False} if dtype[0] == "f" else None)


def asked(dtype: str, column: np.ndarray, *, raw: bool) -> Any:
    datatype = {"bool": "BOOL", "float32": "FP32", "float64": "FP64"}.get(dtype, dtype.upper())
    request = MESSAGES.ModelInferRequest(model_name="m")
    put = request.inputs.add(name="x", datatype=datatype, shape=[len(column)])
    if raw:
        request.raw_input_contents.append(column.tobytes())
    else:
        getattr(put.contents, TYPED[datatype]).extend(column.tolist())
    return request


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_numbers_reach_a_worker_with_every_bit_and_come_back_with_it(data: st.DataObject, dtype: str, raw: bool) -> None:
    column = data.draw(columns_of(dtype))
    field = Field("x", dtype)
    decoder = RequestDecoder.of(Schema((field,)))
    request = decoder.decode(request_body(asked(dtype, column, raw=raw)))
    arrived: Any = decoder.tensors[0].column(request.data[0])
    assert (arrived.dtype, arrived.tobytes()) == (column.dtype, column.tobytes())
    body = encode_answer("m", 1, "p-0", "", [Output.of(field, listed(arrived))], 0, len(column))
    told = MESSAGES.ModelInferResponse.FromString(response(body, raw=raw))
    kind = told.outputs[0].datatype
    back = told.raw_output_contents[0] if raw else np.array(list(getattr(told.outputs[0].contents, TYPED[kind])), NUMBERS[kind]).tobytes()
    assert back == column.tobytes()


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_texts_keep_every_character(texts: list[str]) -> None:
    request = MESSAGES.ModelInferRequest(model_name="m")
    request.inputs.add(name="x", datatype="BYTES", shape=[len(texts)])
    packed = b"".join(len(text.encode()).to_bytes(4, "little") + text.encode() for text in texts)
    request.raw_input_contents.append(packed)
    values = RequestDecoder.of(Schema.of(x="str")).decode(request_body(request)).data[0]
    assert values == texts
    body = encode_answer("m", 1, "p-0", "", [Output.of(Field("x", "str"), values)], 0, len(values))
    assert MESSAGES.ModelInferResponse.FromString(response(body, raw=True)).raw_output_contents[0] == packed


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("raw", [True, False])
def test_what_is_not_finite_is_refused_unless_it_is_said_to_be_missing(dtype: str, value: float, raw: bool) -> None:
    request = asked(dtype, np.array([1.0, value], dtype), raw=raw)
    with pytest.raises(SchemaError, match="holds NaN or Infinity") as caught:
        request_body(request)
    assert (caught.value.field, "missing.x" in caught.value.hint) == ("x", True)
    request.parameters["missing.x"].string_param = "0"
    with pytest.raises(SchemaError, match="holds NaN or Infinity"):
        request_body(request)
    request.parameters["missing.x"].string_param = "1"
    assert msgspec.json.decode(request_body(request))["inputs"][0]["data"] == [1.0, None]


def test_a_bool_is_zero_or_one() -> None:
    request = asked("bool", np.array([True]), raw=True)
    request.raw_input_contents[0] = b"\2"
    with pytest.raises(SchemaError, match="neither 0 nor 1"):
        request_body(request)


def test_typed_integers_that_their_datatype_cannot_hold_are_refused_by_the_worker() -> None:
    request = asked("int8", np.array([127]), raw=False)
    request.inputs[0].contents.int_contents[0] = 128
    with pytest.raises(SchemaError, match="is 128, expected int8"):
        RequestDecoder.of(Schema.of(x="int8")).decode(request_body(request))


def test_raw_and_typed_at_once_are_refused() -> None:
    request = asked("int8", np.array([1], "int8"), raw=True)
    request.inputs[0].contents.int_contents.append(1)
    with pytest.raises(SchemaError, match="raw and typed"):
        request_body(request)


def test_details_stay_below_what_clients_take() -> None:
    told = {"error": "ü" * 10_000, "field": "x" * 10_000, "hint": "😀" * 10_000, "code": "invalid", "error_id": ""}
    text = text_of(msgspec.json.encode(told))
    assert sum(1 if character.isascii() else 3 * len(character.encode()) for character in text) < 6000
    assert text.endswith("code: invalid)")
