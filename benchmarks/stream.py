"""Consuming a stream with six window aggregates: events a second and core in batches, and the time from append to readable.

There is no floor: nothing does the same. `n` over `cpu_s` is the rate; the second bench appends 1,000 events a second, one
record each, beside a consumer that runs, and states the delay of the slowest and of the median probe.
"""

import json
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from statistics import median

import numpy as np
import pyarrow as pa

from benchmarks.harness import Scale, compare, here_on
from intonaco.infra.features.definitions import Entity, FeatureSet, FeatureView, StreamSource, count, mean
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.workspace import Workspace

__all__ = ["streaming"]

_VIEW = FeatureView(
    name="rides",
    entity=Entity("rider", {"rider": "int64"}),
    source=StreamSource("trips", {"fare": "float64"}, time="at"),
    features=[(mean("fare", over=over), count(over=over)) for over in ("1h", "6h", "1d")],
)
_SET = FeatureSet(name="all", features=[_VIEW])
_MINUTE_US = 60_000_000
_REACH_PER_CPU_S = 50_000
_REACH_S = 1.0


def streaming(scale: Scale) -> None:
    """Batches of Arrow records, JSON records, and single events as they happen."""
    n, riders = scale(200_000, 2_000), scale(5_000, 50)
    for form in ("arrow", "json"):
        with tempfile.TemporaryDirectory() as folder, Workspace.open(folder) as workspace:
            store = FeatureStore(workspace)
            store.apply([_SET])
            made = partial(_appended, store, form, n, riders, iter(range(1_000)))
            compare(
                f"stream_{form}", {f"consumer, {form}": here_on(made, _consume)}, n=n, rounds=scale(5), reach_cpu_s=n / _REACH_PER_CPU_S
            )
    _delay(scale(10, 1), scale(1_000, 200))


def _appended(store: FeatureStore, form: str, n: int, riders: int, rounds: Iterator[int]) -> FeatureStore:
    """A store in whose topic n events wait."""
    round_ = next(rounds)
    generator = np.random.default_rng(round_)
    start = time.time_ns() // 1000 - 10**11 + round_ * _MINUTE_US
    fares, times = np.round(generator.normal(20, 5, n), 2), start + np.sort(generator.integers(0, _MINUTE_US, n))
    events = {"rider": generator.integers(0, riders, n), "fare": fares, "at": times}
    if form == "arrow":
        store.append(_VIEW, pa.table({**events, "at": pa.array(events["at"]).view(pa.timestamp("us", tz="UTC"))}))
    else:
        rows = zip(*(column.tolist() for column in events.values()), strict=True)
        store.append(_VIEW, [dict(zip(events, row, strict=True)) for row in rows])
    return store


def _consume(store: FeatureStore) -> None:
    with store.consumer([_VIEW]) as consumer:
        consumer.drain()


def _delay(seconds: int, rate: int) -> None:
    """Append events at a rate beside a consumer, and look now and then how soon one is read."""
    with tempfile.TemporaryDirectory() as folder, Workspace.open(folder) as workspace:
        store = FeatureStore(workspace)
        store.apply([_SET])
        stop, appended, delays = threading.Event(), [0], list[float]()
        with store.consumer([_VIEW]) as consumer:
            threads = [
                threading.Thread(target=consumer.run, args=(stop,)),
                threading.Thread(target=_produce, args=(store, rate, stop, appended)),
            ]
            for thread in threads:
                thread.start()
            began = time.perf_counter()
            while time.perf_counter() - began < seconds:
                delays.append(_probe(store, -1 - len(delays)))
                time.sleep(0.1)
            stop.set()
            for thread in threads:
                thread.join()
        line = {"bench": "stream_delay", "system": f"{rate} events a second", "n": appended[0], "wall_s": round(max(delays), 4)}
        print(json.dumps(line | {"median_s": round(median(delays), 4), "reach_s": _REACH_S}), flush=True)


def _produce(store: FeatureStore, rate: int, stop: threading.Event, appended: list[int]) -> None:
    """Each event is a record of its own; those of a few milliseconds are one append."""
    began = time.perf_counter()
    while not stop.wait(0.005):
        due = int((time.perf_counter() - began) * rate) - appended[0]
        at = time.time_ns() // 1000
        store.append(_VIEW, [{"rider": (appended[0] + number) % 1_000, "fare": 1.0, "at": at} for number in range(due)])
        appended[0] += due


def _probe(store: FeatureStore, rider: int) -> float:
    """Seconds from the append of an event until it is read."""
    store.append(_VIEW, [{"rider": rider, "fare": 1.0, "at": time.time_ns() // 1000}])
    began = time.perf_counter()
    asked = {"rider": np.array([rider])}
    while np.asarray(store.read(_SET, asked, time.time_ns() // 1000).columns["count_1h"])[0] != 1.0:
        time.sleep(0.002)
    return time.perf_counter() - began
