"""Entries in Redis, read and put, beside redis-py itself with one value for each entity; the server's CPU stands apart.

Both write into one server that syncs its log before each answer, so what either acknowledges is equally kept.
"""

import struct
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import redis

from benchmarks.harness import Measure, Sample, Scale, compare, here
from intonaco.ext.redis.local import LocalRedis
from intonaco.ext.redis.store import RedisStore

__all__ = ["keeping", "of_server"]

_VALUE = struct.Struct("<q8d")
_BATCH = 1000
_COLUMNS = tuple(float(number) for number in range(8))

Work = Callable[[], object]


def keeping(scale: Scale) -> None:
    """Reads of 1 and of 100 entries, and puts of new ones and over older ones."""
    count = scale(100_000, 100)
    with tempfile.TemporaryDirectory() as folder, LocalRedis.start(Path(folder)) as server, RedisStore.open(server.url) as store:
        raw = redis.Redis(port=server.port, password=server.password)
        keys = [b"thing/%d" % number for number in range(count)]
        for name, n, works in (*_puts(raw, store, keys, scale), *_reads(raw, store, keys, scale)):
            reach = 3.0 if "put" in name else 1.5
            compare(f"online_redis_{name}", {system: here(work) for system, work in works.items()}, n=n, rounds=scale(5), reach=reach)
            servers = {system: of_server(server.pid, work) for system, work in works.items()}
            compare(f"online_redis_{name}_server", servers, n=n, rounds=scale(5), reach=reach)
        raw.close()


def _reads(raw: "redis.Redis", store: RedisStore, keys: list[bytes], scale: Scale) -> list[tuple[str, int, Mapping[str, Work]]]:
    """One value for each entity, by GET and by MGET; the entries are there from the puts."""
    one = [keys[number * 7919 % len(keys)] for number in range(scale(2000, 5))]
    many = [[keys[(number * 100 + each) * 7919 % len(keys)] for each in range(100)] for number in range(scale(100, 2))]
    return [
        ("get_1", len(one), {"GET": lambda: [raw.get(key) for key in one], "RedisStore.get": lambda: [store.get([key]) for key in one]}),
        (
            "get_100",
            len(many),
            {"MGET": lambda: [raw.mget(each) for each in many], "RedisStore.get": lambda: [store.get(each) for each in many]},
        ),
    ]


def _puts(raw: "redis.Redis", store: RedisStore, keys: list[bytes], scale: Scale) -> list[tuple[str, int, Mapping[str, Work]]]:
    """New entries, and newer ones over those that are there, which has to be looked at first."""
    orders = iter(range(1, 10**9))

    def fresh() -> None:
        raw.flushdb()
        _put_raw(raw, keys, 1, compared=False)

    def put_fresh() -> None:
        raw.flushdb()
        store.put([(key, 1, _packed(1)) for key in keys])

    return [
        ("put_new", len(keys), {"SET": fresh, "RedisStore.put": put_fresh}),
        (
            "put_newer",
            len(keys),
            {
                "MGET, compare, SET": lambda: _put_raw(raw, keys, next(orders), compared=True),
                "RedisStore.put": lambda: _put(store, keys, next(orders)),
            },
        ),
    ]


def _put(store: RedisStore, keys: list[bytes], order: int) -> None:
    store.put([(key, order, _packed(order)) for key in keys])


def _put_raw(raw: "redis.Redis", keys: list[bytes], order: int, *, compared: bool) -> None:
    for at in range(0, len(keys), _BATCH):
        batch = keys[at : at + _BATCH]
        there = raw.mget(batch) if compared else [None] * len(batch)
        with raw.pipeline(transaction=False) as pipeline:
            for key, old in zip(batch, there, strict=True):
                if not isinstance(old, bytes) or _VALUE.unpack(old)[0] < order:
                    pipeline.set(key, _packed(order))
            pipeline.execute()


def _packed(order: int) -> bytes:
    return _VALUE.pack(order, *_COLUMNS)


def of_server(pid: int, work: Work) -> Measure:
    """Measures what a work costs another process, all its threads; its memory is not measured."""

    def measure() -> Sample:
        before, began = _spent_s(pid), time.perf_counter()
        work()
        return Sample(_spent_s(pid) - before, time.perf_counter() - began, 0.0)

    return measure


def _spent_s(pid: int) -> float:
    """Seconds of CPU to the nanosecond, which the ticks of `ps` are not."""
    return sum(int(task.read_text().split()[0]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9
