"""The feature store on the embedded stores: training sets, materialization that is cut short, pushes and reads."""

import os
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pytest
from attrs import evolve

from intonaco.core.columns import Masked
from intonaco.core.errors import ConflictError, InvalidError, MissingError, SchemaError
from intonaco.infra.features.definitions import (
    Entity,
    FeatureSet,
    FeatureView,
    Labels,
    RequestColumn,
    TableSource,
    columns,
    count,
    difference,
    hour_of_day,
    mean,
)
from intonaco.infra.features.online.status import Status
from intonaco.infra.features.recorded.progress import Progress
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.features.writing import materialization
from intonaco.infra.features.writing.writer import OnlineWriter
from intonaco.infra.serving.protocol.tensors import listed
from intonaco.infra.storage.arrow import from_arrow
from intonaco.infra.storage.catalog.leases import Leases
from intonaco.infra.workspace import Workspace

STAMP = pa.timestamp("us", tz="UTC")
HOUR = 3_600_000_000
CARRIER = Entity("carrier", {"carrier": "str"})
VIEW = FeatureView(
    name="carrier_gain",
    entity=CARRIER,
    source=TableSource("arrivals", {"gain": "float64"}, time="arrived_at"),
    features=[mean("gain", over=["6h", "2d"]), count(over="1d", default=0.0), columns("gain")],
    valid_for="3d",
)
SET = FeatureSet(
    name="eta",
    features=[VIEW],
    request=[RequestColumn("dep_delay")],
    functions=[hour_of_day(), difference("dep_delay", "gain_mean_6h", name="worse")],
)


def arrivals(hours: Sequence[float], gains: Sequence[float | None], carrier: str = "UA") -> pa.Table:
    times = pa.array([int(hour * HOUR) for hour in hours], STAMP)
    return pa.table({"carrier": pa.array([carrier] * len(times), pa.string()), "arrived_at": times, "gain": pa.array(gains, pa.float64())})


def request(*carriers: str | None) -> dict[str, Any]:
    keys = Masked(np.array([each or "" for each in carriers], dtype=object), np.array([each is None for each in carriers]))
    return {"carrier": keys, "dep_delay": np.full(len(carriers), 5.0)}


@pytest.fixture
def filled(store: FeatureStore) -> FeatureStore:
    """A store with a set applied and forty events, one an hour."""
    store.apply([SET])
    store.workspace.tables.write("default/arrivals", arrivals(range(40), [float(hour) for hour in range(40)]))
    return store


def answers_match(store: FeatureStore, hour: float, *carriers: str | None) -> None:
    online = store.read(SET, request(*carriers), int(hour * HOUR) + np.zeros(len(carriers), dtype=np.int64))
    offline = store.read_offline(SET, request(*carriers), int(hour * HOUR))
    for name in SET.names:
        assert np.array_equal(np.asarray(online.columns[name]), np.asarray(offline.columns[name]), equal_nan=True), name
        assert online.statuses[name].tolist() == offline.statuses[name].tolist(), name


def test_a_training_set_sees_what_was_usable_at_each_moment(filled: FeatureStore) -> None:
    rows = {
        "carrier": np.array(["UA", "UA", "B6"], dtype=object),
        "at": np.array([2 * HOUR, 2 * HOUR + 1, 2 * HOUR]).view("datetime64[us]"),
        "dep_delay": np.array([1.0, np.nan, 3.0]),
        "late": np.array([0.0, 1.0, 2.0]),
    }
    examples = filled.training_set("eta", rows, labels=["late"])
    assert examples.columns["gain"].tolist()[:2] == [1.0, 2.0]  # type: ignore[union-attr]
    assert examples.columns["gain_mean_6h"].tolist()[:2] == [0.5, 1.0]  # type: ignore[union-attr]
    assert examples.statuses["gain_mean_6h"].tolist() == [Status.present, Status.present, Status.missing]
    assert examples.statuses["count_1d"].tolist() == [Status.present, Status.present, Status.defaulted]
    assert examples.statuses["dep_delay"].tolist() == [Status.present, Status.null, Status.present]
    assert examples.inputs.names == SET.names
    assert examples.labels == ("late",)
    assert list(examples.segments) == ["carrier", "dep_delay"]
    assert examples.plan == filled.read_plan("eta")
    assert examples.source == "table:default/arrivals@0"


