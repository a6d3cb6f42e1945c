"""An endpoint is watched through its own ledger."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from intonaco.core.columns import Column, Columns
from intonaco.core.errors import MissingError
from intonaco.core.schema import Schema
from intonaco.infra.features.defined.labels import Labels
from intonaco.infra.lineage.cells import Cell
from intonaco.infra.lineage.registry.registry import Registry
from intonaco.infra.monitoring.monitors import AccuracyMonitor
from intonaco.infra.monitoring.watch import Truth, read_predictions, run_monitors
from intonaco.infra.serving.endpoints.deployment import Deployment, Route
from intonaco.infra.serving.endpoints.endpoint import Endpoint
from intonaco.infra.serving.endpoints.scorer import Scorer
from intonaco.infra.serving.ledger.ledger import Ledger
from intonaco.infra.serving.packages.servable import Servable, Signature
from intonaco.infra.workspace import Workspace

DAY_US = 86_400_000_000
ROWS = 400
TRUTH = Truth(labels=Labels(name="arrivals", table="arrivals", keys=("flight",), value="error_min", final="arrived"))


class Twice(Servable):
    """Tells twice the delay."""

    signature = Signature(inputs=Schema.of(flight="int64", delay="float64"), outputs=Schema.of(error_min="float64"))

    def predict(self, columns: Columns) -> dict[str, Column]:
        return {"error_min": 2 * np.asarray(columns["delay"])}


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(tmp_path) as workspace:
        yield workspace


def predict(workspace: Workspace) -> None:
    """Two days of 200 predictions; on the second the delays say nothing."""
    deployment = Deployment(project="default", endpoint="eta", routes=[Route(version=1, package="0" * 64, model="eta")])
    endpoint = Endpoint.of(deployment, {1: Scorer(1, Twice())})
    at_us = np.repeat([0, DAY_US], ROWS // 2) + np.arange(ROWS)
    given = {"flight": np.arange(ROWS), "delay": np.ones(ROWS)}
    Ledger(workspace).record(endpoint, given, endpoint.predict(given, at_us), at_us)
    truths = np.repeat([2.0, 12.0], ROWS // 2)
    workspace.tables.write("default/arrivals", pa.table({"flight": np.arange(ROWS), "error_min": truths, "arrived": at_us + 1}))
    Registry(workspace).register("eta", "0" * 64, run_id="", cells=[Cell("", "mae", 2.0, n=100)], held_out=True)


def test_predictions_come_back_from_the_ledger(workspace: Workspace) -> None:
    predict(workspace)
    predictions = read_predictions(workspace, "eta", since=DAY_US)
    assert len(predictions) == ROWS // 2
    assert predictions.version() == "eta@1"
    assert np.asarray(predictions.output("error_min")).tolist() == [2.0] * (ROWS // 2)


def test_monitors_run_on_an_endpoints_ledger(workspace: Workspace) -> None:
    predict(workspace)
    found = run_monitors(workspace, "eta", [AccuracyMonitor("mae", times=1.5)], truth=TRUTH, at=3 * DAY_US)
    assert found.accuracy["1d"].values("mae") == [0.0, 10.0]
    assert [(each.from_us, each.value, each.threshold, each.version) for each in found.alerts] == [(DAY_US, 10.0, 3.0, "eta@1")]


def test_an_endpoint_that_never_answered_is_an_error(workspace: Workspace) -> None:
    with pytest.raises(MissingError, match="ledger of endpoint 'eta' is empty"):
        run_monitors(workspace, "eta", [])
