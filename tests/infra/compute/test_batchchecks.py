import numpy as np
import pyarrow as pa
import pytest

from intonaco.core.errors import InvalidError, SchemaError
from intonaco.infra.compute.batchchecks import ALL_KINDS, Fresh, Resembles
from intonaco.infra.storage.checks import Check, check_from_json, check_to_json

HOUR_US = 3_600_000_000


def moments(*hours: float | None) -> pa.Table:
    return pa.table({"when": pa.array([None if each is None else int(each * HOUR_US) for each in hours], pa.timestamp("us", "UTC"))})


@pytest.mark.parametrize(
    ("rows", "bad"),
    [(moments(1, 9), False), (moments(1, 6), True), (moments(None), True), (moments(None, 10), False), (moments(20), True)],
    ids=["new", "old", "without a time", "one with a time", "of the future"],
)
def test_a_write_is_as_fresh_as_its_newest_row(rows: pa.Table, bad: bool) -> None:
    check = Fresh("when", "3h").as_of(10 * HOUR_US)
    assert check.violations(rows).tolist() == [bad] * rows.num_rows


def test_the_age_of_the_newest_row_is_what_is_compared() -> None:
    check = Fresh("when", "3h").as_of(10 * HOUR_US)
    assert check.measured(moments(1, 9), np.zeros(2, np.bool_)) == 3600.0
    assert str(check) == "Fresh(column='when', within=3h)"
    with pytest.raises(InvalidError, match="at no moment"):
        Fresh("when", "3h").violations(moments(1))


def test_values_that_are_distributed_otherwise_are_bad_with_an_effect_size() -> None:
    random = np.random.default_rng(0)
    check = Resembles("x", random.normal(size=10_000))
    same, moved = (pa.table({"x": random.normal(shift, size=1000)}) for shift in (0, 1))
    assert not check.violations(same).any()
    assert check.violations(moved).all()
    assert check.measured(moved, np.zeros(0, np.bool_)) == pytest.approx(0.9, abs=0.2)


def test_of_few_values_nothing_is_said_and_nulls_are_no_values() -> None:
    check = Resembles("x", np.zeros(1000), at_least=3)
    assert not check.violations(pa.table({"x": [9.0, 9.0, None, None]})).any()
    assert check.violations(pa.table({"x": [9.0, 9.0, 9.0, None]})).all()


def test_categories_are_compared_too_and_another_kind_is_refused() -> None:
    check = Resembles("s", np.array(["a"] * 500 + ["b"] * 500, dtype=object))
    assert check.violations(pa.table({"s": ["b"] * 300})).all()
    with pytest.raises(SchemaError, match="no category"):
        check.violations(pa.table({"s": [1.0] * 300}))


@pytest.mark.parametrize(
    "check", [Fresh("when", "3h"), Resembles("x", np.arange(1000.0)), Resembles("s", np.array(["a", "b"], object))], ids=str
)
def test_they_are_recorded_as_plain_values(check: Check) -> None:
    assert check_from_json(check_to_json(check, ALL_KINDS), ALL_KINDS) == check
