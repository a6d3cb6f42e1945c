"""Materialization in pieces: resumed where it was cut short, shared by the views of a table, and done anew from a replaced one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from intonaco.core.errors import IntonacoError, InvalidError, UnavailableError
from intonaco.core.schema import Schema
from intonaco.infra.features.definitions import (
    Entity,
    FeatureSet,
    FeatureView,
    QuerySource,
    TableSource,
    columns,
    count,
    distinct,
    last_k,
    mean,
    quantile,
)
from intonaco.infra.features.entries.entitykeys import EntityKeys
from intonaco.infra.features.entries.keys import entity_key, room_prefix
from intonaco.infra.features.recorded.progress import Progress
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.features.writing import moves
from intonaco.infra.features.writing.moves import Advance
from intonaco.infra.features.writing.rebuild import Rebuild
from intonaco.infra.features.writing.writer import OnlineWriter
from intonaco.infra.storage.delta.delta import DeltaTableStore
from intonaco.infra.storage.lmdb import LmdbStore

HOUR = 3_600_000_000
STAMP = pa.timestamp("us", tz="UTC")
RIDER = Entity("rider", {"rider": "str"})
SOURCE = TableSource("trips", {"fare": "float64", "city": "str"}, time="at")
RIDES = FeatureView(name="rides", entity=RIDER, source=SOURCE, features=[mean("fare", over="1d"), count(over="1d")])
NEWEST = FeatureView(name="newest", entity=RIDER, source=SOURCE, features=[columns("fare", "city")])
PLACES = FeatureView(name="places", entity=Entity("city", {"city": "str"}), source=SOURCE, features=[count(over="1d", name="trips")])
SET = FeatureSet(name="all", features=[RIDES, NEWEST, PLACES])


def trips(hours: Sequence[float], riders: str = "ab", fare: float = 1.0) -> pa.Table:
    count = len(hours)
    return pa.table(
        {
            "rider": [riders[number % len(riders)] for number in range(count)],
            "city": ["Rome" if number % 3 else "Pisa" for number in range(count)],
            "at": pa.array([int(hour * HOUR) for hour in hours], pa.int64()).view(STAMP),
            "fare": pa.array([fare * number for number in range(count)], pa.float64()),
        }
    )


@pytest.fixture
def filled(store: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> FeatureStore:
    """Forty events, one an hour, in four parts; pieces of seven rows."""
    monkeypatch.setattr(moves, "ROWS", 7)
    store.apply([SET])
    for start in range(0, 40, 10):
        store.workspace.tables.write("default/trips", trips([start + hour for hour in range(10)]))
    return store


def agree(store: FeatureStore, hour: float, features: FeatureSet = SET) -> None:
    asked = {"rider": np.array(["a", "b", "z"], dtype=object), "city": np.array(["Rome", "Pisa", "Oslo"], dtype=object)}
    online = store.read(features, asked, np.full(3, int(hour * HOUR)))
    offline = store.read_offline(features, asked, int(hour * HOUR))
    for name in features.names:
        assert str(online.columns[name]) == str(offline.columns[name]), name
        assert online.statuses[name].tolist() == offline.statuses[name].tolist(), name


class Killed(BaseException):
    """Stands for the end of the process."""


def failing(owner: type, name: str, call: int, error: BaseException, after: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the call of this number fail, before or after its effect."""
    whole, calls = getattr(owner, name), [0]

    def failed(*arguments: Any, **named: Any) -> Any:
        calls[0] += 1
        done = whole(*arguments, **named) if after or calls[0] != call else None
        if calls[0] == call:
            raise error
        return done

    monkeypatch.setattr(owner, name, failed)


STEPS = [(Progress, "begin"), (Progress, "step"), (Progress, "finish"), (OnlineWriter, "write"), (DeltaTableStore, "write")]


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", [1, 3])
@pytest.mark.parametrize(("owner", "name"), STEPS)
def test_a_run_that_is_killed_anywhere_is_finished_by_a_plain_rerun(
    filled: FeatureStore, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, call: int, after: bool
) -> None:
    filled.materialize(SET, 3 * HOUR)
    with monkeypatch.context() as patched:
        failing(owner, name, call, Killed(), after, patched)
        with pytest.raises(Killed):
            filled.materialize(SET, 30 * HOUR)
    for place in ("hops", "online"):
        assert Progress(filled.workspace.catalog, "default", "rides", 1, place).mark().until_us in (3 * HOUR, 30 * HOUR)
    filled.materialize(SET, 40 * HOUR)
    agree(filled, 40)
    hops = filled.workspace.tables.read(filled.workspace.tables.snapshot("default/features.rides.v1.hops"))
    assert sum(hops["count:"].to_pylist()) == 40


