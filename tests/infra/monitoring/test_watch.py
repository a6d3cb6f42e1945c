"""A deployed version is watched by what its ledger, the labels and the registry hold."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from intonaco.infra.features.defined.labels import Labels
from intonaco.infra.lineage.artifacts import Artifacts
from intonaco.infra.lineage.cells import Cell
from intonaco.infra.lineage.registry.registry import Registry
from intonaco.infra.monitoring.alerts import Alerts
from intonaco.infra.monitoring.freshness import TableMonitor
from intonaco.infra.monitoring.monitors import AccuracyMonitor, DriftMonitor, Monitor
from intonaco.infra.monitoring.predictions import Predictions
from intonaco.infra.monitoring.reference import Reference
from intonaco.infra.monitoring.report import monitoring_report
from intonaco.infra.monitoring.watch import REFERENCE, Truth, watch_predictions, watch_table
from intonaco.infra.workspace import Workspace

DAY_US = 86_400_000_000
ROWS = 600
TRUTH = Truth(labels=Labels(name="arrivals", table="arrivals", keys=("flight",), value="error_min", final="arrived"))


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(tmp_path) as workspace:
        yield workspace


def ledger_table() -> pa.Table:
    """Two days of 300 predictions each, as the ledger gives them."""
    at_us = np.sort(np.arange(ROWS) % 2) * DAY_US + np.arange(ROWS)
    return pa.table(
        {
            "prediction_id": [f"p{row}" for row in range(ROWS)],
            "prediction_row": np.zeros(ROWS, np.int32),
            "predicted_at": pa.array(at_us).cast(pa.timestamp("us", "UTC")),
            "model_version": np.ones(ROWS, np.int64),
            "ledger_offset": np.arange(ROWS),
            "flight": [f"UA{row}" for row in range(ROWS)],
            "feature.speed": pa.array(np.random.default_rng(0).normal(size=ROWS)),
            "status.speed": np.zeros(ROWS, np.uint8),
            "output.error_min": np.zeros(ROWS),
        }
    )


def prepare(workspace: Workspace) -> Predictions:
    """Labels of which the last 30 never come, and a registered version with its reference."""
    predictions = Predictions.of_ledger("eta", ledger_table())
    errors = np.where(np.arange(ROWS) < ROWS // 2, 1.0, 9.0)
    labels = pa.table({"flight": [f"UA{row}" for row in range(ROWS)], "error_min": errors, "arrived": predictions.at_us + 1000})
    workspace.tables.write("default/arrivals", labels.slice(0, ROWS - 30))
    reference = Reference.of({"speed": np.random.default_rng(1).normal(2, size=5000), "error_min": np.zeros(5000)})
    digest = Artifacts(workspace).save(reference).digest
    Registry(workspace).register(
        "eta", "0" * 64, run_id="", cells=[Cell("", "mae", 2.0, n=100)], reports={REFERENCE: digest}, held_out=True
    )
    return predictions


def test_ledger_columns_are_told_apart_by_their_names() -> None:
    predictions = Predictions.of_ledger("eta", ledger_table())
    assert list(predictions.columns) == ["flight", "speed"]
    assert list(predictions.outputs) == ["error_min"]
    assert predictions.version() == "eta@1"


def test_a_bad_day_and_moved_features_raise_alerts_that_are_kept(workspace: Workspace) -> None:
    monitors: list[Monitor] = [AccuracyMonitor("mae", times=1.5), DriftMonitor()]
    found = watch_predictions(workspace, prepare(workspace), monitors, truth=TRUTH, at=3 * DAY_US, beside=["base_mae"])
    assert {(each.monitor, each.from_us // DAY_US) for each in found.alerts} == {
        ("accuracy mae", 1),
        ("drift psi speed", 0),
        ("drift psi speed", 1),
    }
    assert sorted(Alerts(workspace).list("eta"), key=str) == sorted(found.alerts, key=str)
    assert found.accuracy["1d"].buckets[1].pending == 30
    assert "drift psi speed" in monitoring_report(found).text()


def test_looking_again_records_nothing_new(workspace: Workspace) -> None:
    predictions = prepare(workspace)
    for _ in range(2):
        watch_predictions(workspace, predictions, [DriftMonitor()], at=3 * DAY_US)
    assert len((workspace.home / "log" / "alerts.jsonl").read_text().splitlines()) == 2


def test_what_lies_behind_the_moment_of_looking_is_not_seen(workspace: Workspace) -> None:
    found = watch_predictions(workspace, prepare(workspace), [AccuracyMonitor("mae", times=1.5)], truth=TRUTH, at=DAY_US)
    assert found.alerts == ()
    assert [bucket.n for bucket in found.accuracy["1d"].buckets] == [ROWS // 2]


def test_a_table_that_no_model_serves_is_watched_too(workspace: Workspace) -> None:
    workspace.tables.write("default/weather", pa.table({"at": pa.array([0]).cast(pa.timestamp("us", "UTC"))}))
    found: Any = watch_table(workspace, TableMonitor("weather", time="at", within="3h"), at=DAY_US)
    assert [each.monitor for each in found.alerts] == ["freshness weather"]
    assert json.loads((workspace.home / "log" / "alerts.jsonl").read_text())["value"] == 86_400
