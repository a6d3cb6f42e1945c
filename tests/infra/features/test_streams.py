"""Events that stream: appended to a topic, folded into online entries, landed in a table, or kept aside with the reason."""

import json
import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intonaco.core.errors import ConflictError, InvalidError, MissingError, SchemaError, UnavailableError
from intonaco.infra.features.definitions import (
    Entity,
    FeatureSet,
    FeatureView,
    StreamSource,
    TableSource,
    columns,
    count,
    maximum,
    mean,
    sum_,
)
from intonaco.infra.features.recorded.progress import Progress
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.features.streams.consumer import StreamConsumer
from intonaco.infra.features.writing.writer import OnlineWriter
from intonaco.infra.storage.catalog.leases import Leases
from intonaco.infra.storage.delta.delta import DeltaTableStore
from intonaco.infra.workspace import Workspace

HOUR = 3_600_000_000
STAMP = pa.timestamp("us", tz="UTC")
RIDER = Entity("rider", {"rider": "str"})
SOURCE = StreamSource("trips", {"fare": "float64", "city": "str"}, time="ended_at")
VIEW = FeatureView(
    name="rides",
    entity=RIDER,
    source=SOURCE,
    features=[mean("fare", over=["1h", "1d"]), sum_("fare", over="1d"), count(over="1d"), columns("fare", "city")],
)
SET = FeatureSet(name="all", features=[VIEW])


def trips(*rows: tuple[str | None, int | None, float | None]) -> pa.Table:
    riders, moments, fares = zip(*rows, strict=True)
    return pa.table(
        {
            "rider": pa.array(riders, pa.string()),
            "ended_at": pa.array(moments, pa.int64()).view(STAMP),
            "fare": pa.array(fares, pa.float64()),
            "city": pa.array(["Rome"] * len(rows), pa.string()),
        }
    )


def row(rider: str, moment: int, fare: Any = 1.0) -> dict[str, Any]:
    return {"rider": rider, "ended_at": moment, "fare": fare, "city": "Rome"}


@pytest.fixture
def streaming(store: FeatureStore) -> FeatureStore:
    store.apply([SET])
    return store


def consume(store: FeatureStore, *views: FeatureView) -> StreamConsumer:
    with store.consumer(views or [VIEW]) as consumer:
        consumer.drain()
    return consumer


def agree(store: FeatureStore, moment: int, *riders: str, features: FeatureSet = SET) -> dict[str, Any]:
    asked = {"rider": np.array(riders, dtype=object)}
    online = store.read(features, asked, np.full(len(riders), moment))
    offline = store.read_offline(features, asked, moment)
    for name in features.names:
        assert np.array_equal(online.statuses[name], offline.statuses[name]), name
        assert str(online.columns[name]) == str(offline.columns[name]), name
    return dict(online.columns)


def test_what_has_not_landed_yet_is_said_to_come_by_its_topic(streaming: FeatureStore) -> None:
    streaming.append(VIEW, trips(("ann", HOUR, 4.0)))
    asked = {"rider": np.array(["ann"], dtype=object)}
    for read in (lambda: streaming.read_offline(SET, asked, 2 * HOUR), lambda: streaming.materialize(SET, 2 * HOUR)):
        with pytest.raises(MissingError, match="'trips', which feature view 'rides' reads, has landed") as raised:
            read()
        assert raised.value.hint == "intonaco features consume rides --once"


def test_appended_events_take_effect_online_and_land_offline(streaming: FeatureStore) -> None:
    streaming.append(VIEW, trips(("ann", HOUR, 4.0), ("bob", 2 * HOUR, 6.0)))
    streaming.append("rides", [row("ann", 2 * HOUR, 8.0)])
    texts = {name: np.array([value], dtype=object) for name, value in (("rider", "ann"), ("city", "Rome"))}
    streaming.append("trips", {**texts, "ended_at": np.array([3 * HOUR]).view("datetime64[us]"), "fare": np.array([3.0])})
    done = consume(streaming).state()
    assert (done.events, done.dead, done.lag) == (4, 0, {"trips": 0})
    found = agree(streaming, 3 * HOUR + 1, "ann", "bob", "nobody")
    assert found["fare_sum_1d"][:2].tolist() == [15.0, 6.0]