def test_a_training_table_has_the_features_of_a_training_set(filled: FeatureStore) -> None:
    moments = pa.array([2 * HOUR, 2 * HOUR + 1, 2 * HOUR, 90 * HOUR]).cast(pa.timestamp("us", tz="UTC"))
    rows = pa.table({"carrier": ["UA", "UA", "B6", "UA"], "at": moments, "dep_delay": [1.0, None, 3.0, 4.0], "late": [0.0, 1.0, 2.0, 3.0]})
    tables = filled.workspace.tables
    stored = [tables.write("default/flights", rows.slice(start, 3)) for start in (0, 3)][-1]
    made = filled.training_table("examples", "eta", stored)
    examples = filled.training_set("eta", stored, labels=["late"])
    found = tables.read(made)
    assert (made.reference, found.column_names[:4]) == ("table:default/examples@0", rows.column_names)
    columns = from_arrow(found)
    for name in SET.names:
        assert np.array_equal(np.asarray(columns[name]), np.asarray(examples.columns[name]), equal_nan=True), name
    nothing = filled.training_table("examples", "eta", tables.write("default/nothing", rows.slice(0, 0)))
    assert (nothing.version, nothing.rows, nothing.schema) == (1, 0, made.schema)


def test_values_grow_old(filled: FeatureStore) -> None:
    answer = filled.read_offline(SET, request("UA", "UA"), np.array([(39 + 72) * HOUR, (39 + 72) * HOUR + 1]))
    assert answer.statuses["gain"].tolist() == [Status.present, Status.expired]
    assert answer.statuses["gain_mean_6h"].tolist() == [Status.null, Status.expired]
    assert answer.statuses["count_1d"].tolist() == [Status.present, Status.defaulted]


def test_labels_give_the_rows_of_things_that_happened(filled: FeatureStore) -> None:
    flights = pa.table(
        {
            "flight": ["1", "2", "3"],
            "carrier": ["UA", "UA", "UA"],
            "departs_at": pa.array([HOUR, 2 * HOUR, 3 * HOUR], STAMP),
            "lands_at": pa.array([5 * HOUR, None, 6 * HOUR], STAMP),
            "dep_delay": [0.0, 1.0, 2.0],
            "late": pa.array([3.0, None, 4.0]),
        }
    )
    filled.workspace.tables.write("default/flights", flights)
    labels = Labels(name="arrived", table="flights", keys="flight", value="late", final="lands_at", at="departs_at")
    examples = filled.training_set("eta", labels=labels)
    assert examples.columns["late"].tolist() == [3.0, 4.0]  # type: ignore[union-attr]
    assert examples.at_us is not None
    assert examples.at_us.tolist() == [HOUR, 3 * HOUR]
    rows = flights.select(["flight", "carrier", "dep_delay"]).append_column("at", flights["departs_at"]).slice(1)
    joined = filled.training_set("eta", rows, labels=labels)
    assert joined.columns["late"].tolist() == [4.0]  # type: ignore[union-attr]


def test_two_outcomes_of_one_thing_are_refused(filled: FeatureStore) -> None:
    outcomes = pa.table({"flight": ["1", "1"], "late": [1.0, 2.0], "lands_at": pa.array([1, 2], STAMP)})
    filled.workspace.tables.write("default/flights", outcomes)
    labels = Labels(name="arrived", table="flights", keys="flight", value="late", final="lands_at")
    rows = pa.table({"flight": ["1"], "carrier": ["UA"], "dep_delay": [1.0], "at": pa.array([HOUR], STAMP)})
    with pytest.raises(SchemaError, match="two outcomes"):
        filled.training_set("eta", rows, labels=labels)


def test_rows_without_an_outcome_are_left_out_in_order(filled: FeatureStore) -> None:
    outcomes = pa.table({"flight": ["3", None, "1"], "late": [3.0, 9.0, 1.0], "lands_at": pa.array([1, 2, 3], STAMP)})
    filled.workspace.tables.write("default/flights", outcomes)
    labels = Labels(name="arrived", table="flights", keys="flight", value="late", final="lands_at")
    flights = ["1", "2", None, "3"]
    rows = pa.table({"flight": flights, "carrier": ["UA"] * 4, "dep_delay": [1.0] * 4, "at": pa.array([HOUR] * 4, STAMP)})
    assert filled.training_set("eta", rows, labels=labels).columns["late"].tolist() == [1.0, 3.0]  # type: ignore[union-attr]


@pytest.mark.parametrize("absent", ["carrier", "dep_delay", "at", "late"])
def test_rows_without_a_column_are_refused_by_its_name(filled: FeatureStore, absent: str) -> None:
    rows = {"carrier": np.array(["UA"], dtype=object), "at": np.array([1], "datetime64[us]"), "dep_delay": np.ones(1), "late": np.ones(1)}
    with pytest.raises(SchemaError, match=f"'{absent}'"):
        filled.training_set("eta", {name: column for name, column in rows.items() if name != absent}, labels=["late"])


