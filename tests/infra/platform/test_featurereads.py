"""The features that predictions were made of are compared with the tables of events."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from attrs import evolve

from intonaco.core.columns import Column, Columns
from intonaco.core.errors import MissingError
from intonaco.core.schema import Field, Schema
from intonaco.infra.features.definitions import Entity, FeatureSet, FeatureView, RequestColumn, TableSource, mean
from intonaco.infra.features.online.reader import OnlineReader
from intonaco.infra.features.recorded.readers import feature_reference
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.lineage.registry.registry import Registry
from intonaco.infra.platform.featurereads import ledger_reads
from intonaco.infra.serving.endpoints.deployment import Deployment, Route
from intonaco.infra.serving.endpoints.endpoint import Endpoint
from intonaco.infra.serving.endpoints.scorer import Scorer
from intonaco.infra.serving.ledger.ledger import Ledger
from intonaco.infra.serving.packages.servable import Servable, Signature
from intonaco.infra.workspace import Workspace

HOUR_US = 3_600_000_000
DELAYS = FeatureView(
    name="delays",
    entity=Entity("stop", {"stop": "str"}),
    source=TableSource("passed", {"late": "float64"}, time="when"),
    features=[mean("late", over="2h")],
)
SET = FeatureSet(name="lateness", features=[DELAYS], request=[RequestColumn("rain")])


class Sum(Servable):
    """Adds what it is given."""

    signature = Signature(
        inputs=Schema((Field("late_mean_2h", "float64", nullable=True), Field("rain", "float64", nullable=True))),
        outputs=Schema.of(late="float64"),
    )

    def predict(self, columns: Columns) -> dict[str, Column]:
        return {"late": np.nansum([np.asarray(column) for column in columns.values()], axis=0)}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeatureStore]:
    """Two stops are asked about at 3 h, and a version that reads the set answers."""
    with Workspace.open(tmp_path) as workspace:
        store = FeatureStore(workspace)
        store.apply([SET])
        when = pa.array([HOUR_US, 2 * HOUR_US], pa.timestamp("us", "UTC"))
        workspace.tables.write("default/passed", pa.table({"stop": ["a", "b"], "when": when, "late": [1.5, 2.5]}))
        store.materialize("lateness", 3 * HOUR_US)
        plan = store.read_plan("lateness")
        deployment = Deployment(project="default", endpoint="eta", routes=[Route(version=1, package="0" * 64, model="eta")])
        endpoint = Endpoint.of(deployment, {1: Scorer(1, Sum(), plan, OnlineReader(plan, workspace.keyvalue))})
        given = {"stop": np.array(["a", "b"], dtype=object), "rain": np.array([0.5, np.nan])}
        at_us = np.full(2, 3 * HOUR_US - 1)
        Ledger(workspace).record(endpoint, given, endpoint.predict(given, at_us), at_us)
        yield store


def measured(store: FeatureStore) -> tuple[dict[str, int], int]:
    plan = store.read_plan("lateness")
    found = store.consistency("lateness", ledger_reads(store.workspace, plan, "eta"))
    return found.counts, found.others


def test_features_of_predictions_are_equal_where_nothing_came_late(store: FeatureStore) -> None:
    assert measured(store) == ({"compared": 2, "equal": 2, "mismatch": 0, "missing_online": 0, "missing_offline": 0}, 0)


def test_an_event_that_came_late_is_a_mismatch_of_what_the_model_saw(store: FeatureStore) -> None:
    late = pa.table({"stop": ["a"], "when": pa.array([2 * HOUR_US], pa.timestamp("us", "UTC")), "late": [9.5]})
    store.workspace.tables.write("default/passed", late)
    assert measured(store)[0]["mismatch"] == 1


def test_predictions_of_a_version_that_reads_other_views_are_counted_apart(store: FeatureStore) -> None:
    uses = [feature_reference("default", "delays", 1, "late_mean_2h")]
    Registry(store.workspace).register("eta", "0" * 64, run_id="", uses=uses)
    assert measured(store)[1] == 0
    store.apply([evolve(SET, features=[evolve(DELAYS, delay="1m").using()])])
    store.materialize("lateness", 3 * HOUR_US)
    assert measured(store) == (dict.fromkeys(("compared", "equal", "mismatch", "missing_online", "missing_offline"), 0), 2)


def test_a_ledger_of_a_model_that_reads_another_set_is_refused(store: FeatureStore) -> None:
    store.apply([FeatureSet(name="other", features=[evolve(DELAYS, name="others").using(prefix="other_")])])
    with pytest.raises(MissingError, match="none of the set's features"):
        ledger_reads(store.workspace, store.read_plan("other"), "eta")