def test_nothing_is_taken_twice_by_a_second_consumer(streaming: FeatureStore) -> None:
    streaming.append(VIEW, trips(("ann", HOUR, 4.0)))
    consume(streaming)
    streaming.append(VIEW, trips(("ann", 2 * HOUR, 5.0)))
    assert consume(streaming).state().events == 1
    assert agree(streaming, 3 * HOUR, "ann")["count_1d"].tolist() == [2.0]


def test_training_sets_see_streamed_events(streaming: FeatureStore) -> None:
    streaming.append(VIEW, trips(("ann", HOUR, 4.0), ("ann", 2 * HOUR, 8.0)))
    consume(streaming)
    rows = {"rider": np.array(["ann"], dtype=object), "at": np.array([2 * HOUR]).view("datetime64[us]")}
    assert streaming.training_set(SET, rows).columns["fare"].tolist() == [4.0]  # type: ignore[union-attr]


def test_hops_of_streamed_events_are_materialized(streaming: FeatureStore) -> None:
    streaming.append(VIEW, trips(("ann", HOUR, 4.0), ("ann", 2 * HOUR, 8.0)))
    consume(streaming)
    [done] = streaming.materialize(VIEW, 3 * HOUR)
    assert done.rows == 2
    agree(streaming, 3 * HOUR, "ann")


