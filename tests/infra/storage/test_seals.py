"""Seals over rows."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql

from intonaco.core.errors import CorruptError, InvalidError
from intonaco.infra.storage.catalog.seals import seal, verify

_ROW = {"name": "eta", "number": 3, "score": 0.1, "digest": b"\x00\xff", "held_out": True, "notes": None}


def test_the_seal_of_a_row_is_the_documented_one() -> None:
    """Seals that were stored before must stay valid."""
    assert seal(_ROW) == "e9e8ff26d48aabab351193d2e5bf1b27"


def test_a_row_verifies_after_the_database_gave_it_back(tmp_path: Path) -> None:
    kinds: list[tuple[str, Any]] = [("name", sql.Text), ("number", sql.Integer), ("score", sql.Double), ("digest", sql.LargeBinary)]
    kinds += [("held_out", sql.Boolean), ("notes", sql.Text), ("seal", sql.Text)]
    table = sql.Table("t", sql.MetaData(), *(sql.Column(name, kind) for name, kind in kinds))
    engine = sql.create_engine(f"sqlite:///{tmp_path}/x.db")
    with engine.begin() as connection:
        table.create(connection)
        connection.execute(table.insert().values(**_ROW, seal=seal(_ROW)))
        verify(connection.execute(sql.select(table)).mappings().one())
    engine.dispose()


@pytest.mark.parametrize("change", [{"name": "etb"}, {"number": 2}, {"score": 0.1000000001}, {"notes": ""}, {"number": "3"}, {"more": 1}])
def test_a_row_that_was_changed_is_corrupt_and_shown(change: dict[str, Any]) -> None:
    with pytest.raises(CorruptError, match="the version is damaged: name="):
        verify({**_ROW, "seal": seal(_ROW), **change}, where="the version")


def test_columns_that_change_later_are_left_out() -> None:
    row = {**_ROW, "seal": seal(_ROW), "status": "finished"}
    verify(row, leave_out={"status"})


def test_values_cannot_slip_from_one_column_into_another() -> None:
    assert seal({"a": "1:b=str:2", "b": ""}) != seal({"a": "1", "b": "2"})
    assert seal({"a": "x", "b": "yz"}) != seal({"a": "xy", "b": "z"})


def test_a_value_that_a_database_may_give_back_differently_is_refused() -> None:
    with pytest.raises(InvalidError, match="list"):
        seal({"a": [1]})
    with pytest.raises(InvalidError, match="nan"):
        seal({"a": float("nan")})


def test_numbers_that_are_equal_are_sealed_alike() -> None:
    assert seal({"a": 1}) == seal({"a": 1.0}) == seal({"a": True}) != seal({"a": "1"})