def test_a_run_goes_on_where_it_was_cut_short(filled: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        failing(OnlineWriter, "write", 4, UnavailableError("the store is away", hint="wait"), False, patched)
        with pytest.raises(UnavailableError, match="the store is away") as caught:
            filled.materialize(SET, 40 * HOUR)
    assert caught.value.hint == "wait; 21 of 40 rows of table:default/trips@3 are stored: run it again to go on from there"
    assert [done.rows for done in filled.materialize(SET, 40 * HOUR)] == [19, 19, 19]
    agree(filled, 40)


def test_views_of_one_table_read_each_piece_once(filled: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = []
    whole = DeltaTableStore.read

    def read(self: DeltaTableStore, snapshot: Any, columns: Any = None) -> pa.Table:
        rows.append(snapshot.rows)
        return whole(self, snapshot, columns)

    monkeypatch.setattr(moves, "ROWS", 10)
    monkeypatch.setattr(DeltaTableStore, "read", read)
    filled.materialize(SET, 40 * HOUR)
    assert rows == [10, 10, 10, 10]
    rows.clear()
    filled.workspace.tables.write("default/trips", trips([40]))
    filled.materialize(SET, 40 * HOUR)
    assert rows == [1]


def test_progress_is_told_after_each_piece(filled: FeatureStore) -> None:
    heard: list[Advance] = []
    filled.materialize(SET, 40 * HOUR, listener=heard.append)
    assert [each.done for each in heard] == [7, 14, 21, 28, 35, 40]
    assert {(each.views, each.total) for each in heard} == {(("rides", "newest", "places"), 40)}


def test_events_come_in_any_order_of_time_and_row(filled: FeatureStore) -> None:
    for hour in (5, 5, 12.5, 33, 41):
        filled.materialize(SET, int(hour * HOUR))
        filled.workspace.tables.write("default/trips", trips([hour - 3, hour + 4], "b", 3.0))
    filled.materialize(SET, 60 * HOUR)
    agree(filled, 60)


def test_a_view_that_comes_later_is_brought_to_the_others(filled: FeatureStore) -> None:
    filled.materialize(RIDES, 20 * HOUR)
    filled.materialize(SET, 40 * HOUR)
    agree(filled, 40)


def test_a_query_leaves_rows_out_for_its_views_alone(filled: FeatureStore) -> None:
    source = QuerySource("trips", {"twice": "float64"}, select={"twice": "fare * 2"}, where="city = 'Rome'", time="at")
    romans = FeatureView(name="romans", entity=RIDER, source=source, features=[mean("twice", over="1d"), count(over="1d", name="in_rome")])
    both = FeatureSet(name="both", features=[RIDES, romans])
    filled.apply([both])
    filled.materialize(both, 40 * HOUR)
    agree(filled, 40, both)


def test_states_that_vary_in_length_are_lists_of_hops(filled: FeatureStore) -> None:
    features = [distinct("city", over="1d"), quantile("fare", q=0.5, over="1d"), last_k("fare", k=2, over="1d")]
    view = FeatureView(name="sketches", entity=RIDER, source=SOURCE, features=features)
    sketches = FeatureSet(name="sketches", features=[view])
    filled.apply([sketches])
    filled.materialize(sketches, 40 * HOUR)
    agree(filled, 40, sketches)
    hops = filled.workspace.tables.read(filled.workspace.tables.snapshot("default/features.sketches.v1.hops"))
    lists = {name: hops[name].to_pylist() for name in hops.column_names if pa.types.is_list(hops[name].type)}
    assert len(lists) == 3
    assert all(len(each) == hops.num_rows for each in lists.values())
    assert {len(words) for name, column in lists.items() if name.startswith("latest") for words in column} <= {3, 6}


def replaced(store: FeatureStore) -> None:
    store.materialize(SET, 40 * HOUR)
    rows = trips([hour + 0.5 for hour in range(30)], "bc", 2.0)
    store.workspace.tables.write("default/trips", rows, mode="replace")


def test_a_replaced_table_names_the_cure(filled: FeatureStore) -> None:
    replaced(filled)
    with pytest.raises(InvalidError, match="was replaced") as caught:
        filled.materialize(SET, 41 * HOUR)
    assert "--rebuild" in caught.value.hint


def test_a_rebuild_follows_a_replaced_table(filled: FeatureStore) -> None:
    replaced(filled)
    done = filled.rebuild(SET, 41 * HOUR)
    assert [(each.rows, each.until_us) for each in done] == [(30, 41 * HOUR)] * 3
    agree(filled, 41)
    filled.workspace.tables.write("default/trips", trips([41.5, 42], "cb"))
    assert [each.rows for each in filled.materialize(SET, 43 * HOUR)] == [2, 2, 2]
    agree(filled, 43)
    hops = filled.workspace.tables.read(filled.workspace.tables.snapshot("default/features.rides.v1.hops"))
    assert sum(hops["count:"].to_pylist()) == 32
    assert len(list(filled.workspace.keyvalue.scan(room_prefix("default")))) == 2 + 2 + 2


def test_old_values_are_read_while_a_rebuild_is_under_way(filled: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    replaced(filled)
    asked = {"rider": np.array(["a"], dtype=object), "city": np.array(["Rome"], dtype=object)}
    before = filled.read(SET, asked, np.array([40 * HOUR])).columns["count_1d"]
    with monkeypatch.context() as patched:
        failing(Rebuild, "_swap", 1, Killed(), False, patched)
        with pytest.raises(Killed):
            filled.rebuild(SET, 41 * HOUR)
    assert str(filled.read(SET, asked, np.array([40 * HOUR])).columns["count_1d"]) == str(before)
    filled.rebuild(SET, 41 * HOUR)
    agree(filled, 41)


REBUILD_STEPS = [*STEPS, (Progress, "settle"), (Progress, "forget"), (LmdbStore, "put"), (LmdbStore, "delete")]


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", [1, 2])
@pytest.mark.parametrize(("owner", "name"), REBUILD_STEPS)
def test_a_rebuild_that_is_killed_anywhere_is_finished_by_the_next(
    filled: FeatureStore, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, call: int, after: bool
) -> None:
    replaced(filled)
    with monkeypatch.context() as patched:
        failing(owner, name, call, Killed(), after, patched)
        try:
            filled.rebuild(RIDES, 41 * HOUR)
        except Killed:
            pass
    filled.rebuild(SET, 41 * HOUR)
    agree(filled, 41)
    assert len(list(filled.workspace.keyvalue.scan(room_prefix("default")))) == 6


def test_a_rebuild_begins_anew_if_its_table_is_replaced_meanwhile(filled: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    replaced(filled)
    with monkeypatch.context() as patched:
        failing(OnlineWriter, "write", 2, Killed(), True, patched)
        with pytest.raises(Killed):
            filled.rebuild(RIDES, 41 * HOUR)
    filled.workspace.tables.write("default/trips", trips(range(12), "ac"), mode="replace")
    filled.rebuild(SET, 41 * HOUR)
    agree(filled, 41)


def test_what_is_pushed_cannot_be_rebuilt(filled: FeatureStore) -> None:
    filled.push(RIDES, trips([1]))
    with pytest.raises(InvalidError, match="fed by events"):
        filled.rebuild(RIDES, 41 * HOUR)


KEYS: list[tuple[dict[str, str], pa.Table]] = [
    ({"k": "str"}, pa.table({"k": ["b", "a", None, "", "a", "\x00", "é"]})),
    ({"k": "str"}, pa.table({"k": pa.array(["b", "a", "b"]).dictionary_encode()})),
    ({"k": "bytes"}, pa.table({"k": pa.array([b"b", b"", None, b"\xff"])})),
    ({"k": "int64"}, pa.table({"k": pa.array([3, -1, None, 2**63 - 1, -(2**63)])})),
    ({"k": "uint8"}, pa.table({"k": pa.array([3, 255, 0], pa.uint8())})),
    ({"k": "bool", "j": "timestamp"}, pa.table({"k": [True, False, None, True], "j": pa.array([1, 2, 3, 1], pa.timestamp("ms"))})),
    ({"k": "str", "j": "int32"}, pa.table({"k": ["a", "a", None, "a1", "b"], "j": pa.array([1, 11, 1, 1, None], pa.int32())})),
]


@pytest.mark.parametrize(("keys", "events"), KEYS)
def test_keys_of_a_batch_are_those_of_each_event(keys: dict[str, str], events: pa.Table) -> None:
    found = EntityKeys.of(events, Schema.of(**keys))
    columns = [
        events[name].cast(pa.timestamp("us")).cast(pa.int64()) if dtype == "timestamp" else events[name] for name, dtype in keys.items()
    ]
    wanted = [entity_key(b"", values, list(keys.values())) for values in zip(*(column.to_pylist() for column in columns), strict=True)]
    assert [None if owner < 0 else found.suffixes[owner] for owner in found.owners.tolist()] == wanted
    assert found.suffixes == sorted({key for key in wanted if key is not None})


@pytest.mark.parametrize(
    ("dtype", "column"),
    [("str", pa.array([1])), ("int64", pa.array(["1"])), ("int64", pa.array([2**63], pa.uint64())), ("bool", pa.array([1]))],
)
def test_a_key_of_another_type_is_refused_by_its_name(dtype: str, column: pa.Array) -> None:
    with pytest.raises(IntonacoError, match="'k'"):
        EntityKeys.of(pa.table({"k": column}), Schema.of(k=dtype))
