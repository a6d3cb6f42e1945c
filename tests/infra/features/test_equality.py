"""Offline, from stored hops and online: one answer for every stream of events, every order and every batching."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import count as numbers
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from intonaco.core.columns import Column, Masked, Ragged, take
from intonaco.infra.compute.algebra import KINDS, NONE, Measure, unordered
from intonaco.infra.compute.algebra import finalize as finalized
from intonaco.infra.compute.decimals import as_objects
from intonaco.infra.compute.latest import merge_listed
from intonaco.infra.compute.polars import PolarsTableEngine
from intonaco.infra.compute.sketches import finalize_bins, merge_bins
from intonaco.infra.compute.timeline import tail
from intonaco.infra.features.defined.aggregates import Feature, columns, windows
from intonaco.infra.features.defined.sets import FeatureSet
from intonaco.infra.features.defined.views import Entity, FeatureView, TableSource
from intonaco.infra.features.offline.offline import read_offline
from intonaco.infra.features.online.answer import Answer
from intonaco.infra.features.online.plan import Output, ReadPlan
from intonaco.infra.features.online.reader import OnlineReader
from intonaco.infra.features.writing.hops import hop_rows, stored_hops
from intonaco.infra.features.writing.writer import OnlineWriter, ViewWriter
from intonaco.infra.serving.protocol.tensors import listed
from intonaco.infra.storage.keyvalue import KeyValueStore
from intonaco.infra.storage.lmdb import LmdbStore

UTC = pa.timestamp("us", tz="UTC")
COLUMNS = {
    "value": pa.float64(),
    "whole": pa.int64(),
    "text": pa.string(),
    "flag": pa.bool_(),
    "money": pa.decimal128(12, 2),
    "stamp": UTC,
}
SCHEMA = pa.schema({"key": pa.string(), "time": UTC, "created": UTC, **COLUMNS})
ENTITY = Entity("thing", {"key": "str"})
DTYPES = {"value": "float64", "whole": "int64", "text": "str", "flag": "bool", "money": "decimal(12,2)", "stamp": "timestamp"}
SOURCE = TableSource("events", DTYPES, time="time", created="created")

VALUES = st.sampled_from([None, 0.0, -0.0, 0.1, -2.5, 1e6, 3e-7, 7.25])
# Nulls are rare, and times and keys few: windows are to hold events, and their edges to meet them.
TIMES = st.integers(0, 60) | st.integers(-30, 200).map(lambda time: None if time == -30 else time)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["a", "a", "a", "b", "b", "\x00", None]),
        TIMES,
        st.sampled_from([0, 1, 2, None]),
        VALUES,
        st.sampled_from([-3, 0, 2, 3, 2**44 - 1, None]),
        st.sampled_from(["", "x", "é", "xx", None]),
        st.sampled_from([True, False, None]),
        st.sampled_from([Decimal("0.00"), Decimal("-1.25"), Decimal("9007199254.99"), None]),
        st.sampled_from([0, -1, 2**60, None]),
    ),
    max_size=40,
)
#: Of those that have some: coarse ones, so that values meet.
PARAMETERS = {"last_k": (3,), "distinct": (4,), "quantile": (0.5, 4)}
projects = numbers()


@pytest.fixture(scope="module")
def keyvalue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyValueStore]:
    with LmdbStore.open(f"lmdb:{tmp_path_factory.mktemp('online')}") as store:
        yield store


def features() -> list[tuple[Feature, ...]]:
    spans = ((10, 3), (24, 6), (90, 6))
    values = [window(kind, "value", over, hop, f"{kind}_{over}") for kind in KINDS for over, hop in spans]
    wholes = [window(kind, "whole", 50, 7, f"whole_{kind}") for kind in KINDS]
    exact = [window(kind, "whole", 20, 1, f"exact_{kind}") for kind in KINDS]
    others = [window(kind, column, 30, 4, f"{column}_{kind}") for column in ("flag", "money") for kind in KINDS]
    counts = [window(kind, column, 30, 4, f"{column}_{kind}") for column in ("text", "stamp") for kind in ("count", "distinct")]
    events = windows("count", "", 40, hop=1, name="events", default=0.0)
    return [*values, *wholes, *exact, *others, *counts, events, columns(*COLUMNS)]


def window(kind: str, column: str, over: int, hop: int, name: str) -> tuple[Feature, ...]:
    return windows(kind, column, over, hop=hop, name=name, parameters=PARAMETERS.get(kind, ()))


def table(events: Sequence[tuple[Any, ...]]) -> pa.Table:
    filled = [(*event, *[None] * (len(SCHEMA) - len(event))) for event in events]
    return pa.Table.from_pylist([dict(zip(SCHEMA.names, event, strict=True)) for event in filled], schema=SCHEMA)


def view_of(delay: int, valid_for: int | None) -> FeatureView:
    return FeatureView(name="things", entity=ENTITY, source=SOURCE, features=features(), delay=delay, valid_for=valid_for)


def read_both(
    keyvalue: KeyValueStore, view: FeatureView, events: pa.Table, batches: Sequence[pa.Table], keys: Sequence[str | None], at: int
) -> tuple[Answer, Answer]:
    project = f"p{next(projects)}"
    plan = ReadPlan.compile(FeatureSet(name="all", features=[view]), project, {view.name: 1})
    rows = pa.table({"key": pa.array(keys, pa.string()), "at": pa.array([at] * len(keys), UTC)})
    offline = read_offline(PolarsTableEngine(None), [(plan.views[0], view, events)], rows, "at")  # type: ignore[arg-type]
    writer = OnlineWriter(keyvalue, (ViewWriter.of(view, project, 1),))
    for batch in batches:
        writer.push({"events": batch})
    given_keys = Masked(np.array([key or "" for key in keys], dtype=object), np.array([key is None for key in keys]))
    reader = OnlineReader(plan, keyvalue)
    online = reader.read({"key": given_keys}, np.full(len(keys), at))
    assert_same_rows(reader, keys, at, online)
    return offline, online


def assert_same_rows(reader: OnlineReader, keys: Sequence[str | None], at: int, online: Answer) -> None:
    """One row at a time is read as many are."""
    columns = [listed(column) for column in online.columns.values()]
    for number, key in enumerate(keys):
        row = reader.row({"key": key}, at)
        values = [None if isinstance(column[number], float) and np.isnan(column[number]) else column[number] for column in columns]
        assert [repr(shown(value)) for value in row.values] == [repr(value) for value in values]
        assert row.statuses == tuple(int(codes[number]) for codes in online.statuses.values())
        assert row.ages == tuple(int(ages[number]) for ages in online.ages.values())


def shown(value: Any) -> Any:
    """A value of a row as answers to requests show it."""
    if isinstance(value, tuple):
        return [shown(each) for each in value]
    return format(value, "f") if isinstance(value, Decimal) else value


def same(left: Column, right: Column) -> bool:
    if isinstance(left, Ragged) and isinstance(right, Ragged):
        return left.offsets.tolist() == right.offsets.tolist() and same(left.values, right.values)
    if isinstance(left, Masked) and isinstance(right, Masked):
        held = ~left.missing
        return bool((left.missing == right.missing).all() and (left.values[held] == right.values[held]).all())
    assert isinstance(left, np.ndarray)
    assert isinstance(right, np.ndarray)
    if left.dtype.kind == "O":
        return repr(left.tolist()) == repr(right.tolist())
    return (
        left.dtype == right.dtype
        and np.array_equal(np.isnan(left), np.isnan(right))
        and left[~np.isnan(left)].tobytes() == right[~np.isnan(right)].tobytes()
    )


def assert_same(offline: Answer, online: Answer) -> None:
    for name in offline.columns:
        assert same(offline.columns[name], online.columns[name]), (name, offline.columns[name], online.columns[name])
        assert (offline.statuses[name] == online.statuses[name]).all(), (name, offline.statuses[name], online.statuses[name])
        assert (offline.ages[name] == online.ages[name]).all(), (name, offline.ages[name], online.ages[name])


def latest(events: Sequence[tuple[Any, ...]]) -> int:
    return max((event[1] for event in events if event[1] is not None), default=0)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EVENTS, st.data(), st.sampled_from([0, 1, 13]), st.sampled_from([None, 20]), st.sampled_from([0, 1, 2, 5, 14, 100]))
def test_online_equals_offline_for_every_order_and_batching(
    keyvalue: KeyValueStore, events: list[tuple[Any, ...]], data: st.DataObject, delay: int, valid_for: int | None, later: int
) -> None:
    order = data.draw(st.permutations(events))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(events)), max_size=4)))
    batches = [table(order[start:end]) for start, end in zip([0, *cuts], [*cuts, len(events)], strict=True)]
    view = view_of(delay, valid_for)
    offline, online = read_both(keyvalue, view, table(events), batches, ["a", "b", "\x00", "never", None], latest(events) + later)
    assert_same(offline, online)


@pytest.mark.parametrize("delay", [0, 1, 13])
def test_online_equals_offline_at_every_moment_of_a_dense_stream(keyvalue: KeyValueStore, delay: int) -> None:
    events = table([("a", time, time % 3, time / 8, time % 5, "x" * (time % 4)) for time in range(41)])
    view, project = view_of(delay, 30), f"p{next(projects)}"
    plan = ReadPlan.compile(FeatureSet(name="all", features=[view]), project, {view.name: 1})
    OnlineWriter(keyvalue, (ViewWriter.of(view, project, 1),)).push({"events": events})
    moments = np.arange(40, 140)
    rows = pa.table({"key": ["a"] * len(moments), "at": pa.array(moments, UTC)})
    offline = read_offline(PolarsTableEngine(None), [(plan.views[0], view, events)], rows, "at")  # type: ignore[arg-type]
    reader = OnlineReader(plan, keyvalue)
    online = reader.read({"key": np.array(["a"] * len(moments), dtype=object)}, moments)
    assert_same(offline, online)
    for number, moment in enumerate(moments.tolist()):
        assert_same_rows(reader, ["a"], moment, row_of(online, number))


WINDOWS = st.lists(st.tuples(st.sampled_from([1, 2, 3, 4, 6, 12]), st.integers(0, 60)), min_size=1, max_size=4, unique=True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(WINDOWS, st.lists(st.integers(0, 120), min_size=1, max_size=30), st.data(), st.sampled_from([0, 5]))
def test_hops_of_any_sizes_are_the_same_bytes_in_every_order_and_read_as_offline(
    keyvalue: KeyValueStore, spans: list[tuple[int, int]], times: list[int], data: st.DataObject, delay: int
) -> None:
    made = [window(kind, "value", hop + more, hop, f"{kind}_{hop}_{more}") for hop, more in spans for kind in ("sum", "maximum", "last_k")]
    view = FeatureView(name="things", entity=ENTITY, source=SOURCE, features=made, delay=delay)
    events = [("a", time, 0, time / 8) for time in times]
    order = data.draw(st.permutations(events))
    split = data.draw(st.integers(0, len(order)))
    batches = [table(part) for part in (order[:split], order[split:]) if part]
    writer = ViewWriter.of(view, "p", 1)
    entry: bytes | None = None
    for batch in batches:
        [entry] = writer.entries([entry], writer.prepared(batch), 0, 0)
    assert [entry] == writer.entries([None], writer.prepared(table(events)), 0, 0)
    offline, online = read_both(keyvalue, view, table(events), batches, ["a"], max(times) + data.draw(st.integers(0, 80)))
    assert_same(offline, online)


def row_of(answer: Answer, number: int) -> Answer:
    """One row of an answer."""
    columns = {name: take({name: column}, np.array([number]))[name] for name, column in answer.columns.items()}
    statuses = {name: codes[[number]] for name, codes in answer.statuses.items()}
    return Answer(columns=columns, statuses=statuses, ages={name: ages[[number]] for name, ages in answer.ages.items()})


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.data(), st.integers(0, 220))
def test_stored_hops_merge_to_what_is_read_offline(events: list[tuple[Any, ...]], data: st.DataObject, at: int) -> None:
    """Each event is in one commit of hops; a window that ends at the end of a hop is the merge of the rows in it."""
    view = view_of(0, None)
    events = [event for event in events if event[1] is None or event[1] < at]
    cut = data.draw(st.integers(0, len(events)))
    writer = ViewWriter.of(view, "default", 1)
    stored = pa.concat_tables([hop_rows(writer, table(part)) for part in (events[:cut], events[cut:])]).to_pylist()
    plan = ReadPlan.compile(FeatureSet(name="all", features=[view]), "default", {view.name: 1}).views[0]
    rows = pa.table({"key": ["a"], "at": pa.array([at], UTC)})
    offline = read_offline(PolarsTableEngine(None), [(plan, view, table(events))], rows, "at")  # type: ignore[arg-type]
    assert set(stored_hops(writer.shape.layout)) == {1}
    for output in plan.outputs:
        if output.kind != "column" and output.default is None and any(event[0] == "a" and event[1] is not None for event in events):
            first = tail(at, output.over_us, output.hop_us) * output.hop_us
            inside = [row for row in stored if row["key"] == "a" and row["hop"] >= first]
            assert same(merged(inside, output), offline.columns[output.name]), output.name


def merged(inside: Sequence[dict[str, Any]], output: Output) -> Column:
    """The aggregate of stored hops."""
    measure = output.measures[0]
    if measure.binned:
        words = np.array([word for row in inside for word in row[hop_name(measure)]], dtype=np.int64)
        groups, words = merge_bins(measure, np.zeros(len(words), dtype=np.int64), words)
        unit = 1.0 if output.floats else output.resolution
        estimate, there = finalize_bins(output.kind, output.parameters, groups, words, 1, unit)
        return np.where(there, estimate, np.nan)
    if measure.listed:
        rows = np.array([word for row in inside for word in row[hop_name(measure)]], dtype=np.int64).reshape(-1, 3)
        _, rows = merge_listed(measure, np.zeros(len(rows), dtype=np.int64), rows)
        listed_values: NDArray[Any] = unordered(rows[:, 2], output.floats)
        if output.dtype.startswith("decimal"):
            listed_values = as_objects(listed_values, output.dtype)
        return Ragged(listed_values, np.array([0, len(listed_values)]))
    words_of = [np.array([merged_word(inside, measure)]) for measure in output.measures]
    value, held = finalized(output.kind, words_of, output.resolution, output.floats)
    if output.dtype.startswith("decimal"):
        value = as_objects(value, output.dtype)
    return np.where(held, value, np.nan) if value.dtype == np.float64 else Masked(value, ~held)


def merged_word(inside: Sequence[dict[str, Any]], measure: Measure) -> int:
    name = hop_name(measure)
    if measure.adds:
        return int(sum(row[name] for row in inside))
    if not measure.by_time:
        return int(max([NONE, *(row[name] for row in inside)]))
    return int(max([(NONE, NONE, NONE), *((row[f"{name}:time"], row[f"{name}:created"], row[name]) for row in inside)])[2])


def hop_name(measure: Measure) -> str:
    scaled = "" if measure.resolution == 1.0 else f":{measure.resolution!r}"
    return f"{measure.kind}:{measure.column}{scaled}" + (f":{measure.parameter}" if measure.parameter else "")


@settings(max_examples=60, deadline=None)
@given(EVENTS, EVENTS, st.integers(0, 220), st.sampled_from([0, 13]))
def test_nothing_at_or_after_the_moment_moves_a_feature(
    events: list[tuple[Any, ...]], others: list[tuple[Any, ...]], at: int, delay: int
) -> None:
    view = view_of(delay, 50)
    plan = ReadPlan.compile(FeatureSet(name="all", features=[view]), "default", {view.name: 1}).views[0]
    rows = pa.table({"key": ["a", "b"], "at": pa.array([at, at], UTC)})
    before = [event for event in events if event[1] is not None and event[1] + delay < at]
    after = [event for event in others if event[1] is not None and event[1] + delay >= at]
    answers = [
        read_offline(PolarsTableEngine(None), [(plan, view, table(seen))], rows, "at")  # type: ignore[arg-type]
        for seen in (before, before + after)
    ]
    assert_same(*answers)


def test_a_moment_before_the_newest_event_is_refused_online(keyvalue: KeyValueStore) -> None:
    from intonaco.core.errors import InvalidError

    events = table([("a", 100, 0, 1.0, 1, "x")])
    with pytest.raises(InvalidError, match="up to 1970-01-01") as caught:
        read_both(keyvalue, view_of(0, None), events, [events], ["a"], 99)
    assert "offline" in caught.value.hint


def test_a_window_that_was_left_long_ago_keeps_the_entity_known(keyvalue: KeyValueStore) -> None:
    events = table([("a", 0, 0, 1.0, 1, "x")])
    offline, online = read_both(keyvalue, view_of(0, None), events, [events], ["a"], 10_000)
    assert_same(offline, online)
    assert online.statuses["count_10"].tolist() == [0]
    assert online.statuses["mean_10"].tolist() == [1]


def test_a_repeated_sequence_changes_nothing(keyvalue: KeyValueStore) -> None:
    writer = OnlineWriter(keyvalue, (ViewWriter.of(view_of(0, None), f"p{next(projects)}", 1),))
    assert writer.push({"events": table([("a", 1, 0, 1.0, 1, "x")])}, sequence=7) == 1
    assert writer.push({"events": table([("a", 1, 0, 1.0, 1, "x")])}, sequence=7) == 0
    assert writer.push({"events": table([("a", 1, 0, 1.0, 1, "x")])}, sequence=8) == 1
