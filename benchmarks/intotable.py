"""Stored rows and events to a stored table: the join in batches beside the same answer held whole before it is written."""

import os

os.environ["POLARS_MAX_THREADS"] = "1"

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, cast

import pyarrow as pa

from benchmarks import flights
from benchmarks.asof import joins_of
from benchmarks.harness import Scale, alone, compare
from intonaco.infra.compute.polars import PolarsTableEngine
from intonaco.infra.storage.delta.delta import DeltaTableStore
from intonaco.infra.storage.tables import TableStore

__all__ = ["work", "writing"]


def writing(scale: Scale) -> None:
    """Ten million rows of three years of flights, joined to the events of one, from table to table."""
    copies = scale(30)
    with TemporaryDirectory(prefix="intonaco-bench-") as folder:
        rows = _store(Path(folder), 2000 if scale.smoke else None, copies)
        alike = {system: alone("intotable:work", system, folder) for system in ("held", "batches")}
        compare("into_table", alike, n=rows, rounds=scale(3))


def _store(folder: Path, limit: int | None, copies: int) -> int:
    """Write what is joined; how many rows there are."""
    given = flights.read(limit)
    with DeltaTableStore.open(f"file:{folder}") as tables:
        for name in ("weather", "arrivals"):
            tables.write(f"bench/{name}", getattr(given, name))
        return tables.write("bench/rows", (given.rows for _ in range(copies))).rows


def work(system: str, folder: str) -> Callable[[], object]:
    """The join into a table by one of the two ways."""
    tables = DeltaTableStore.open(f"file:{folder}")
    engine = PolarsTableEngine(cast("Any", SimpleNamespace(tables=tables)))
    if system == "held":
        return lambda: tables.write("bench/held", pa.concat_tables(_joined(engine, tables)), mode="replace")
    return lambda: tables.write("bench/batches", _joined(engine, tables), mode="replace")


def _joined(engine: PolarsTableEngine, tables: TableStore) -> Iterator[pa.Table]:
    weather, arrivals, rows = (tables.snapshot(f"bench/{name}") for name in ("weather", "arrivals", "rows"))
    return engine.asof_join(rows, "at", joins_of(weather, arrivals))
