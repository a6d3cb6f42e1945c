import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intonaco.core.errors import SchemaError
from intonaco.core.schema import Field, Schema
from intonaco.infra.serving.protocol.plainrows import columns_of_rows
from intonaco.infra.serving.protocol.requests import RequestDecoder, microseconds

INPUTS = Schema(
    (
        Field("a", "float64", nullable=True),
        Field("b", "str"),
        Field("c", "int8"),
        Field("d", "float32"),
        Field("kind", "str", categories=("x", "y")),
        Field("u", "uint64"),
        Field("raw", "bytes"),
        Field("square", "float64", shape=(2, 2)),
    )
)
DECODER = RequestDecoder.of(INPUTS)
GOOD: dict[str, tuple[str, list[int], list[Any]]] = {
    "a": ("FP64", [2], [1.5, None]),
    "b": ("BYTES", [2], ["JFK", 'a "quoted": one']),
    "c": ("INT8", [2], [-128, 127]),
    "d": ("FP32", [2], [0.5, 2.0]),
    "kind": ("BYTES", [2], ["x", "y"]),
    "u": ("UINT64", [2], [0, 2**64 - 1]),
    "raw": ("BYTES", [2], ["AAE=", ""]),
    "square": ("FP64", [2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]),
}


def document(**changed: Any) -> dict[str, Any]:
    tensors = []
    for name, (datatype, shape, data) in GOOD.items():
        tensors.append({"name": name, "datatype": datatype, "shape": shape, "data": data, **changed.get(name, {})})
    return {"inputs": [tensor for tensor in tensors if tensor["data"] is not ...]}


def encoded(**changed: Any) -> bytes:
    return json.dumps(document(**changed)).encode()


def fault(body: bytes) -> SchemaError:
    with pytest.raises(SchemaError) as caught:
        DECODER.decode(body)
    return caught.value


def named(body: bytes) -> bool:
    """Whether the body is taken, or refused by the name of what is wrong."""
    try:
        DECODER.decode(body)
    except SchemaError as error:
        return bool(error.field)
    return True


def test_a_request_holds_the_values_of_each_input_in_the_order_of_the_schema() -> None:
    tensors = document()["inputs"]
    request = DECODER.decode(json.dumps({"inputs": tensors[::-1]}).encode())
    assert (request.rows, request.data) == (2, [GOOD[name][2] for name in INPUTS.names])


def test_nested_data_is_the_same_as_flat_data() -> None:
    nested = DECODER.decode(encoded(square={"data": [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]}))
    assert nested.data == DECODER.decode(encoded()).data


def test_id_outputs_and_parameters_are_taken_and_unknown_ones_ignored() -> None:
    more = {"id": "7", "outputs": [{"name": "y", "parameters": {"binary_data": False}}], "parameters": {"at": 5, "features": True, "z": 1}}
    request = DECODER.decode(json.dumps({**document(), **more, "later": [{"x": 1}]}).encode())
    assert (request.id, request.outputs, request.at_us, request.features) == ("7", ("y",), 5, True)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"b": {"data": [None, "x"]}}, "b"),
        ({"a": {"data": ["1.5", 2]}}, "a"),
        ({"a": {"data": [True, 2]}}, "a"),
        ({"a": {"data": [1]}}, "a"),
        ({"a": {"shape": [3]}}, "a"),
        ({"a": {"shape": [2, 1]}}, "a"),
        ({"a": {"shape": []}}, "a"),
        ({"a": {"shape": "2"}}, "a"),
        ({"a": {"datatype": "FP32"}}, "a"),
        ({"a": {"datatype": None}}, "a"),
        ({"a": {"data": "text"}}, "a"),
        ({"a": {"data": {"0": 1}}}, "a"),
        ({"c": {"data": [128, 0]}}, "c"),
        ({"c": {"data": [1.5, 0]}}, "c"),
        ({"c": {"data": [10**30, 0]}}, "c"),
        ({"d": {"data": [1e300, 0]}}, "d"),
        ({"u": {"data": [-1, 0]}}, "u"),
        ({"u": {"data": [2**64, 0]}}, "u"),
        ({"kind": {"data": ["x", "z"]}}, "kind"),
        ({"raw": {"data": ["no base64!", ""]}}, "raw"),
        ({"square": {"data": [[[1, 2], [3, 4]], [[5, 6], [7]]]}}, "square"),
        ({"square": {"shape": [2, 4]}}, "square"),
        ({"b": {"data": ...}}, "b"),
        ({"b": {"name": "q"}}, "q"),
        ({"b": {"name": "a", "datatype": "FP64", "data": [1, 2]}}, "a"),
    ],
)
def test_a_wrong_input_is_refused_by_its_name(changed: dict[str, Any], field: str) -> None:
    assert fault(encoded(**changed)).field == field


