"""A store that does not answer: what reads give, how soon, and when it is asked again."""

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from attrs import define, field

from intonaco.core.errors import DeadlineError, UnavailableError
from intonaco.core.urls import StoreUrl
from intonaco.infra.features.definitions import (
    Entity,
    FeatureSet,
    FeatureView,
    RequestColumn,
    TableSource,
    columns,
    hour_of_day,
    last_k,
    mean,
)
from intonaco.infra.features.online.plan import ReadPlan
from intonaco.infra.features.online.reader import OnlineReader, OnUnavailable
from intonaco.infra.features.online.status import Status
from intonaco.infra.features.writing.writer import OnlineWriter, ViewWriter
from intonaco.infra.storage.keyvalue import Entry, KeyValueStore
from intonaco.infra.storage.lmdb import LmdbStore

STAMP = pa.timestamp("us", tz="UTC")
VIEW = FeatureView(
    name="things",
    entity=Entity("thing", {"key": "str"}),
    source=TableSource("events", {"value": "float64", "text": "str"}, time="time"),
    features=[
        columns("value"),
        columns("text", default="none"),
        mean("value", over=10, hop=1, default=0.5),
        last_k("value", k=2, over=10, hop=1),
    ],
)
PLAN = ReadPlan.compile(
    FeatureSet(name="all", features=[VIEW], request=[RequestColumn("asked")], functions=[hour_of_day()]), "default", {"things": 1}
)
KEYS, MANY = {"key": "a", "asked": 3.0}, {"key": np.array(["a", "b"], dtype=object), "asked": np.array([3.0, 4.0])}
AT = np.array([5, 5])


@define(eq=False)
class Distant(KeyValueStore):
    """A store that can be cut off, and counts how often it was asked; what it keeps is in LMDB."""

    near: LmdbStore
    down: bool = False
    asked: int = 0
    timeouts: list[float] = field(factory=list)

    @classmethod
    def open(cls, url: StoreUrl | str) -> "Distant":
        return cls(LmdbStore.open(url))

    def get(self, keys: Sequence[bytes]) -> list[Entry | None]:
        self.asked += 1
        if self.down:
            raise UnavailableError("the store is gone")
        return self.near.get(keys)

    def get_within(self, keys: Sequence[bytes], timeout_s: float) -> list[Entry | None]:
        self.timeouts.append(timeout_s)
        if self.down:
            self.asked += 1
            raise DeadlineError(f"no answer in {timeout_s} s")
        return self.get(keys)

    def put(self, entries: Iterable[tuple[bytes, int, bytes]]) -> int:
        return self.near.put(entries)

    def delete(self, keys: Iterable[bytes]) -> None:
        self.near.delete(keys)

    def scan(self, prefix: bytes = b"") -> Iterator[tuple[bytes, Entry]]:
        return self.near.scan(prefix)

    def close(self) -> None:
        self.near.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Distant]:
    with Distant.open(f"lmdb:{tmp_path}") as store:
        table = pa.table({"key": ["a"], "time": pa.array([1], STAMP), "value": [2.0], "text": ["x"]})
        OnlineWriter(store, (ViewWriter.of(VIEW, "default", 1),)).push({"events": table})
        yield store


def reader_of(store: KeyValueStore, on_unavailable: OnUnavailable = "degrade") -> OnlineReader:
    return OnlineReader(PLAN, store, on_unavailable=on_unavailable)


@pytest.mark.parametrize("deadline_s", [None, 0.2])
def test_a_row_without_the_store_has_defaults_and_says_so(store: Distant, deadline_s: float | None) -> None:
    reader, store.down = reader_of(store), True
    row = reader.row(KEYS, 5, deadline_s)
    assert row.values == (None, "none", 0.5, (), 3.0, 0.0)
    assert [Status(code).name for code in row.statuses] == ["missing", "defaulted", "defaulted", "missing", "present", "present"]
    assert row.ages == (-1,) * 6
    assert len(row.degraded) == 1
    assert row.degraded[0].startswith("distant: ")


