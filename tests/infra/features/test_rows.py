"""One row at a time, as compiled for its plan: what many rows are read as, and offline."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count as numbers
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intonaco.core.columns import Masked
from intonaco.core.errors import CorruptError, InvalidError, SchemaError
from intonaco.infra.compute.polars import PolarsTableEngine
from intonaco.infra.features.definitions import (
    Entity,
    FeatureSet,
    FeatureView,
    RequestColumn,
    TableSource,
    columns,
    count,
    difference,
    equal,
    hour_of_day,
    last_k,
    maximum,
    mean,
    sum_,
)
from intonaco.infra.features.offline.offline import read_offline
from intonaco.infra.features.online.answer import Answer
from intonaco.infra.features.online.compiled import compile_row
from intonaco.infra.features.online.fetching import Source
from intonaco.infra.features.online.plan import ReadPlan
from intonaco.infra.features.online.reader import OnlineReader
from intonaco.infra.features.online.row import Row
from intonaco.infra.features.online.viewreader import ViewReader
from intonaco.infra.features.writing.writer import OnlineWriter, ViewWriter
from intonaco.infra.serving.protocol.tensors import listed
from intonaco.infra.storage.keyvalue import KeyValueStore
from intonaco.infra.storage.lmdb import LmdbStore

STAMP = pa.timestamp("us", tz="UTC")
THING = Entity("thing", {"name": "str", "number": "int64"})
FLAG = Entity("flag", {"flag": "bool"})
TYPES = {"real": "float64", "small": "float32", "whole": "int32", "flagged": "bool", "moment": "timestamp", "text": "str"}
SOURCE = TableSource("events", {**TYPES, "raw": "bytes", "money": "decimal(10,2)"}, time="time")
#: All that one word or a text can hold: everything of these is read by the compiled function.
USUAL = (
    columns("real", "small", "whole", "flagged", "moment", "text", "raw"),
    mean("real", over=[10, 40], hop=3),
    count(over=[10, 40], hop=3),
    sum_("whole", over=[20, 40], hop=7),
    maximum("real", over=30, hop=5),
)
projects = numbers()


@pytest.fixture(scope="module")
def keyvalue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyValueStore]:
    with LmdbStore.open(f"lmdb:{tmp_path_factory.mktemp('rows')}") as store:
        yield store


def events(times: Sequence[int], name: str = "a", number: int = 1, flag: bool = True) -> pa.Table:
    size = len(times)
    return pa.table(
        {
            "name": pa.array([name] * size, pa.string()),
            "number": pa.array([number] * size, pa.int64()),
            "flag": pa.array([flag] * size, pa.bool_()),
            "time": pa.array(times, STAMP),
            "real": pa.array([time / 8 - 3 for time in times], pa.float64()),
            "small": pa.array([time / 4 for time in times], pa.float32()),
            "whole": pa.array([time * 3 - 50 for time in times], pa.int32()),
            "flagged": pa.array([time % 2 == 0 for time in times], pa.bool_()),
            "moment": pa.array([time * 1000 for time in times], STAMP),
            "text": pa.array([f"é{time}" for time in times], pa.string()),
            "raw": pa.array([b"\xff\x00" * (time % 3) for time in times], pa.binary()),
            "money": pa.array([Decimal(time) / 4 for time in times], pa.decimal128(10, 2)),
        }
    )


def view(name: str, entity: Entity, *features: Any, **rest: Any) -> FeatureView:
    return FeatureView(name=name, entity=entity, source=SOURCE, features=features, **rest)


def plan_of(*uses: Any, project: str = "", **rest: Any) -> ReadPlan:
    given = FeatureSet(name="all", features=uses, **rest)
    return ReadPlan.compile(given, project or f"p{next(projects)}", {each.name: 1 for each in given.views})


def pushed(keyvalue: KeyValueStore, plan: ReadPlan, views: Sequence[FeatureView], table: pa.Table) -> OnlineReader:
    OnlineWriter(keyvalue, tuple(ViewWriter.of(each, plan.project, 1) for each in views)).push({"events": table})
    return OnlineReader(plan, keyvalue)


def as_row(answer: Answer, number: int) -> Row:
    values = [listed(column)[number] for column in answer.columns.values()]
    values = [tuple(value) if isinstance(value, list) else None if value != value else value for value in values]
    for place, column in enumerate(answer.columns.values()):
        if isinstance(column, Masked) and isinstance(column.values[number], Decimal) and values[place] is not None:
            values[place] = column.values[number]  # listed as a text
    ages = [int(answer.ages[name][number]) if name in answer.ages else -1 for name in answer.columns]
    return Row(tuple(values), tuple(int(codes[number]) for codes in answer.statuses.values()), tuple(ages))


def present_only(plan: ReadPlan, keyvalue: KeyValueStore) -> Any:
    """The compiled function, without anybody that it could leave a row to."""

    def nobody(*given: object) -> Row:
        raise AssertionError(f"left to others: {given}")

    prefix, readers = ViewReader.all_of(plan)
    return compile_row(plan, readers, Source(keyvalue, prefix), nobody)


TIMES = st.lists(st.integers(0, 60), min_size=1, max_size=30)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TIMES, st.integers(1, 100), st.sampled_from([0, 4]), st.sampled_from([None, 30]))
def test_a_row_is_what_many_rows_are(keyvalue: KeyValueStore, times: list[int], later: int, delay: int, valid_for: int | None) -> None:
    views = [
        view("things", THING, *USUAL, delay=delay, valid_for=valid_for),
        view("flags", FLAG, mean("real", over=15, hop=5, default=-1.0), columns("whole", default=7)),
    ]
    plan, moment = plan_of(views[0], views[1].using(prefix="flag_")), max(times) + delay + later
    table = events(times)
    reader = pushed(keyvalue, plan, views, table)
    rows = pa.table({"name": ["a"], "number": [1], "flag": [True], "at": pa.array([moment], STAMP)})
    offline = read_offline(PolarsTableEngine(None), [(each, one, table) for each, one in zip(plan.views, views, strict=True)], rows, "at")  # type: ignore[arg-type]
    many = reader.read({"name": np.array(["a"], dtype=object), "number": np.array([1]), "flag": np.array([True])}, np.array([moment]))
    one = reader.row({"name": "a", "number": 1, "flag": True}, moment)
    assert repr(one) == repr(as_row(many, 0)) == repr(as_row(offline, 0))


@pytest.mark.parametrize("delay", [0, 4])
def test_what_is_present_is_read_by_the_compiled_function_alone(keyvalue: KeyValueStore, delay: int) -> None:
    views = [view("things", THING, *USUAL[:-1], delay=delay), view("flags", FLAG, USUAL[1], USUAL[2])]
    plan = plan_of(views[0], *(views[1].using(keys={"flag": key}, prefix=f"{key}_") for key in ("flag", "other")))
    reader = pushed(keyvalue, plan, views, events(range(40)))
    read, keys = present_only(plan, keyvalue), {"name": "a", "number": 1, "flag": True, "other": True}
    given = {"name": np.array(["a"], dtype=object), "number": np.array([1]), "flag": np.array([True]), "other": np.array([True])}
    for moment in range(40 + delay, 46):
        assert repr(read(keys, moment)) == repr(as_row(reader.read(given, np.array([moment])), 0)), moment


@pytest.mark.parametrize("delay", [0, 4])
def test_many_rows_that_are_merged_at_once_are_what_each_is(keyvalue: KeyValueStore, delay: int) -> None:
    views = [view("things", THING, *USUAL, delay=delay)]
    plan, moments = plan_of(*views), np.arange(30 + delay, 130)
    reader = pushed(keyvalue, plan, views, events([3, *range(10, 30, 4), 29, 30]))
    rows = len(moments)
    many = reader.read({"name": np.array(["a"] * rows, dtype=object), "number": np.ones(rows, dtype=np.int64)}, moments)
    for place, moment in enumerate(moments.tolist()):
        assert repr(reader.row({"name": "a", "number": 1}, moment)) == repr(as_row(many, place)), moment


@pytest.mark.parametrize("moment", [19, 20, 21, 35, 70])
def test_columns_of_one_row_are_those_of_two(keyvalue: KeyValueStore, moment: int) -> None:
    views = [view("things", THING, columns("real"), mean("real", over=[10, 40], hop=3, default=0.25), valid_for=40)]
    plan = plan_of(*views)
    reader = pushed(keyvalue, plan, views, events([3, 10, 19]))
    two = reader.read({"name": np.array(["a", "b"]), "number": np.array([1, 1])}, np.array([moment, moment]))
    for key in "ab" * 3:  # as any rows first, and then by the function that is compiled for it
        one = reader.read({"name": np.array([key]), "number": np.array([1])}, np.array([moment]))
        assert as_row(one, 0) == as_row(two, "ab".index(key))
    one = reader.read({"name": np.array(["a"]), "number": np.array([1])}, np.array([moment]))
    for column in one.columns.values():
        assert isinstance(column, np.ndarray)
        assert column.dtype == np.float64
        assert column.shape == (1,)


def test_request_columns_and_functions_stand_behind_the_views_features(keyvalue: KeyValueStore) -> None:
    views = [view("things", THING, columns("real", "text"))]
    request = [RequestColumn("delay"), RequestColumn("word", "str"), RequestColumn("hidden", is_feature=False)]
    functions = [hour_of_day(), difference("delay", "real", name="worse"), equal("word", "text", name="same")]
    plan = plan_of(*views, request=request, functions=functions)
    reader = pushed(keyvalue, plan, views, events([8, 16]))
    moment = 7 * 3_600_000_000
    row = reader.row({"name": "a", "number": 1, "delay": 5.0, "word": "é16", "hidden": 1.0}, moment)
    assert row.values == (-1.0, "é16", 5.0, "é16", 7.0, 6.0, 1.0)
    assert row.statuses == (0,) * 7
    assert row.ages == (moment - 16, moment - 16, -1, -1, -1, -1, -1)
    row = reader.row({"name": "a", "number": 1, "delay": None, "word": None, "hidden": None}, moment)
    assert row.values == (-1.0, "é16", None, None, 7.0, None, None)
    assert row.statuses == (0, 0, 1, 1, 0, 1, 1)


def test_lists_and_decimals_are_read_as_many_are(keyvalue: KeyValueStore) -> None:
    views = [view("things", THING, last_k("whole", k=2, over=30, hop=3), columns("money"), sum_("money", over=30, hop=3))]
    plan = plan_of(*views)
    reader = pushed(keyvalue, plan, views, events([8, 16, 17]))
    given = {"name": np.array(["a", "b"], dtype=object), "number": np.array([1, 1])}
    many = reader.read(given, np.array([20, 20]))
    assert [reader.row({"name": name, "number": 1}, 20) for name in "ab"] == [as_row(many, 0), as_row(many, 1)]
    assert as_row(many, 0).values == ((1, -2), Decimal("4.25"), Decimal("10.25"))


def test_each_status_is_told_alike(keyvalue: KeyValueStore) -> None:
    features = [columns("real", valid_for=10), columns("whole", default=9), mean("real", over=5, hop=1), count(over=5, hop=1)]
    views = [view("things", THING, *features, valid_for=100)]
    plan = plan_of(*views)
    reader = pushed(keyvalue, plan, views, events([50]))
    for moment, wanted in {55: [0, 0, 0, 0], 56: [0, 0, 1, 0], 60: [0, 0, 1, 0], 61: [3, 0, 1, 0], 151: [3, 4, 3, 3]}.items():
        for key, codes in (("a", wanted), ("b", [2, 4, 2, 2]), (None, [2, 4, 2, 2])):
            row = reader.row({"name": key, "number": 1}, moment)
            names = Masked(np.array([key or ""], dtype=object), np.array([key is None]))
            assert row == as_row(reader.read({"name": names, "number": np.array([1])}, np.array([moment])), 0)
            assert row.statuses == tuple(codes), (moment, key)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": 1, "number": 1}, r"key 'name' is 1, a int, expected str"),
        ({"name": "a", "number": "1"}, r"key 'number' is '1', a str, expected int64"),
        ({"name": "a", "number": True}, r"key 'number' is True, a bool, expected int64"),
        ({"name": "a", "number": 1.0}, r"key 'number' is 1.0, a float, expected int64"),
        ({"name": "a", "number": 2**63}, r"key 'number' is \d+, which is beyond 64 bits"),
        ({"name": "a"}, r"lacks the column 'number'"),
        ({"name": "a", "number": 1, "nmae": 2}, r"unknown column 'nmae'"),
    ],
)
def test_a_wrong_key_is_named(keyvalue: KeyValueStore, given: dict[str, Any], message: str) -> None:
    views = [view("things", THING, columns("real"))]
    with pytest.raises(SchemaError, match=message) as caught:
        pushed(keyvalue, plan_of(*views), views, events([1])).row(given, 10)
    assert caught.value.field in ("name", "number", "nmae")


@pytest.mark.parametrize("given", ["5", True, [1.0], datetime(2020, 1, 1, tzinfo=UTC)])
def test_a_wrong_request_column_is_named(keyvalue: KeyValueStore, given: object) -> None:
    views = [view("things", THING, columns("real"))]
    plan = plan_of(*views, request=[RequestColumn("delay")])
    with pytest.raises(SchemaError, match=r"'delay' is .*expected float64"):
        pushed(keyvalue, plan, views, events([1])).row({"name": "a", "number": 1, "delay": given}, 10)


KEYS = st.text(max_size=8) | st.sampled_from(["", "\x00", "a" * 300, "a" * 500, "a" * 600, "\ud800", "é", "s\x00\x00\x00\x01a"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(KEYS, st.integers(-(2**63), 2**63 - 1)), min_size=2, max_size=4, unique=True))
def test_keys_of_any_characters_and_lengths_never_meet(keyvalue: KeyValueStore, keys: list[tuple[str, int]]) -> None:
    views = [view("things", THING, columns("whole"))]
    plan = plan_of(*views)
    written = keys[1:]
    kept = [key for key in written if "\ud800" not in key[0]]  # Arrow holds no such text
    for place, (name, number) in enumerate(kept):
        pushed(keyvalue, plan, views, events([place], name, number))
    reader = OnlineReader(plan, keyvalue)
    answer = reader.read(
        {"name": np.array([key[0] for key in keys], dtype=object), "number": np.array([key[1] for key in keys])}, np.full(len(keys), 99)
    )
    for place, key in enumerate(keys):
        wanted = kept.index(key) * 3 - 50 if key in kept else None
        assert reader.row({"name": key[0], "number": key[1]}, 99).values == (wanted,)
        assert as_row(answer, place).values == (wanted,)


def test_a_moment_before_the_newest_event_is_refused(keyvalue: KeyValueStore) -> None:
    views = [view("things", THING, columns("real"))]
    reader = pushed(keyvalue, plan_of(*views), views, events([100]))
    with pytest.raises(InvalidError, match="up to 1970-01-01") as caught:
        reader.row({"name": "a", "number": 1}, 99)
    assert "offline" in caught.value.hint


def test_an_entry_of_another_layout_is_corrupt(keyvalue: KeyValueStore) -> None:
    old, new = view("things", THING, columns("real")), view("things", THING, columns("whole"))
    plan = plan_of(new)
    pushed(keyvalue, plan, [old], events([1]))
    reader = OnlineReader(plan, keyvalue)
    with pytest.raises(CorruptError, match="another format or layout"):
        reader.row({"name": "a", "number": 1}, 10)
    with pytest.raises(CorruptError, match="another format or layout"):
        reader.read({"name": np.array(["a"], dtype=object), "number": np.array([1])}, np.array([10]))