def test_materialized_and_pushed_events_are_read_as_offline(filled: FeatureStore) -> None:
    [done] = filled.materialize(SET, datetime(1970, 1, 2, tzinfo=UTC))
    assert (done.rows, done.until_us) == (24, 24 * HOUR)
    writer = filled.writer([SET])
    for hour in range(24, 40):
        assert writer.push({"arrivals": arrivals([hour], [float(hour)])}) == 1
    for moment in (39.5, 50, 39 + 72.5):
        answers_match(filled, moment, "UA", "B6", None)


def test_pushes_feed_a_view_from_the_first_one_on(filled: FeatureStore) -> None:
    filled.materialize(VIEW, 24 * HOUR)
    filled.push(VIEW, arrivals([24], [24.0]))
    [done] = filled.materialize("carrier_gain", 25 * HOUR)
    assert done.until_us == 25 * HOUR
    online = filled.read(SET, request("UA"), np.array([25 * HOUR]))
    assert online.columns["count_1d"].tolist() == [24.0]  # type: ignore[union-attr]


def test_cleared_entries_are_filled_anew(filled: FeatureStore) -> None:
    filled.materialize(VIEW, 40 * HOUR)
    filled.push(VIEW, arrivals([41], [1.0], "B6"))
    assert filled.clear_online(VIEW) == 2
    filled.materialize(VIEW, 40 * HOUR)
    answers_match(filled, 41, "UA", "B6")


def test_materializing_again_stores_only_what_is_new(filled: FeatureStore) -> None:
    hops = "default/features.carrier_gain.v1.hops"
    assert filled.materialize(VIEW, 10 * HOUR)[0].rows == 10
    assert filled.materialize(VIEW, 10 * HOUR)[0].rows == 0
    filled.workspace.tables.write("default/arrivals", arrivals([2.5, 12.5], [7.0, 8.0]))
    assert filled.materialize(VIEW, 13 * HOUR)[0].rows == 5
    stored = filled.workspace.tables.read(filled.workspace.tables.snapshot(hops))
    assert sum(stored["count:"].to_pylist()) == 15
    assert filled.materialize(VIEW, 41 * HOUR)[0].rows == 27
    answers_match(filled, 41, "UA")


def test_before_its_watermark_a_view_is_read_offline(filled: FeatureStore) -> None:
    filled.materialize(VIEW, 100 * HOUR)
    with pytest.raises(InvalidError, match="is materialized until") as raised:
        answers_match(filled, 99, "UA")
    assert "read_offline" in raised.value.hint
    answers_match(filled, 100, "UA")


def test_a_store_that_was_emptied_or_is_another_is_filled_from_the_beginning(filled: FeatureStore) -> None:
    assert filled.materialize(VIEW, 41 * HOUR)[0].rows > 30
    keyvalue = filled.workspace.keyvalue
    keyvalue.delete([key for key, _ in keyvalue.scan()])
    assert filled.materialize(VIEW, 41 * HOUR)[0].rows > 30
    answers_match(filled, 41, "UA")
    assert filled.materialize(VIEW, 41 * HOUR)[0].rows == 0


def test_a_clearing_that_was_killed_is_finished_by_the_next_writer(filled: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    filled.materialize(VIEW, 40 * HOUR)
    filled.push(VIEW, arrivals([41], [1.0], "B6"))

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Progress, "forget", killed)
        with pytest.raises(Killed):
            filled.clear_online(VIEW)
    filled.materialize(VIEW, 40 * HOUR)
    answers_match(filled, 41, "UA", "B6")


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("place", ["begin", "finish"])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", [1, 2])
def test_a_materialization_that_was_killed_is_finished_by_a_plain_rerun(
    filled: FeatureStore, monkeypatch: pytest.MonkeyPatch, place: str, after: bool, call: int
) -> None:
    filled.materialize(VIEW, 10 * HOUR)
    filled.workspace.tables.write("default/arrivals", arrivals([3.5], [50.0]))
    whole, calls = getattr(Progress, place), [0]

    def killed(*arguments: Any) -> None:
        calls[0] += 1
        if after or calls[0] != call:
            whole(*arguments)
        if calls[0] == call:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Progress, place, killed)
        with pytest.raises(Killed):
            filled.materialize(VIEW, 40 * HOUR)
    filled.materialize(VIEW, 40 * HOUR)
    answers_match(filled, 40, "UA")
    hops = filled.workspace.tables.read(filled.workspace.tables.snapshot("default/features.carrier_gain.v1.hops"))
    assert sum(hops["count:"].to_pylist()) == 41


