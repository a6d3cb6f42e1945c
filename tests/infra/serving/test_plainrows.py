"""Rows as people have them, held to what an endpoint takes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from intonaco.core.columns import Masked, Ragged
from intonaco.core.errors import InvalidError, SchemaError
from intonaco.core.schema import Field, Schema
from intonaco.infra.serving.protocol.plainrows import columns_of_rows, rows_of_columns, rows_of_text

INPUTS = Schema(
    (
        Field("km", "float64", nullable=True),
        Field("stops", "int64"),
        Field("zone", "str", categories=("north", "south")),
        Field("photo", "bytes", nullable=True),
        Field("track", "float32", shape=(2, 2)),
    )
)
ROW: dict[str, Any] = {"km": 1.5, "stops": 3, "zone": "north", "photo": b"\x00\xff", "track": [[1, 2], [3, 4]]}


def test_rows_become_columns_of_the_inputs_types() -> None:
    columns = columns_of_rows(INPUTS, [ROW, {**ROW, "km": None, "photo": None}])
    INPUTS.check(columns, "the rows")
    assert rows_of_columns(columns)[0] == {**ROW, "track": [[1.0, 2.0], [3.0, 4.0]]}
    photo = columns["photo"]
    assert isinstance(photo, Masked)
    assert photo.missing.tolist() == [False, True]


def test_values_of_numpy_are_taken_like_pythons() -> None:
    columns = columns_of_rows(INPUTS, [{**ROW, "km": np.float64(2.5), "stops": np.int32(4), "track": np.eye(2)}])
    assert rows_of_columns(columns)[0] == {**ROW, "km": 2.5, "stops": 4, "track": [[1.0, 0.0], [0.0, 1.0]]}


def test_what_is_left_out_is_missing() -> None:
    columns = columns_of_rows(INPUTS, [{name: value for name, value in ROW.items() if name not in ("km", "photo")}])
    assert rows_of_columns(columns)[0]["photo"] is None
    assert np.isnan(np.asarray(columns["km"])).tolist() == [True]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"mk": 1}, "mk"),
        ({"stops": None}, "stops"),
        ({"stops": 1.5}, "stops"),
        ({"stops": "3"}, "stops"),
        ({"stops": True}, "stops"),
        ({"stops": 2**70}, "stops"),
        ({"km": "far"}, "km"),
        ({"km": [1.0]}, "km"),
        ({"km": {"value": 1}}, "km"),
        ({"km": {1, 2}}, "km"),
        ({"km": object()}, "km"),
        ({"zone": "west"}, "zone"),
        ({"photo": "no base64!"}, "photo"),
        ({"track": 1.0}, "track"),
        ({"track": None}, "track"),
        ({"track": [1, 2, 3, 4]}, "track"),
        ({"track": [[1, 2], [3]]}, "track"),
        ({"track": ["ab", "cd"]}, "track"),
        ({"track": [[1, 2], [3, 1e300]]}, "track"),
    ],
)
def test_a_row_with_a_wrong_name_type_shape_or_value_names_the_input(change: dict[str, Any], field: str) -> None:
    with pytest.raises(SchemaError) as caught:
        columns_of_rows(INPUTS, [ROW, {**ROW, **change}])
    assert caught.value.field == field
    assert field in caught.value.message


@pytest.mark.parametrize("text", ['[{"km": NaN}]', '{"km": -Infinity}', '{"km": 1e999}', f'{{"km": {"9" * 60}}}'])
def test_a_number_that_json_has_not_is_refused_by_name(text: str) -> None:
    with pytest.raises(SchemaError, match="'km' holds NaN, Infinity") as caught:
        columns_of_rows(INPUTS.select(["km"]), rows_of_text(text))
    assert "null" in caught.value.hint


def test_no_rows_at_all_are_refused() -> None:
    with pytest.raises(InvalidError, match="no rows"):
        columns_of_rows(INPUTS, [])


def test_an_input_of_varying_length_is_asked_for_as_a_column() -> None:
    with pytest.raises(SchemaError, match="varies in length"):
        columns_of_rows(Schema((Field("words", "int64", shape=(-1,)),)), [{"words": [1, 2]}])
    assert rows_of_columns({"words": Ragged(np.array([1, 2, 3]), [0, 2, 3])}) == [{"words": [1, 2]}, {"words": [3]}]


@pytest.mark.parametrize("text", ["3", '["a"]', "{", '{"a": 1, "a": 2}', "", "[[]]"])
def test_text_that_holds_no_rows_is_refused(text: str) -> None:
    with pytest.raises(InvalidError):
        rows_of_text(text)


def test_rows_are_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text('[{"km": 1}]')
    assert rows_of_text(f"@{tmp_path / 'rows.json'}") == [{"km": 1}]
    with pytest.raises(InvalidError, match="cannot be read"):
        rows_of_text(f"@{tmp_path}")
