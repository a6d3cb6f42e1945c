"""Reading eight features of one entity and of a hundred, beside the store itself: one value of eight doubles for each entity.

`newest` are eight columns of the newest event. `windows` are means and counts over four windows; as the events are an hour apart and
a minute old, one window has lost a hop since the newest event, as windows do between events.
"""

import struct
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pyarrow as pa
from attrs import frozen

from benchmarks.harness import Scale, compare, here
from intonaco.infra.features.definitions import Entity, FeatureSet, FeatureView, TableSource, columns, count, mean
from intonaco.infra.features.online.plan import ReadPlan
from intonaco.infra.features.online.reader import OnlineReader
from intonaco.infra.features.writing.writer import OnlineWriter, ViewWriter
from intonaco.infra.storage.keyvalue import KeyValueStore
from intonaco.infra.workspace import Workspace

__all__ = ["reading", "reading_redis"]

_NAMES = tuple(f"column_{number}" for number in range(8))
_ENTITY = Entity("thing", {"key": "str"})
_SOURCE = TableSource("events", dict.fromkeys(_NAMES, "float64"), time="time")
_EVENTS = 20
_AT_US = 1_700_000_000_000_000
_VALUE = struct.Struct("<8d")
_OVER = ("1h", "6h", "1d", "7d")
_FEATURES: dict[str, list[Any]] = {
    "newest": [columns(*_NAMES)],
    "windows": [(mean(_NAMES[0], over=over), count(over=over)) for over in _OVER],
}

#: What columns of one row are to take at most beside the store.
_COLUMNS_OF_ONE_S = 8e-6

Keys = list[list[bytes]]


@frozen
class _Floor:
    """The store without us: its name, and a function that gets and decodes the values of requests of keys."""

    name: str
    read: Callable[[Keys], object]
    reaches: Mapping[int, float]
    columns_of_one: float | None = None


def reading(scale: Scale) -> None:
    """Entities in LMDB, one transaction for each request."""
    entities = scale(10_000, 200)
    with tempfile.TemporaryDirectory() as folder, Workspace.open(folder) as workspace, _raw(Path(folder), entities) as raw:
        floor = _Floor("lmdb", lambda keys: _read_raw(raw, keys), {1: 4.0, 100: 3.0})
        _compare_all("online", workspace.keyvalue, floor, entities, scale(2000, 5), scale)


def reading_redis(scale: Scale) -> None:
    """Entities in Redis; redis-py with GET and MGET is the floor."""
    import redis

    from intonaco.ext.redis.local import LocalRedis
    from intonaco.ext.redis.store import RedisStore

    entities = scale(10_000, 200)
    with ExitStack() as opened:
        server = opened.enter_context(LocalRedis.start(Path(opened.enter_context(tempfile.TemporaryDirectory()))))
        store = opened.enter_context(RedisStore.open(server.url))
        raw = opened.enter_context(redis.Redis(port=server.port, password=server.password))
        raw.mset({f"key {number}": _VALUE.pack(*(number + each for each in range(8))) for number in range(entities)})
        floor = _Floor("redis-py", lambda keys: _read_redis(raw, keys), {1: 1.5, 100: 1.5}, 1.5)
        _compare_all("online_redis_features", store, floor, entities, scale(1000, 5), scale)


def _compare_all(bench: str, store: KeyValueStore, floor: _Floor, entities: int, calls: int, scale: Scale) -> None:
    for name, features in _FEATURES.items():
        view = FeatureView(name=name, entity=_ENTITY, source=_SOURCE, features=features)
        reader = _written(store, view, entities)
        for size, n in ((1, calls), (100, max(1, calls // 20))):
            _compare(f"{bench}_{name}_{size}", reader, floor, entities, size, n, scale)


def _compare(bench: str, reader: OnlineReader, floor: _Floor, entities: int, size: int, n: int, scale: Scale) -> None:
    asked = [[f"key {(number * size + each) * 7919 % entities}" for each in range(size)] for number in range(n)]
    keys = [[key.encode() for key in names] for names in asked]
    at_us = np.full(size, _AT_US)
    requests = [{"key": np.array(names, dtype=object)} for names in asked]
    answer = reader.read(requests[0], at_us)
    assert len(answer.columns) == len(_NAMES)
    assert not any(status.any() for status in answer.statuses.values())
    raw, many = here(lambda: floor.read(keys)), here(lambda: _read(reader, requests, at_us))
    if size == 1:
        rows = [{"key": name} for (name,) in asked]
        one = {floor.name: raw, "OnlineReader.row": here(lambda: _read_rows(reader, rows))}
        compare(bench, one, n=n, rounds=scale(15), reach=floor.reaches[size])
        columns_of_one = {floor.name: raw, "OnlineReader.read": many}
        reach = {"reach": floor.columns_of_one} if floor.columns_of_one else {"reach_cpu_s": n * _COLUMNS_OF_ONE_S}
        compare(f"{bench}_columns", columns_of_one, n=n, rounds=scale(15), **reach)
    else:
        compare(bench, {floor.name: raw, "OnlineReader.read": many}, n=n, rounds=scale(15), reach=floor.reaches[size])


def _read(reader: OnlineReader, requests: list[dict[str, Any]], at_us: Any) -> None:
    for given in requests:
        reader.read(given, at_us)


def _read_rows(reader: OnlineReader, rows: list[dict[str, str]]) -> None:
    for given in rows:
        reader.row(given, _AT_US)


def _read_raw(raw: lmdb.Environment, requests: Keys) -> None:
    for keys in requests:
        with raw.begin() as transaction:
            for key in keys:
                value = transaction.get(key)
                assert value is not None
                _VALUE.unpack(value)


def _read_redis(raw: Any, requests: Keys) -> None:
    for keys in requests:
        for value in raw.mget(keys) if len(keys) > 1 else [raw.get(keys[0])]:
            _VALUE.unpack(value)


def _raw(folder: Path, entities: int) -> lmdb.Environment:
    raw = lmdb.open(str(folder / "raw"), map_size=2**30)
    with raw.begin(write=True) as transaction:
        for number in range(entities):
            transaction.put(f"key {number}".encode(), _VALUE.pack(*(number + each for each in range(8))))
    return raw


def _written(store: KeyValueStore, view: FeatureView, entities: int) -> OnlineReader:
    """A reader of a view of which each entity has had some events, the last a minute ago."""
    times = np.tile(_AT_US - np.arange(_EVENTS)[::-1] * 3_600_000_000 - 60_000_000, entities)
    keys = [f"key {number}" for number in range(entities) for _ in range(_EVENTS)]
    values = {name: np.random.default_rng(1).normal(size=len(keys)) for name in _NAMES}
    events = pa.table({"key": keys, "time": pa.array(times).cast(pa.timestamp("us", tz="UTC")), **values})
    OnlineWriter(store, (ViewWriter.of(view, "default", 1),)).materialize({"events": events}, 1)
    plan = ReadPlan.compile(FeatureSet(name=view.name, features=[view]), "default", {view.name: 1})
    return OnlineReader(plan, store)
