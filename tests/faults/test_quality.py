"""Writes that keep bad rows aside are killed, or their store refuses half-way; run again, every row lies in one place, once."""

import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pytest
from attrs import define

from intonaco.core.errors import QualityError, UnavailableError
from intonaco.infra.features.definitions import Entity, FeatureSet, FeatureView, TableSource, mean
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.features.writing.statistics import statistics
from intonaco.infra.storage.checks import Check, InRange
from intonaco.infra.storage.delta.delta import DeltaTableStore
from intonaco.infra.storage.quality.expectations import aside, refuse
from intonaco.infra.storage.quality.gates import Gate
from intonaco.infra.storage.tables import Snapshot
from intonaco.infra.workspace import Workspace

TABLE = "a/readings"
KILLS = 10
BATCHES = 25
SCRIPT = """
import sys
import pyarrow as pa
from intonaco.infra.storage.checks import InRange
from intonaco.infra.storage.delta.delta import DeltaTableStore
from intonaco.infra.storage.quality.expectations import aside
from intonaco.infra.storage.quality.gates import Gate

with DeltaTableStore.open(f"file:{sys.argv[1]}") as tables:
    gate = Gate(tables, "a/readings", [aside(InRange("x", 0, 9))])
    print("ready", flush=True)
    for batch in range(int(sys.argv[2])):
        gate.write(pa.table({"batch": [batch] * 12, "x": list(range(12))}), token=f"batch {batch}")
"""


@define(eq=False)
class Refusing(DeltaTableStore):
    """A store that takes no commit of these tables."""

    refused: tuple[str, ...] = ()

    def write(
        self, table: str, data: pa.Table, *, mode: Literal["append", "replace"] = "append", checks: Sequence[Check] = (), token: str = ""
    ) -> Snapshot:
        if table in self.refused:
            raise UnavailableError(f"table {table} cannot be written")
        return super().write(table, data, mode=mode, checks=checks, token=token)


def held(tables: DeltaTableStore, table: str) -> list[int]:
    found: list[int] = tables.read(tables.snapshot(table))["x"].to_pylist()
    return found


@pytest.mark.slow
def test_killed_again_and_again_every_row_lies_in_one_place_once(tmp_path: Path) -> None:
    wait = random.Random(3)
    for kill in range(KILLS + 1):
        command = [sys.executable, "-c", SCRIPT, str(tmp_path), str(BATCHES)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            if kill < KILLS:
                time.sleep(wait.uniform(0, 0.25))
                process.kill()
            assert process.wait(60) == (0 if kill == KILLS else -9) or kill < KILLS
    with DeltaTableStore.open(f"file:{tmp_path}") as tables:
        assert sorted(held(tables, TABLE)) == sorted(list(range(10)) * BATCHES)
        assert sorted(held(tables, f"{TABLE}.refused")) == sorted([10, 11] * BATCHES)


@pytest.mark.parametrize("away", [TABLE, f"{TABLE}.refused"])
def test_a_store_that_refuses_half_way_leaves_nothing_half_written(tmp_path: Path, away: str) -> None:
    rows = pa.table({"x": [1, 99]})
    with Refusing.open(f"file:{tmp_path}") as tables:
        tables.refused = (away,)
        with pytest.raises(UnavailableError):
            Gate(tables, TABLE, [aside(InRange("x", 0, 9))]).write(rows)
        assert TABLE not in tables.names()
        tables.refused = ()
        Gate(tables, TABLE, [aside(InRange("x", 0, 9))]).write(rows)
        assert (held(tables, TABLE), held(tables, f"{TABLE}.refused")) == ([1], [99])


def test_a_refused_write_whose_rows_cannot_be_kept_is_not_written_either(tmp_path: Path) -> None:
    with Refusing.open(f"file:{tmp_path}") as tables:
        tables.refused = (f"{TABLE}.refused",)
        with pytest.raises(UnavailableError):
            Gate(tables, TABLE, [refuse(InRange("x", 0, 9))]).write(pa.table({"x": [1, 99]}))
        tables.refused = ()
        with pytest.raises(QualityError):
            Gate(tables, TABLE, [refuse(InRange("x", 0, 9))]).write(pa.table({"x": [1, 99]}))
        assert TABLE not in tables.names()
        assert held(tables, f"{TABLE}.refused") == [99]


MATERIALIZE = """
import sys
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.workspace import Workspace

with Workspace.open(sys.argv[1]) as workspace:
    store = FeatureStore(workspace)
    print("ready", flush=True)
    store.materialize("rides", int(sys.argv[2]))
"""


@pytest.mark.slow
def test_statistics_count_every_event_once_however_often_materialization_is_killed(tmp_path: Path) -> None:
    rows, hour = 60_000, 3_600_000_000
    random_ = np.random.default_rng(7)
    times = np.sort(random_.integers(0, 200 * hour, rows))
    fares = random_.normal(20, 9, rows)
    source = TableSource("trips", {"fare": "float64"}, time="at")
    view = FeatureView(name="rides", entity=Entity("rider", {"rider": "int64"}), source=source, features=[mean("fare", over="6h")])
    with Workspace.open(tmp_path) as workspace:
        FeatureStore(workspace).apply([FeatureSet(name="all", features=[view])])
        when = pa.array(times).cast(pa.timestamp("us", tz="UTC"))
        workspace.tables.write("default/trips", pa.table({"rider": random_.integers(0, 5000, rows), "at": when, "fare": fares}))
    wait = random.Random(7)
    for kill in range(KILLS + 1):
        until = 200 * hour if kill == KILLS else (100 + 10 * kill) * hour
        with subprocess.Popen([sys.executable, "-c", MATERIALIZE, str(tmp_path), str(until)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            if kill < KILLS:
                time.sleep(wait.uniform(0, 0.4))
                process.kill()
            else:
                assert process.wait(60) == 0
    with Workspace.open(tmp_path) as workspace:
        whole = statistics(workspace.tables, "default", "rides", 1).total("fare")
    assert (whole.rows, whole.nulls) == (rows, 0)
    assert whole.mean == pytest.approx(fares.mean())
    assert whole.std == pytest.approx(fares.std())
