from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from intonaco.core.errors import InvalidError, QualityError, SchemaError
from intonaco.core.schema import Field, Schema
from intonaco.infra.storage.arrow import to_arrow
from intonaco.infra.storage.checks import Check, InRange, Matches, NotNull, OneOf, Unique, check_from_json, check_to_json, require

_ROWS = pa.table(
    {
        "n": [1, 2, 2, None],
        "f": [1.0, float("nan"), None, 9.0],
        "s": ["x", "y", "y", "zz"],
        "c": pa.array(["x", "y", "y", "zz"]).dictionary_encode(),
        "t": pa.array([0, 1, 2, None], pa.timestamp("us", "UTC")),
    }
)
_CASES: list[tuple[Check, list[int]]] = [
    (NotNull("n"), [3]),
    (NotNull(("n", "f")), [1, 2, 3]),
    (NotNull(()), []),
    (InRange("n", 2), [0]),
    (InRange("f", 0, 2), [3]),
    (InRange("f", high=0), [0, 3]),
    (InRange("t", low=datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC)), [0]),
    (OneOf("c", ("x", "y")), [3]),
    (OneOf("n", (1,)), [1, 2]),
    (Unique(("n", "c")), [2]),
    (Unique("s"), [2]),
    (Matches("s", "[xyz]"), [3]),
    (Matches("c", "z*"), [0, 1, 2]),
]


@pytest.mark.parametrize(("check", "rows"), _CASES, ids=str)
def test_a_check_finds_the_rows_that_violate_it(check: Check, rows: list[int]) -> None:
    assert check.violations(_ROWS).nonzero()[0].tolist() == rows
    assert check.violations(_ROWS.slice(0, 0)).tolist() == []
    assert check_from_json(check_to_json(check)) == check


def test_the_error_names_check_table_number_and_first_row() -> None:
    with pytest.raises(QualityError, match=r"2 of 4 rows for a/t violate OneOf\(.*first is row 1: \{'n': 2") as caught:
        require("a/t", _ROWS, [NotNull("s"), OneOf("n", (1,))])
    assert "nothing was written" in caught.value.hint
    require("a/t", _ROWS, [NotNull("s")])


def test_the_error_shows_no_personal_data() -> None:
    schema = Schema((Field("who", "str", tags=("private",)), Field("n", "int64")))
    rows = to_arrow({"who": np.array(["Ada"], object), "n": np.array([1])}, schema)
    with pytest.raises(QualityError) as caught:
        require("a/t", rows, [InRange("n", 2)])
    assert "Ada" not in str(caught.value)


@pytest.mark.parametrize(
    "check", [OneOf("n", ("x",)), Matches("n", "x"), Matches("s", "("), InRange("s", 1), InRange("t", "soon")], ids=str
)
def test_a_check_that_cannot_be_tried_says_so(check: Check) -> None:
    with pytest.raises(SchemaError, match="cannot be tried on a/t"):
        require("a/t", _ROWS, [check])


def test_a_check_of_an_unknown_column_suggests_a_known_one() -> None:
    with pytest.raises(SchemaError, match="did you mean"):
        require("a/t", pa.table({"delay": [1]}), [NotNull("dely")])


@pytest.mark.parametrize("stored", [{}, {"check": "NotNul", "columns": ["a"]}, {"check": "NotNull", "column": "a"}])
def test_a_stored_check_that_is_none_is_refused(stored: dict[str, object]) -> None:
    with pytest.raises(InvalidError):
        check_from_json(stored)


class _Odd(Check):
    def violations(self, data: pa.Table) -> "NDArray[np.bool_]":
        return np.array([False, True] * data.num_rows)[: data.num_rows]


def test_a_check_of_ones_own_holds_but_is_not_recorded() -> None:
    with pytest.raises(QualityError):
        require("a/t", _ROWS, [_Odd()])
    with pytest.raises(InvalidError, match="known: NotNull"):
        check_to_json(_Odd())