@pytest.mark.parametrize("literal", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"9" * 5000])
def test_a_number_that_is_none_is_refused_by_the_name_of_its_input(literal: bytes) -> None:
    assert fault(encoded().replace(b"1.5", literal)).field == "a"


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"1", b"null", b"{}", b'{"inputs":{}}', b'{"inputs":[]}', b'{"inputs":[1]}', b'{"inputs":[{}]}'),
        *(b"[" * 200_000, b'{"a":' * 200_000, b"\xff\xfe"),
    ],
)
def test_what_is_no_request_is_refused(body: bytes) -> None:
    assert fault(body).field


@pytest.mark.parametrize(
    "body",
    [
        encoded().replace(b'"name": "b",', b'"name": "c", "name": "b",'),
        encoded().replace(b'"name": "b",', b'"n\\u0061me": "c", "name": "b",'),
        b'{"inputs": [], ' + encoded()[1:],
        json.dumps({**document(), "parameters": {"at": 1}}).encode().replace(b'"at": 1', b'"at": 1, "at": 2'),
        json.dumps({**document(), "x": {"k": 1}}).encode().replace(b'"k": 1', b'"k": 1, "k": 2'),
    ],
)
def test_a_key_that_is_given_twice_is_refused(body: bytes) -> None:
    assert "twice" in fault(body).message


def test_half_of_a_surrogate_pair_is_refused() -> None:
    assert "surrogate" in fault(encoded().replace(b"JFK", b"\\ud800")).message


def test_a_body_that_is_cut_anywhere_is_refused() -> None:
    body = encoded()
    for length in range(len(body)):
        fault(body[:length])


@given(st.data())
def test_whatever_one_byte_is_changed_to_the_answer_is_a_request_or_a_named_fault(data: st.DataObject) -> None:
    body = bytearray(encoded())
    place = data.draw(st.integers(0, len(body) - 1))
    body[place] = data.draw(st.integers(0, 255))
    assert named(bytes(body))


KEYS = ["name", "shape", "data", "datatype", "inputs", "id"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_any_json_is_a_request_or_a_named_fault(value: Any) -> None:
    for body in (value, {"inputs": value}, {"inputs": [value]}, {**document(), "parameters": value}, document(a={"data": value})):
        assert named(json.dumps(body).encode())


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.none(), min_size=1, max_size=20))
def test_floats_come_in_exactly(values: list[float | None]) -> None:
    decoder = RequestDecoder.of(Schema.of(a="float64?"))
    tensor = {"name": "a", "shape": [len(values)], "datatype": "FP64", "data": values}
    column = decoder.tensors[0].column(decoder.decode(json.dumps({"inputs": [tensor]}).encode()).data[0])
    assert [None if value != value else value for value in column.tolist()] == values  # type: ignore[union-attr]


@given(st.integers(min_value=-(2**80), max_value=2**80))
def test_a_whole_number_comes_into_a_float_exactly_or_is_refused(value: int) -> None:
    decoder = RequestDecoder.of(Schema.of(a="float64?"))
    body = json.dumps({"inputs": [{"name": "a", "shape": [2], "datatype": "FP64", "data": [None, value]}]}).encode()
    if int(float(value)) == value:
        assert decoder.decode(body).data[0] == [None, float(value)]
        return
    with pytest.raises(SchemaError, match=f"row 1: input 'a' is {value}, which float64 cannot hold exactly") as caught:
        decoder.decode(body)
    assert (caught.value.field, "with a point" in caught.value.hint) == ("a", True)
    with pytest.raises(SchemaError, match="cannot hold exactly"):
        columns_of_rows(Schema.of(a="float64?"), [{"a": value}])


@pytest.mark.parametrize(("at", "expected"), [(0, 0), (-5, -5), ("1970-01-01T00:00:01Z", 10**6), ("1970-01-01T01:00:00+01:00", 0)])
def test_a_moment_is_microseconds_or_iso_8601(at: Any, expected: int) -> None:
    assert microseconds(at) == expected


def test_microseconds_are_exact() -> None:
    moment = datetime(2013, 10, 19, 18, 0, 0, 123457, tzinfo=UTC)
    assert microseconds(moment.isoformat()) == 1_382_205_600_123_457


@pytest.mark.parametrize("at", [True, 1.5, None, "2013-10-19T18:00:00", "noon", 10**20, []])
def test_what_is_no_moment_is_refused(at: Any) -> None:
    with pytest.raises(SchemaError) as caught:
        microseconds(at)
    assert caught.value.field == "parameters.at"