@pytest.mark.parametrize("deadline_s", [None, 0.2])
def test_many_rows_without_the_store_have_defaults_and_say_so(store: Distant, deadline_s: float | None) -> None:
    reader, store.down = reader_of(store), True
    answer = reader.read(MANY, AT, deadline_s=deadline_s)
    assert np.isnan(np.asarray(answer.columns["value"])).all()
    assert np.asarray(answer.columns["text"]).tolist() == ["none", "none"]
    assert np.asarray(answer.columns["value_mean_10us"]).tolist() == [0.5, 0.5]
    assert [answer.statuses[name].tolist() for name in ("value", "text", "asked")] == [[2, 2], [4, 4], [0, 0]]
    assert len(answer.degraded) == 1


def test_whoever_wants_an_error_gets_it(store: Distant) -> None:
    reader, store.down = reader_of(store, "raise"), True
    with pytest.raises(UnavailableError, match="gone"):
        reader.row(KEYS, 5)
    with pytest.raises(UnavailableError, match="gone"):
        reader.read(MANY, AT)
    with pytest.raises(DeadlineError, match=r"0\.2 s"):
        reader.row(KEYS, 5, 0.2)


def test_what_is_read_says_nothing_of_degradation(store: Distant) -> None:
    reader = reader_of(store)
    assert reader.row(KEYS, 5).degraded == reader.read(MANY, AT, deadline_s=1.0).degraded == ()
    assert reader.degraded == ""


def test_a_deadline_is_passed_to_a_store_that_keeps_it(store: Distant) -> None:
    reader = reader_of(store)
    reader.row(KEYS, 5, 0.25)
    reader.read(MANY, AT, deadline_s=0.5)
    reader.row(KEYS, 5)
    assert store.timeouts == [0.25, 0.5]


def test_a_store_that_fails_three_times_is_left_alone_and_tried_again(store: Distant) -> None:
    reader, store.down, before = reader_of(store), True, store.asked
    for _ in range(50):
        assert reader.row(KEYS, 5).degraded
        assert reader.read(MANY, AT).degraded
    assert store.asked - before == 3
    assert "gone" in reader.degraded
    store.down = False
    deadline = time.monotonic() + 1.0
    while reader.row(KEYS, 5).degraded:
        assert time.monotonic() < deadline
    assert reader.degraded == ""
    assert reader.row(KEYS, 5).values[0] == 2.0


def test_while_it_is_away_one_read_in_half_a_second_asks_it(store: Distant) -> None:
    reader, store.down, before = reader_of(store), True, store.asked
    until = time.monotonic() + 1.3
    while time.monotonic() < until:
        reader.row(KEYS, 5)
    assert store.asked - before == 5


def test_one_failure_is_forgotten_with_the_next_answer(store: Distant) -> None:
    reader = reader_of(store)
    for _ in range(10):
        store.down = True
        assert reader.row(KEYS, 5).degraded
        store.down = False
        assert not reader.row(KEYS, 5).degraded


def test_one_row_is_asked_for_once_whatever_it_is(store: Distant) -> None:
    view = FeatureView(name="floats", entity=VIEW.entity, source=VIEW.source, features=[columns("value", valid_for=10)])
    plan = ReadPlan.compile(FeatureSet(name="floats", features=[view]), "default", {"floats": 1})
    table = pa.table({"key": ["a", "b"], "time": pa.array([1, 1], STAMP), "value": [2.0, None], "text": ["x", "x"]})
    OnlineWriter(store, (ViewWriter.of(view, "default", 1),)).push({"events": table})
    reader, before = OnlineReader(plan, store), store.asked
    for moment in (5, 50):
        for key in ("a", "b", "nobody"):
            reader.row({"key": key}, moment)
            reader.read({"key": np.array([key], dtype=object)}, np.array([moment]))
    assert store.asked - before == 12


def test_a_moment_is_refused_whether_or_not_the_store_keeps_deadlines(store: Distant) -> None:
    from intonaco.core.errors import InvalidError

    for deadline_s in (None, 1.0):
        with pytest.raises(InvalidError, match="offline"):
            reader_of(store).row(KEYS, 0, deadline_s)
