"""An endpoint whose model reads features: what the caller is told, what the ledger keeps, and what a batch reads are the same bits."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from attrs import frozen

from intonaco.core.columns import Column, Columns
from intonaco.core.errors import InvalidError, MissingError, SchemaError
from intonaco.core.schema import Schema
from intonaco.infra.features.definitions import (
    Entity,
    FeatureSet,
    FeatureView,
    RequestColumn,
    TableSource,
    columns,
    count,
    difference,
    mean,
)
from intonaco.infra.features.online.reader import OnlineReader
from intonaco.infra.features.online.status import Status
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.serving.endpoints.batcher import Batcher
from intonaco.infra.serving.endpoints.deployment import Deployment, Route
from intonaco.infra.serving.endpoints.endpoint import Endpoint
from intonaco.infra.serving.endpoints.scorer import Scorer
from intonaco.infra.serving.ledger.ledger import Ledger, declare
from intonaco.infra.serving.ledger.ledgerrecords import layouts_of
from intonaco.infra.serving.ledger.spool import Spool
from intonaco.infra.serving.ledger.spoolmover import SpoolMover
from intonaco.infra.serving.packages.servable import Servable, Signature
from intonaco.infra.serving.wire.channel import AnswerFrames, Frame
from intonaco.infra.workspace import Workspace

HOUR = 3_600_000_000
VIEW = FeatureView(
    name="carrier_gain",
    entity=Entity("carrier", {"carrier": "str"}),
    source=TableSource("arrivals", {"gain": "float64"}, time="arrived_at"),
    features=[mean("gain", over=["6h", "2d"]), count(over="1d", default=0.0), columns("gain")],
    valid_for="3d",
)
SET = FeatureSet(
    name="eta",
    features=[VIEW],
    request=[RequestColumn("dep_delay")],
    functions=[difference("dep_delay", "gain_mean_6h", name="worse")],
)
ROUTE = Route(version=1, package="0" * 64)
DEPLOYMENT = Deployment(project="default", endpoint="eta", routes=(ROUTE,))


@frozen
class Summing(Servable):
    """The sum of all that is there."""

    signature: Signature

    def predict(self, given: Columns) -> dict[str, Column]:
        return {"y": np.nansum(np.stack([np.asarray(column) for column in given.values()]), axis=0)}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeatureStore]:
    with Workspace.open(tmp_path) as workspace:
        store = FeatureStore(workspace)
        store.apply([SET])
        times = pa.array([hour * HOUR for hour in range(40)], pa.timestamp("us", tz="UTC"))
        gains = pa.array([hour / 3 for hour in range(40)], pa.float64())
        workspace.tables.write("default/arrivals", pa.table({"carrier": ["UA"] * 40, "arrived_at": times, "gain": gains}))
        store.materialize(SET, 40 * HOUR)
        yield store


@pytest.fixture
def endpoint(store: FeatureStore) -> Endpoint:
    plan = store.read_plan(SET)
    signature = Signature(inputs=plan.features, outputs=Schema.of(y="float64"))
    return Endpoint.of(DEPLOYMENT, {1: Scorer(1, Summing(signature), plan, OnlineReader(plan, store.workspace.keyvalue))})


def asked(number: int, carriers: list[str], delays: list[float | None], at_us: int) -> Frame:
    tensors = [
        {"name": "dep_delay", "datatype": "FP64", "shape": [len(delays)], "data": delays},
        {"name": "carrier", "datatype": "BYTES", "shape": [len(carriers)], "data": carriers},
    ]
    body = {"inputs": tensors, "parameters": {"at": at_us, "features": True}}
    return Frame(number, time.monotonic() + 10, 0, json.dumps(body).encode())


def outputs(body: bytes) -> dict[str, list[Any]]:
    return {each["name"]: each["data"] for each in json.loads(body)["outputs"]}


def test_an_endpoint_takes_keys_and_request_columns(endpoint: Endpoint) -> None:
    assert set(endpoint.inputs.names) == {"carrier", "dep_delay"}


def test_what_is_told_is_what_a_batch_reads_to_the_bit(store: FeatureStore, endpoint: Endpoint) -> None:
    at_us = 40 * HOUR + 1
    frames = [asked(1, ["UA", "nobody"], [5.0, None], at_us), asked(2, ["UA"], [0.1], at_us + 70 * HOUR)]
    told = {number: outputs(body) for number, _, body in AnswerFrames().feed(Batcher(endpoint, None).answer(frames))}
    keys = {"carrier": np.array(["UA", "nobody", "UA"], dtype=object), "dep_delay": np.array([5.0, np.nan, 0.1])}
    batch = store.read_offline(SET, keys, np.array([at_us, at_us, at_us + 70 * HOUR]))
    for each in endpoint.scorers[1].features:
        values = np.array([np.nan if v is None else v for n in (1, 2) for v in told[n][f"feature.{each.name}"]])
        assert values.tobytes() == np.asarray(batch.columns[each.name]).tobytes(), each.name
        assert [code for n in (1, 2) for code in told[n][f"status.{each.name}"]] == batch.statuses[each.name].tolist()
    assert told[1]["age_us.gain"] == [HOUR + 1, None]
    assert told[1]["status.count_1d"] == [Status.present, Status.defaulted]


def test_the_same_rows_answer_alike_in_batch_and_through_the_protocol(endpoint: Endpoint) -> None:
    at_us = 40 * HOUR
    ((_, _, body),) = AnswerFrames().feed(Batcher(endpoint, None).answer([asked(1, ["UA", "nobody"], [5.0, 1.0], at_us)]))
    direct = endpoint.predict({"carrier": np.array(["UA", "nobody"], dtype=object), "dep_delay": np.array([5.0, 1.0])}, at_us)
    assert outputs(body)["y"] == np.asarray(direct.columns["y"]).tolist()


def test_the_ledger_keeps_what_the_model_saw(store: FeatureStore, endpoint: Endpoint) -> None:
    workspace = store.workspace
    folder = workspace.home / "spool" / "default"
    layouts = layouts_of("default", "eta", endpoint.scorers)
    declare(workspace, layouts.values())
    spool = Spool(folder / "eta", layouts, 1 << 30)
    list(AnswerFrames().feed(Batcher(endpoint, spool).answer([asked(1, ["UA", "nobody"], [5.0, None], 40 * HOUR)])))
    spool.close()
    SpoolMover(folder, "default", workspace.stream).move()
    table = Ledger(workspace).read("eta")
    read = store.read(SET, {"carrier": np.array(["UA"], dtype=object), "dep_delay": np.array([5.0])}, 40 * HOUR)
    assert table["carrier"].to_pylist() == ["UA", "nobody"]
    assert table["dep_delay"].to_pylist() == [5.0, None]
    assert table["feature.gain_mean_6h"].to_pylist() == [float(np.asarray(read.columns["gain_mean_6h"])[0]), None]
    assert table["status.gain_mean_6h"].to_pylist() == [Status.present, Status.missing]


def test_the_past_is_refused_to_the_one_who_asks_for_it(endpoint: Endpoint) -> None:
    frames = [asked(1, ["UA"], [5.0], 3 * HOUR), asked(2, ["UA"], [5.0], 40 * HOUR)]
    told = {number: (status, json.loads(body)) for number, status, body in AnswerFrames().feed(Batcher(endpoint, None).answer(frames))}
    assert (told[1][0], told[1][1]["field"], told[2][0]) == (400, "at", 200)


def test_a_missing_column_is_named(endpoint: Endpoint) -> None:
    with pytest.raises(SchemaError, match="dep_delay"):
        endpoint.predict({"carrier": np.array(["UA"], dtype=object)})


def test_a_version_that_is_not_served_is_named(endpoint: Endpoint) -> None:
    with pytest.raises(MissingError, match="version 7"):
        endpoint.predict({"carrier": np.array(["UA"], dtype=object), "dep_delay": np.array([1.0])}, version=7)


def test_two_versions_with_different_inputs_are_refused(endpoint: Endpoint) -> None:
    other = Scorer(2, Summing(Signature(inputs=Schema.of(x="float64"), outputs=Schema.of(y="float64"))))
    with pytest.raises(InvalidError, match="different inputs"):
        Endpoint.of(DEPLOYMENT, {**endpoint.scorers, 2: other})