@pytest.mark.parametrize("target", ["hops", "online"])
def test_a_store_that_refuses_writes_moves_no_watermark(filled: FeatureStore, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise OSError("no space")

    with monkeypatch.context() as patched:
        if target == "hops":
            patched.setattr(materialization, "hop_rows", refused)
        else:
            patched.setattr(OnlineWriter, "write", refused)
        with pytest.raises(OSError, match="no space"):
            filled.materialize(VIEW, 40 * HOUR)
    assert Progress(filled.workspace.catalog, "default", "carrier_gain", 1, target).mark().until_us < 0
    filled.materialize(VIEW, 40 * HOUR)
    answers_match(filled, 40, "UA")


def held_by(store: FeatureStore, holder: str, place: str) -> None:
    Leases(store.workspace.catalog).take(f"features/default/carrier_gain@1/{place}", holder, 60)


@pytest.mark.parametrize("place", ["hops", "online"])
def test_one_process_writes_at_a_time(filled: FeatureStore, place: str) -> None:
    held_by(filled, "elsewhere 1 0.00", place)
    with pytest.raises(ConflictError, match="carrier_gain"):
        filled.materialize(VIEW, HOUR)


def test_a_push_is_refused_while_another_process_writes(filled: FeatureStore) -> None:
    held_by(filled, f"{socket.gethostname()} {os.getppid()} {psutil.Process(os.getppid()).create_time():.2f}", "online")
    with pytest.raises(ConflictError, match="carrier_gain"):
        filled.push(VIEW, arrivals([1], [1.0]))


def test_the_turn_of_a_process_that_is_gone_is_taken_over(filled: FeatureStore) -> None:
    held_by(filled, f"{socket.gethostname()} {os.getpid()} 0.00", "online")
    assert filled.push(VIEW, arrivals([1], [1.0])) == 1


def test_a_table_that_was_replaced_is_not_materialized_twice(filled: FeatureStore) -> None:
    filled.materialize(VIEW, 10 * HOUR)
    filled.workspace.tables.write("default/arrivals", arrivals([1], [1.0]), mode="replace")
    with pytest.raises(InvalidError, match="replaced"):
        filled.materialize(VIEW, 20 * HOUR)


def test_projects_do_not_read_each_other(workspace: Workspace, filled: FeatureStore) -> None:
    other = FeatureStore(workspace, "other")
    other.apply([SET])
    filled.push(VIEW, arrivals([1], [1.0]))
    assert other.read(SET, request("UA"), np.array([2 * HOUR])).statuses["gain"].tolist() == [Status.missing]


def test_a_new_version_starts_empty_and_the_old_one_stays(filled: FeatureStore) -> None:
    from attrs import evolve

    filled.materialize(VIEW, 40 * HOUR)
    changed = evolve(SET, features=[evolve(VIEW, delay="1h")])
    filled.apply([changed])
    assert filled.read(changed, request("UA"), np.array([40 * HOUR])).statuses["gain"].tolist() == [Status.missing]
    assert filled.read(SET, request("UA"), np.array([40 * HOUR])).statuses["gain"].tolist() == [Status.present]


def test_events_without_a_column_or_of_an_unread_table_are_refused(filled: FeatureStore) -> None:
    with pytest.raises(SchemaError, match="'gain'"):
        filled.push(VIEW, arrivals([1], [1.0]).drop_columns(["gain"]))
    with pytest.raises(InvalidError, match="'departures'"):
        filled.writer([VIEW]).push({"departures": arrivals([1], [1.0])})


def test_an_unknown_name_is_missing(filled: FeatureStore) -> None:
    with pytest.raises(MissingError, match="'etta'"):
        filled.materialize("etta", 0)


def test_a_request_without_a_key_is_refused(filled: FeatureStore) -> None:
    with pytest.raises(SchemaError, match="'carrier'"):
        filled.read(SET, {"dep_delay": np.ones(1)}, np.array([1]))


def test_the_order_in_which_a_view_lists_its_columns_decides_nothing(store: FeatureStore) -> None:
    source = TableSource("tied", {"a": "int64", "b": "int64"}, time="at")
    view = FeatureView(name="tied", entity=Entity("thing", {"thing": "str"}), source=source, features=[columns("a"), columns("b")])
    asked = FeatureSet(name="ties", features=[view["a", "b"]])
    store.apply([asked])
    events = pa.table({"thing": ["x", "x"], "at": pa.array([5, 5]).cast(pa.timestamp("us", tz="UTC")), "a": [1, 2], "b": [9, 3]})
    store.workspace.tables.write("default/tied", events)
    store.materialize(asked, 10)
    turned = evolve(view, features=view.features[::-1])
    [_, step] = store.apply([turned])
    assert (step.action, step.version) == ("describe", 1)
    store.materialize(turned, 20)
    for features in ("ties", FeatureSet(name="other", features=[turned["a", "b"]])):
        for answer in (
            store.read(features, {"thing": np.array(["x"])}, at=20),
            store.read_offline(features, {"thing": np.array(["x"])}, at=[20]),
        ):
            assert [listed(answer.columns[name]) for name in "ab"] == [[2], [3]]
