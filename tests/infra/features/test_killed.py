"""A materialization that is killed again and again, by the operating system, and then simply run once more."""

import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from intonaco.infra.features.definitions import Entity, FeatureSet, FeatureView, TableSource, columns, count, mean
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.workspace import Workspace

HOUR = 3_600_000_000
KILLS = 8
VIEW = FeatureView(
    name="rides",
    entity=Entity("rider", {"rider": "int64"}),
    source=TableSource("trips", {"fare": "float64"}, time="ended_at"),
    features=[mean("fare", over=["6h", "7d"]), count(over="1d"), columns("fare")],
)
SET = FeatureSet(name="all", features=[VIEW])
SCRIPT = """
import sys
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.workspace import Workspace

with Workspace.open(sys.argv[1]) as workspace:
    store = FeatureStore(workspace)
    print("ready", flush=True)
    store.materialize("rides", int(sys.argv[2]))
"""


def start(root: Path, until: int) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(root), str(until)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


@pytest.mark.slow
def test_after_kills_at_any_time_a_plain_rerun_makes_online_equal_to_offline(tmp_path: Path) -> None:
    generator = np.random.default_rng(7)
    rows, riders = 120_000, 15_000
    times = np.sort(generator.integers(0, 200 * HOUR, rows))
    events = pa.table(
        {
            "rider": generator.integers(0, riders, rows),
            "ended_at": pa.array(times).cast(pa.timestamp("us", tz="UTC")),
            "fare": np.round(generator.normal(20, 9, rows), 2),
        }
    )
    with Workspace.open(tmp_path) as workspace:
        store = FeatureStore(workspace)
        store.apply([SET])
        workspace.tables.write("default/trips", events)
    wait = random.Random(7)
    for kill in range(KILLS):
        with start(tmp_path, (100 + 10 * kill) * HOUR) as process:
            time.sleep(wait.uniform(0, 0.6))
            process.kill()
    with start(tmp_path, 200 * HOUR) as process:
        assert process.wait(60) == 0
    with Workspace.open(tmp_path) as workspace:
        store = FeatureStore(workspace)
        asked = {"rider": np.arange(0, riders, 5)}
        online = store.read(SET, asked, np.full(len(asked["rider"]), 200 * HOUR))
        offline = store.read_offline(SET, asked, 200 * HOUR)
        for name in SET.names:
            assert np.array_equal(np.asarray(online.columns[name]), np.asarray(offline.columns[name]), equal_nan=True), name
            assert np.array_equal(online.statuses[name], offline.statuses[name]), name
        hops = workspace.tables.read(workspace.tables.snapshot("default/features.rides.v1.hops"))
        assert sum(hops["count:"].to_pylist()) == rows
