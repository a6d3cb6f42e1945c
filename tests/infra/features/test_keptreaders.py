"""Readers that a feature store keeps between reads: never longer than what they are made of."""

from typing import Any

import numpy as np
import pyarrow as pa

from intonaco.infra.features.definitions import Entity, FeatureSet, FeatureView, TableSource, columns
from intonaco.infra.features.online.keptreaders import KeptReaders
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.workspace import Workspace

SOURCE = TableSource("weather", {"temp": "float64", "wind": "float64"}, time="time")
WEATHER = FeatureView(name="weather", entity=Entity("airport", {"airport": "str"}), source=SOURCE, features=[columns("temp", "wind")])
BOTH, TEMP = FeatureSet(name="eta", features=[WEATHER]), FeatureSet(name="eta", features=[WEATHER["temp"]])
KEYS = {"airport": np.array(["MUC"], dtype=object)}


def filled(store: FeatureStore) -> FeatureStore:
    store.apply([BOTH])
    stamp = pa.array([100], pa.timestamp("us", tz="UTC"))
    store.push(WEATHER, pa.table({"airport": ["MUC"], "time": stamp, "temp": [1.5], "wind": [7.0]}))
    return store


def names(store: FeatureStore, given: Any = "eta") -> list[str]:
    return list(store.read(given, KEYS, 200).columns)


def test_what_is_applied_is_read_by_the_next_read(store: FeatureStore) -> None:
    filled(store)
    assert names(store) == ["temp", "wind"]
    store.apply([TEMP])
    assert names(store) == ["temp"]
    assert names(store, BOTH) == ["temp", "wind"]
    assert names(store, "eta@1") == ["temp", "wind"]


def test_what_another_process_would_apply_is_read_too(workspace: Workspace, store: FeatureStore) -> None:
    filled(store)
    assert names(store) == ["temp", "wind"]
    with Workspace.open(workspace.root) as another:
        FeatureStore(another).apply([TEMP])
    assert names(store) == ["temp"]


def test_an_alias_that_moves_takes_reads_along(store: FeatureStore) -> None:
    filled(store).apply([TEMP])
    store.registry.set_alias("set", "eta", "stable", 1)
    assert names(store, "eta@stable") == ["temp", "wind"]
    store.registry.set_alias("set", "eta", "stable", 2)
    assert names(store, "eta@stable") == ["temp"]


def test_projects_of_a_workspace_keep_readers_apart(workspace: Workspace, store: FeatureStore) -> None:
    other = FeatureStore(workspace, "other")
    filled(store)
    other.apply([TEMP])
    assert (names(store), names(other)) == (["temp", "wind"], ["temp"])


def test_a_reader_is_made_once_until_something_changes_or_a_minute_is_over(workspace: Workspace, store: FeatureStore) -> None:
    filled(store)
    made, now = [], [0.0]

    def make() -> Any:
        made.append(now[0])
        return object()

    kept = KeptReaders(workspace.catalog, clock=lambda: now[0])
    assert kept.get("default", "eta", make) is kept.get("default", "eta", make)
    assert kept.get("default", BOTH, make) is kept.get("default", BOTH, make)
    assert kept.get("default", "eta", make) is not kept.get("default", BOTH, make)
    assert len(made) == 2
    now[0] = 61.0
    kept.get("default", "eta", make)
    store.apply([TEMP])
    kept.get("default", "eta", make)
    assert made == [0.0, 0.0, 61.0, 61.0]
