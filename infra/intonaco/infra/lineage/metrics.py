"""Metrics: values that a run logs while it goes on."""

import zlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sql
from attrs import frozen

from intonaco.core.errors import CorruptError
from intonaco.infra.lineage.records import moment
from intonaco.infra.lineage.tables import METRICS
from intonaco.infra.storage.catalog import Catalog

__all__ = ["Metric", "MetricRecord", "read_metrics", "write_metrics"]

#: A name and a value, or a name, a value and a step.
Metric = tuple[str, float] | tuple[str, float, int]

_INSERT = METRICS.insert()


@frozen(kw_only=True)
class MetricRecord:
    """A value that a run logged."""

    name: str
    step: int
    value: float
    at: datetime


def write_metrics(catalog: Catalog, run: str, project: str, metrics: Iterable[Metric], at_us: int) -> None:
    """Keep metrics, all or none; durable on return."""
    rows = [_row(run, project, metric[0], float(metric[1]), metric[2] if len(metric) > 2 else 0, at_us) for metric in metrics]
    if rows:
        with catalog.transaction() as connection:
            connection.execute(_INSERT, rows)


def _row(run: str, project: str, name: str, value: float, step: int, at_us: int) -> dict[str, Any]:
    value += 0.0  # SQLite keeps no negative zero
    checksum = _checksum(run, name, value, step, at_us)
    return {"run": run, "project": project, "name": name, "step": step, "value": value, "at_us": at_us, "checksum": checksum}


def _checksum(run: str, name: str, value: float, step: int, at_us: int) -> int:
    return zlib.crc32(f"{run}/{name}/{step}/{value!r}/{at_us}".encode())


def read_metrics(catalog: Catalog, run: str) -> list[MetricRecord]:
    """What a run logged, in order; CorruptError names a damaged row."""
    with catalog.read() as connection:
        rows = connection.execute(sql.select(METRICS).where(METRICS.c.run == run).order_by(METRICS.c.number)).mappings().all()
    return [_record(row) for row in rows]


def _record(row: Mapping[Any, Any]) -> MetricRecord:
    value = float("nan") if row["value"] is None else row["value"]
    if _checksum(row["run"], row["name"], value, row["step"], row["at_us"]) != row["checksum"]:
        where = f"metric {row['name']!r} of run {row['run']} (row {row['number']})"
        raise CorruptError(f"{where} is damaged in the catalog", hint="intonaco fsck lists what is damaged")
    return MetricRecord(name=row["name"], step=row["step"], value=value, at=moment(row["at_us"]))
