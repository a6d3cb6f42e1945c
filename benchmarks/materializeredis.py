"""Materializing into Redis what `materialize` does into LMDB, beside redis-py with pipelines of a thousand; the server's CPU apart."""

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

import pyarrow as pa
import redis

from benchmarks.harness import Scale, compare, here
from benchmarks.materialize import NAMES, ROW, SECOND_US, VIEW, events_of
from benchmarks.onlineredis import of_server
from intonaco.ext.redis.local import LocalRedis
from intonaco.ext.redis.store import RedisStore
from intonaco.infra.features.writing.writer import OnlineWriter, ViewWriter

__all__ = ["materializing"]

_BATCH = 1000


def materializing(scale: Scale) -> None:
    """Fresh keys, and keys that are there; the events of each round are made before it."""
    n = scale(100_000, 500)
    with tempfile.TemporaryDirectory() as folder, LocalRedis.start(Path(folder)) as server, RedisStore.open(server.url) as store:
        raw = redis.Redis(port=server.port, password=server.password)
        writer, sequences = OnlineWriter(store, (ViewWriter.of(VIEW, "default", 1),)), count(1)
        rounds = scale(5)
        for existing in (False, True):
            works: dict[str, Callable[[Iterator[pa.Table]], object]] = {
                "redis-py": partial(_put, raw, existing),
                "OnlineWriter.materialize": partial(_materialize, raw, writer, sequences, existing),
            }
            for name, measure in (("", here), ("_server", partial(of_server, server.pid))):
                events = iter([events_of(n, (each + 1) * SECOND_US) for each in range(2 * rounds)])
                systems = {system: measure(partial(work, events)) for system, work in works.items()}
                compare(f"materialize_redis_{'existing' if existing else 'fresh'}{name}", systems, n=n, rounds=rounds, reach=3)
        raw.close()


def _materialize(raw: "redis.Redis", writer: OnlineWriter, sequences: Iterator[int], existing: bool, events: Iterator[pa.Table]) -> None:
    if not existing:
        raw.flushdb()
    writer.materialize({"events": next(events)}, next(sequences))


def _put(raw: "redis.Redis", existing: bool, events: Iterator[pa.Table]) -> None:
    if not existing:
        raw.flushdb()
    table = next(events)
    keys = [key.encode() for key in table["key"].to_pylist()]
    rows = list(map(ROW.pack, *(table[name].to_pylist() for name in NAMES)))
    for start in range(0, len(keys), _BATCH):
        batch, values = keys[start : start + _BATCH], rows[start : start + _BATCH]
        there = raw.mget(batch) if existing else [None] * len(batch)
        with raw.pipeline(transaction=False) as pipeline:
            for key, value, old in zip(batch, values, there, strict=True):
                if old != value:
                    pipeline.set(key, value)
            pipeline.execute()
