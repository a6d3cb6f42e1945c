"""Reading eight features of one entity and of a hundred, beside LMDB itself: one value of eight doubles for each entity."""

import struct
import tempfile
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pyarrow as pa

from benchmarks.harness import Scale, compare, here
from intonaco.core.columns import Column
from intonaco.infra.features.definitions import Entity, FeatureSet, FeatureView, TableSource, columns, count, mean
from intonaco.infra.features.plan import ReadPlan
from intonaco.infra.features.reader import OnlineReader
from intonaco.infra.features.writer import OnlineWriter, ViewWriter
from intonaco.infra.workspace import Workspace

__all__ = ["reading"]

_NAMES = tuple(f"column_{number}" for number in range(8))
_ENTITY = Entity("thing", {"key": "str"})
_SOURCE = TableSource("events", dict.fromkeys(_NAMES, "float64"), time="time")
_EVENTS = 20
_AT_US = 1_700_000_000_000_000
_VALUE = struct.Struct("<8d")
_OVER = ("1h", "6h", "1d", "7d")

Request = tuple[dict[str, Column], Any]


def reading(scale: Scale) -> None:
    """Newest values, and means and counts over four windows."""
    entities, calls = scale(10_000, 200), scale(2000, 5)
    views: dict[str, list[Any]] = {
        "newest": [columns(*_NAMES)],
        "windows": [(mean(_NAMES[0], over=over), count(over=over)) for over in _OVER],
    }
    with tempfile.TemporaryDirectory() as folder, Workspace.open(folder) as workspace, _raw(Path(folder), entities) as raw:
        for name, features in views.items():
            view = FeatureView(name=name, entity=_ENTITY, source=_SOURCE, features=features)
            reader = _written(workspace, view, entities)
            for size, n in ((1, calls), (100, max(1, calls // 40))):
                _compare(f"online_{name}_{size}", reader, raw, entities, size, n, scale)


def _compare(bench: str, reader: OnlineReader, raw: lmdb.Environment, entities: int, size: int, n: int, scale: Scale) -> None:
    asked = [[f"key {(number * size + each) * 7919 % entities}" for each in range(size)] for number in range(n)]
    keys = [[key.encode() for key in names] for names in asked]
    at_us = np.full(size, _AT_US)
    requests: list[Request] = [({"key": np.array(names, dtype=object)}, at_us) for names in asked]
    answer = reader.read(*requests[0])
    assert len(answer.columns) == len(_NAMES)
    assert not any(status.any() for status in answer.statuses.values())
    systems = {"lmdb": here(lambda: _read_raw(raw, keys)), "OnlineReader.read": here(lambda: _read(reader, requests))}
    compare(bench, systems, n=n, rounds=scale(7), reach=4 if size == 1 else 3)


def _read(reader: OnlineReader, requests: list[Request]) -> None:
    for given, at_us in requests:
        reader.read(given, at_us)


def _read_raw(raw: lmdb.Environment, requests: list[list[bytes]]) -> None:
    for keys in requests:
        with raw.begin() as transaction:
            for key in keys:
                value = transaction.get(key)
                assert value is not None
                _VALUE.unpack(value)


def _raw(folder: Path, entities: int) -> lmdb.Environment:
    raw = lmdb.open(str(folder / "raw"), map_size=2**30)
    with raw.begin(write=True) as transaction:
        for number in range(entities):
            transaction.put(f"key {number}".encode(), _VALUE.pack(*(number + each for each in range(8))))
    return raw


def _written(workspace: Workspace, view: FeatureView, entities: int) -> OnlineReader:
    """A reader of a view of which each entity has had some events, the last a minute ago."""
    times = np.tile(_AT_US - np.arange(_EVENTS)[::-1] * 3_600_000_000 - 60_000_000, entities)
    keys = [f"key {number}" for number in range(entities) for _ in range(_EVENTS)]
    values = {name: np.random.default_rng(1).normal(size=len(keys)) for name in _NAMES}
    events = pa.table({"key": keys, "time": pa.array(times).cast(pa.timestamp("us", tz="UTC")), **values})
    OnlineWriter(workspace.keyvalue, (ViewWriter.of(view, "default", 1),)).materialize({"events": events}, 1)
    plan = ReadPlan.compile(FeatureSet(name=view.name, features=[view]), "default", {view.name: 1})
    return OnlineReader(plan, workspace.keyvalue)
