"""Metrics: values that a run logs while it goes on."""

import struct
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any
from zlib import crc32

import sqlalchemy as sql
from attrs import frozen

from intonaco.core.errors import CorruptError, InvalidError
from intonaco.infra.lineage.runs.records import moment
from intonaco.infra.lineage.tables import METRICS
from intonaco.infra.storage.catalog.catalog import Catalog

__all__ = ["Metric", "MetricRecord", "read_metrics", "write_metrics"]

#: A name and a value, or a name, a value and a step.
Metric = tuple[str, float] | tuple[str, float, int]

_COLUMNS = ("run", "project", "name", "step", "value", "at_us", "checksum")
_NUMBERS = struct.Struct("<dqq").pack
_NAN = float("nan")


@frozen(kw_only=True)
class MetricRecord:
    """A value that a run logged."""

    name: str
    step: int
    value: float
    at: datetime


def write_metrics(catalog: Catalog, run: str, project: str, metrics: Iterable[Metric], at_us: int) -> None:
    """Keep metrics, all or none; durable on return."""
    rows = [_row(run, project, metric, at_us) for metric in metrics]
    if rows:
        with catalog.transaction() as connection:
            _insert(connection, rows)


def _insert(connection: sql.Connection, rows: list[tuple[Any, ...]]) -> None:
    """Insert rows of `_COLUMNS` through the driver, which halves the cost of going through the compiler for each row."""
    text, positional = _statement(connection.dialect)
    given: Any = rows if positional else [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
    connection.exec_driver_sql(text, given)


@cache
def _statement(dialect: sql.Dialect) -> tuple[str, bool]:
    compiled = METRICS.insert().compile(dialect=dialect, column_keys=_COLUMNS)
    if compiled.positional and tuple(compiled.positiontup or ()) != _COLUMNS:
        raise CorruptError(f"the columns of metrics are bound as {compiled.positiontup}, expected {_COLUMNS}")
    return str(compiled), bool(compiled.positional)


def _row(run: str, project: str, metric: Metric, at_us: int) -> tuple[Any, ...]:
    try:
        name, value, *rest = metric
        step = rest[0] if rest else 0
        value = float(value)
        value = value + 0.0 if value == value else _NAN  # SQLite keeps no negative zero and one kind of NaN
        return run, project, name, step, value, at_us, _checksum(run, name, value, step, at_us)
    except (TypeError, ValueError, AttributeError, struct.error) as error:
        raise InvalidError(f"{metric!r} is not a metric", hint="give (name, value) or (name, value, step)") from error


def _checksum(run: str, name: str, value: float, step: int, at_us: int) -> int:
    return crc32(b"%b/%b/%b" % (run.encode(), name.encode(), _NUMBERS(value, step, at_us)))


def read_metrics(catalog: Catalog, run: str) -> list[MetricRecord]:
    """What a run logged, in order; CorruptError names a damaged row."""
    with catalog.read() as connection:
        rows = connection.execute(sql.select(METRICS).where(METRICS.c.run == run).order_by(METRICS.c.number)).mappings().all()
    return [_record(row) for row in rows]


def _record(row: Mapping[Any, Any]) -> MetricRecord:
    value = _NAN if row["value"] is None else row["value"]
    if _checksum(row["run"], row["name"], value, row["step"], row["at_us"]) != row["checksum"]:
        where = f"metric {row['name']!r} of run {row['run']} (row {row['number']})"
        raise CorruptError(f"{where} is damaged in the catalog", hint="intonaco fsck lists what is damaged")
    return MetricRecord(name=row["name"], step=row["step"], value=value, at=moment(row["at_us"]))
