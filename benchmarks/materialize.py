"""Materializing 100,000 entities of eight features from Arrow in memory, beside rows packed by hand and put into the same LMDB.

Fresh, the floor packs each row with `struct` and puts it; over existing keys it gets the old value, compares, and puts.
Both commit once, synced.
"""

import struct
import tempfile
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import lmdb
import numpy as np
import pyarrow as pa
from attrs import define

from benchmarks.harness import Scale, compare, here_on
from intonaco.infra.features.definitions import Entity, FeatureView, TableSource, columns
from intonaco.infra.features.writing.writer import OnlineWriter, ViewWriter
from intonaco.infra.storage.lmdb import LmdbStore

__all__ = ["NAMES", "ROW", "SECOND_US", "VIEW", "events_of", "materializing"]

NAMES = tuple(f"column_{number}" for number in range(8))
VIEW = FeatureView(
    name="newest",
    entity=Entity("thing", {"key": "str"}),
    source=TableSource("events", dict.fromkeys(NAMES, "float64"), time="time"),
    features=[columns(*NAMES)],
)
ROW = struct.Struct("<8d")
_AT_US = 1_700_000_000_000_000
SECOND_US = 1_000_000


def materializing(scale: Scale) -> None:
    """Fresh keys, and keys that are there."""
    n = scale(100_000, 500)
    with tempfile.TemporaryDirectory() as folder:
        places = (Path(folder) / str(number) for number in count())
        for existing in (False, True):
            systems = {
                "struct, lmdb": here_on(partial(_Raw.of, places, n, existing), _Raw.write),
                "OnlineWriter.materialize": here_on(partial(_Ours.of, places, n, existing), _Ours.write),
            }
            compare(f"materialize_{'existing' if existing else 'fresh'}", systems, n=n, rounds=scale(9), reach=3)


def events_of(n: int, later_us: int) -> pa.Table:
    """One event of each entity, in no order; other values and later times each time."""
    generator = np.random.default_rng(later_us)
    times = pa.array(_AT_US + later_us + generator.integers(0, SECOND_US, n)).cast(pa.timestamp("us", tz="UTC"))
    keys = [f"key {number}" for number in generator.permutation(n)]
    return pa.table({"key": keys, "time": times, **{name: generator.normal(size=n) for name in NAMES}})


@define(eq=False)
class _Raw:
    """By hand."""

    environment: lmdb.Environment
    events: pa.Table
    existing: bool

    @classmethod
    def of(cls, places: Iterator[Path], n: int, existing: bool) -> "_Raw":
        made = cls(lmdb.open(str(next(places)), map_size=2**32), events_of(n, 0), False)
        if existing:
            made.write()
            made.events, made.existing = events_of(n, SECOND_US), True
        return made

    def write(self) -> None:
        keys = [key.encode() for key in self.events["key"].to_pylist()]
        rows = list(map(ROW.pack, *(self.events[name].to_pylist() for name in NAMES)))
        with self.environment.begin(write=True) as transaction:
            for key, row in zip(keys, rows, strict=True):
                if not self.existing or transaction.get(key) != row:
                    transaction.put(key, row)


@define(eq=False)
class _Ours:
    writer: OnlineWriter
    events: pa.Table
    sequence: int = 1

    @classmethod
    def of(cls, places: Iterator[Path], n: int, existing: bool) -> "_Ours":
        made = cls(OnlineWriter(LmdbStore.open(f"lmdb:{next(places)}"), (ViewWriter.of(VIEW, "default", 1),)), events_of(n, 0))
        if existing:
            made.write()
            made.events, made.sequence = events_of(n, SECOND_US), 2
        return made

    def write(self) -> None:
        assert self.writer.materialize({"events": self.events}, self.sequence) == self.events.num_rows