POISON: Mapping[str, tuple[bytes, str]] = {
    "no JSON": (b"\x00\x01", "malformed"),
    "half an Arrow stream": (b"\xff\xff\xff\xff\x10", "metadata"),
    "a list": (b"[1]", "Expected `object`"),
    "a key of another type": (json.dumps(row(7, 1)).encode(), "rider"),  # type: ignore[arg-type]
    "no key": (json.dumps({**row("ann", 1), "rider": None}).encode(), "no entity"),
    "no time": (json.dumps({**row("ann", 1), "ended_at": None}).encode(), "no time"),
    "a column left out": (json.dumps({"rider": "ann", "ended_at": 1, "fare": 1.0}).encode(), "city"),
    "a text for a number": (json.dumps(row("ann", 1, "much")).encode(), "fare"),
    "NaN": (b'{"rider": "ann", "ended_at": 1, "fare": NaN, "city": ""}', "malformed"),
    "a number too large to add": (json.dumps(row("ann", 1, 1e300)).encode(), "fixed point"),
    "a time without a zone": (json.dumps(row("ann", "2020-01-01T00:00:00")).encode(), "timezone"),  # type: ignore[arg-type]
    "a time beyond 64 bits": (json.dumps(row("ann", 2**70)).encode(), "ended_at"),
    "a time next year": (json.dumps(row("ann", time.time_ns() // 1000 + 9000 * HOUR)).encode(), "ahead of the clock"),
}


@pytest.mark.parametrize("name", POISON)
def test_a_poisoned_event_is_kept_aside_with_its_reason_and_the_stream_goes_on(streaming: FeatureStore, name: str) -> None:
    record, reason = POISON[name]
    stream = streaming.workspace.stream
    stream.append("default/events/trips", [json.dumps(row("ann", HOUR)).encode(), record, json.dumps(row("ann", 2 * HOUR)).encode()])
    done = consume(streaming).state()
    assert (done.events, done.dead, done.lag["trips"]) == (2, 1, 0)
    [letter] = streaming.dead_letters("rides")
    assert (letter.partition, letter.offset, letter.row) == (0, 2, 0)
    assert reason in letter.reason
    assert agree(streaming, 3 * HOUR, "ann")["count_1d"].tolist() == [2.0]


def test_poisoned_rows_of_an_arrow_record_leave_the_others(streaming: FeatureStore) -> None:
    streaming.append(
        VIEW, trips(("ann", HOUR, 1.0), (None, HOUR, 1.0), ("ann", HOUR, float("nan")), ("ann", None, 1.0), ("ann", HOUR, 2.0))
    )
    consume(streaming)
    assert [letter.row for letter in sorted(streaming.dead_letters(VIEW), key=lambda letter: letter.row)] == [1, 2, 3]
    assert agree(streaming, 3 * HOUR, "ann")["fare_sum_1d"].tolist() == [3.0]


def test_a_consumer_that_stalled_cannot_write_over_its_successor(streaming: FeatureStore) -> None:
    """In one process the second takes the turn at once, as it does elsewhere when the lease is over."""
    streaming.append(VIEW, trips(("ann", HOUR, 1.0)))
    stalled = streaming.consumer([VIEW]).__enter__()
    stalled.drain()
    streaming.append(VIEW, trips(("ann", 2 * HOUR, 2.0)))
    consume(streaming)
    streaming.append(VIEW, trips(("ann", 3 * HOUR, 4.0)))
    with pytest.raises(ConflictError, match="rides"):
        stalled.drain()
    for topic in stalled.topics:
        topic.close()
    consume(streaming)
    assert agree(streaming, 4 * HOUR, "ann")["fare_sum_1d"].tolist() == [7.0]
    assert streaming.workspace.tables.snapshot("default/trips").rows == 3


def test_sums_that_would_overflow_are_kept_aside(store: FeatureStore) -> None:
    source = evolve(SOURCE, columns={"fare": "int64", "city": "str"})
    view = FeatureView(name="rides", entity=RIDER, source=source, features=[sum_("fare", over="1d")])
    store.apply([view])
    fares = [2**60] * 30 + [1]
    table = trips(*[("ann", HOUR, 1.0)] * len(fares)).set_column(2, "fare", pa.array(fares, pa.int64()))
    store.append(view, table)
    done = consume(store, view).state()
    assert done.dead > 0
    assert done.events + done.dead == len(fares)
    assert "63 bits" in store.dead_letters(view)[0].reason


def test_dead_letters_are_replayed_once_they_can_take_effect(streaming: FeatureStore) -> None:
    late = json.dumps(row("ann", "2020-01-01T00:00:00")).encode()  # type: ignore[arg-type]
    streaming.workspace.stream.append("default/events/trips", [late])
    consume(streaming)
    assert streaming.replay("rides") == 1
    assert streaming.dead_letters("rides") == []
    consume(streaming)
    [again] = streaming.dead_letters("rides")
    assert again.offset == 2


def test_a_replay_that_is_fixed_takes_effect_online_and_offline(streaming: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time_ns() // 1000
    streaming.append(VIEW, trips(("ann", now + 30 * HOUR, 4.0)))
    consume(streaming)
    assert len(streaming.dead_letters(VIEW)) == 1
    streaming.replay(VIEW)
    with streaming.consumer([VIEW]) as consumer:
        for topic in consumer.topics:
            topic.clock = lambda: now + 31 * HOUR
        assert consumer.drain() == 1
    assert agree(streaming, now + 31 * HOUR, "ann")["fare"].tolist() == [4.0]


def test_an_event_ahead_of_the_clock_waits_and_hides_nothing(streaming: FeatureStore) -> None:
    now = time.time_ns() // 1000
    streaming.append(VIEW, trips(("ann", now + HOUR, 4.0), ("ann", now - HOUR, 2.0)))
    done = consume(streaming).state()
    assert (done.dead, done.ahead) == (0, 1)
    assert agree(streaming, now, "ann")["fare"].tolist() == [2.0]
    with streaming.consumer([VIEW]) as consumer:
        for topic in consumer.topics:
            topic.clock = lambda: now + 2 * HOUR
        consumer.drain()
        assert consumer.state().ahead == 0
    assert agree(streaming, now + 2 * HOUR, "ann")["count_1d"].tolist() == [2.0]


def test_a_view_that_comes_later_begins_with_what_has_landed(streaming: FeatureStore) -> None:
    streaming.append(VIEW, trips(("ann", HOUR, 4.0), ("bob", HOUR, 5.0)))
    consume(streaming)
    streaming.workspace.stream.trim("default/events/trips", 1)
    other = FeatureView(name="fares", entity=RIDER, source=SOURCE, features=[maximum("fare", over="1d")])
    both = FeatureSet(name="both", features=[VIEW, other])
    streaming.apply([both])
    streaming.append(VIEW, trips(("ann", 2 * HOUR, 8.0)))
    consume(streaming, VIEW, other)
    assert agree(streaming, 3 * HOUR, "ann", "bob", features=both)["fare_maximum_1d"].tolist() == [8.0, 5.0]


def test_cleared_entries_are_filled_from_the_table_and_the_topic(streaming: FeatureStore) -> None:
    streaming.append(VIEW, trips(("ann", HOUR, 4.0)))
    consume(streaming)
    streaming.clear_online(VIEW)
    streaming.append(VIEW, trips(("ann", 2 * HOUR, 8.0)))
    consume(streaming)
    assert agree(streaming, 3 * HOUR, "ann")["count_1d"].tolist() == [2.0]


def test_a_clearing_that_was_killed_is_finished_by_the_consumer(streaming: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    streaming.append(VIEW, trips(("ann", HOUR, 4.0)))
    consume(streaming)
    with monkeypatch.context() as patched:
        patched.setattr(Progress, "forget", killed)
        with pytest.raises(Killed):
            streaming.clear_online(VIEW)
    consume(streaming)
    assert agree(streaming, 3 * HOUR, "ann")["count_1d"].tolist() == [1.0]
    assert streaming.clear_online(VIEW) == 1


def killed(*_: Any) -> None:
    raise Killed


def test_partitions_are_each_read_from_their_own_offset(store: FeatureStore) -> None:
    view = evolve(VIEW, source=evolve(SOURCE, partitions=3))
    features = FeatureSet(name="all", features=[view])
    store.apply([features])
    for number in range(9):
        store.append(view, trips(("ann", number * HOUR + 1, 1.0)), partition=number % 3)
        if number % 4 == 0:
            consume(store, view)
    consume(store, view)
    assert agree(store, 10 * HOUR, "ann", features=features)["count_1d"].tolist() == [9.0]
    with pytest.raises(InvalidError, match="partition"):
        store.append(view, trips(("ann", 1, 1.0)), partition=3)


def test_events_take_effect_within_a_second(streaming: FeatureStore) -> None:
    stop = threading.Event()
    with Workspace.open(streaming.workspace.root) as workspace, FeatureStore(workspace).consumer([VIEW]) as consumer:
        thread = threading.Thread(target=consumer.run, args=(stop,))
        thread.start()
        try:
            began = time.monotonic()
            now = time.time_ns() // 1000
            streaming.append(VIEW, trips(("ann", now, 4.0)))
            asked = {"rider": np.array(["ann"], dtype=object)}
            while np.asarray(streaming.read(SET, asked, time.time_ns() // 1000).columns["count_1d"])[0] != 1.0:
                assert time.monotonic() - began < 1.0
                time.sleep(0.01)
        finally:
            stop.set()
            thread.join()


def test_one_process_consumes_a_view(streaming: FeatureStore) -> None:
    Leases(streaming.workspace.catalog).take("features/default/rides@1/online", "elsewhere 1 0.00", 60)
    with pytest.raises(ConflictError, match="rides"), streaming.consumer([VIEW]):
        pass


def test_one_of_the_processes_that_consume_a_topic_lands_its_events(streaming: FeatureStore) -> None:
    streaming.append(VIEW, trips(("ann", HOUR, 4.0)))
    leases = Leases(streaming.workspace.catalog)
    lease = leases.take("features/default/trips@0/landed", "elsewhere 1 0.00", 60)
    with streaming.consumer([VIEW], land_every_s=0.0) as consumer:
        consumer.drain()
        assert consumer.land() == 0
        assert streaming.workspace.tables.names("default") == []
        leases.release(lease)
        consumer.step()
    agree(streaming, 3 * HOUR, "ann")


def test_events_whose_landing_failed_land_later(streaming: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    streaming.append(VIEW, trips(("ann", HOUR, 4.0)))
    with streaming.consumer([VIEW]) as consumer:
        consumer.drain()
        with monkeypatch.context() as patched:
            patched.setattr(DeltaTableStore, "write", away)
            with pytest.raises(UnavailableError):
                consumer.land()
        streaming.append(VIEW, trips(("ann", 2 * HOUR, 5.0)))
        consumer.drain()
        consumer.topics[0].landing.every_s = 0.0
        consumer.step()
    assert agree(streaming, 3 * HOUR, "ann")["count_1d"].tolist() == [2.0]


def away(*_: Any, **__: Any) -> None:
    raise UnavailableError("the store is away")


def test_two_consumers_of_a_topic_land_each_event_once(streaming: FeatureStore) -> None:
    other = FeatureView(name="fares", entity=RIDER, source=SOURCE, features=[maximum("fare", over="1d")])
    both = FeatureSet(name="both", features=[VIEW, other])
    streaming.apply([both])
    streaming.append(VIEW, trips(("ann", HOUR, 4.0)))
    with streaming.consumer([VIEW], land_every_s=0.05) as one, streaming.consumer([other], land_every_s=0.05) as two:
        for hour in (2, 3, 4):
            one.drain()
            two.drain()
            time.sleep(0.06)
            streaming.append(VIEW, trips(("ann", hour * HOUR, 5.0)))
        one.drain()
        two.drain()
    consume(streaming, VIEW, other)
    found = agree(streaming, 5 * HOUR, "ann", features=both)
    assert (found["count_1d"].tolist(), found["fare_maximum_1d"].tolist()) == ([4.0], [5.0])
    assert streaming.workspace.tables.snapshot("default/trips").rows == 4


@pytest.mark.parametrize("refused", [{"fare": None}, {"fare": "text"}, {"rider": "number"}])
def test_events_of_another_schema_are_not_appended(streaming: FeatureStore, refused: dict[str, Any]) -> None:
    table = trips(("ann", HOUR, 1.0))
    for name, how in refused.items():
        place = table.schema.get_field_index(name)
        other = {"text": pa.array(["x"]), "number": pa.array([1])}
        table = table.drop_columns([name]) if how is None else table.set_column(place, name, other[how])
    with pytest.raises(SchemaError):
        streaming.append(VIEW, table)
    assert streaming.workspace.stream.end("default/events/trips") == 0


def test_events_of_a_topic_cannot_be_pushed_past_it(streaming: FeatureStore) -> None:
    with pytest.raises(InvalidError, match="topic"):
        streaming.push(VIEW, trips(("ann", HOUR, 1.0)))


def test_a_view_of_a_table_cannot_be_consumed(store: FeatureStore) -> None:
    view = evolve(VIEW, source=TableSource("trips", {"fare": "float64", "city": "str"}, time="ended_at"))
    store.apply([view])
    with pytest.raises(InvalidError, match="stream"):
        store.consumer([view])
    with pytest.raises(MissingError, match="stream"):
        store.append("rides", trips(("ann", HOUR, 1.0)))


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("owner", "name"), [(OnlineWriter, "write"), (Progress, "wish"), (Progress, "finish"), (Progress, "note")])
@pytest.mark.parametrize("call", [1, 2])
def test_a_consumer_that_is_killed_is_taken_over(
    streaming: FeatureStore, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, after: bool, call: int
) -> None:
    streaming.append(VIEW, trips(("ann", HOUR, 1.0)))
    consume(streaming)
    streaming.append(VIEW, trips(("ann", 2 * HOUR, 2.0), ("bob", HOUR, 3.0)))
    whole, calls = getattr(owner, name), [0]

    def killed(*arguments: Any, **named: Any) -> Any:
        calls[0] += 1
        done = whole(*arguments, **named) if after or calls[0] != call else None
        if calls[0] == call:
            raise Killed
        return done

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, killed)
        try:
            consume(streaming)
        except Killed:
            pass
    streaming.append(VIEW, trips(("bob", 2 * HOUR, 4.0)))
    consume(streaming)
    found = agree(streaming, 3 * HOUR, "ann", "bob")
    assert found["fare_sum_1d"].tolist() == [3.0, 7.0]
    assert streaming.workspace.tables.snapshot("default/trips").rows == 4


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob"]), st.sampled_from([1, HOUR, HOUR + 1, 2 * HOUR, 30 * HOUR]), st.sampled_from([0.5, -3.25, 7.0])
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EVENTS, st.data())
def test_every_order_and_batching_of_events_gives_the_same_values(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[str, int, float]], data: st.DataObject
) -> None:
    """Duplicates are events twice; a record that is delivered again takes no second effect."""
    order = data.draw(st.permutations(events))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(events)), max_size=3)))
    found: list[Any] = []
    for given_events, ends in ((events, [len(events)]), (order, [*cuts, len(events)])):
        with Workspace.open(tmp_path_factory.mktemp("workspace")) as workspace:
            store = FeatureStore(workspace)
            store.apply([SET])
            start = 0
            for end in ends:
                if end > start:
                    store.append(VIEW, trips(*given_events[start:end]))
                start = end
                consume(store)
            found.append({name: str(column) for name, column in agree(store, 31 * HOUR, "ann", "bob").items()})
    assert found[0] == found[1]
