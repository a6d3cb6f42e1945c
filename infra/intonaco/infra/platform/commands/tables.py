"""`intonaco tables`: tables in versions."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from intonaco.infra.platform.answers import Answer, answering
from intonaco.infra.platform.cli import open_workspace
from intonaco.infra.platform.groups import Commands

if TYPE_CHECKING:
    import pyarrow as pa

    from intonaco.infra.storage.quality.gates import Written
    from intonaco.infra.storage.tables import Snapshot
    from intonaco.infra.workspace import Workspace

__all__ = ["tables"]


@click.group(cls=Commands)
def tables() -> None:
    """List, show and ingest tables."""


@tables.command("list")
@answering
def list_tables() -> Answer:
    """List the project's tables; rows that were refused or kept aside are told beside the table that they were meant for."""
    with open_workspace() as workspace:
        names = workspace.tables.names(workspace.settings.project)
        held = {name: _summary(workspace.tables.snapshot(name)) for name in names}
    aside = {name: each for name, each in held.items() if ".refused" in name}
    rows = [each for name, each in held.items() if name not in aside]
    lines = [] if rows else ["There are no tables yet."]
    lines += [f"{each['rows']:,} rows were refused or kept aside in {name}." for name, each in aside.items()]
    return Answer(
        data={"tables": rows, "refused": list(aside.values())},
        lines=lines,
        rows=rows,
        next="intonaco tables show NAME" if rows else "intonaco tables ingest NAME FILE.parquet",
    )


@tables.command()
@click.argument("name")
@click.option("--rows", default=5, show_default=True, help="How many rows to show.")
@answering
def show(name: str, rows: int) -> Answer:
    """Show a table's columns and first rows; NAME may say a version: flights@3."""
    from intonaco.core.references import Reference

    with open_workspace() as workspace:
        reference = Reference.parse(name, kind="table", project=workspace.settings.project)
        version = _version(reference.version)
        snapshot = workspace.tables.snapshot(f"{reference.project}/{reference.name}", version)
        data = workspace.tables.read(snapshot)
    first = data.slice(0, rows).to_pylist()
    fields = [
        {"column": each.name, "type": each.dtype, "nullable": each.nullable, "nulls": data[each.name].null_count}
        for each in snapshot.schema
    ]
    answer = {**_summary(snapshot), "columns": fields, "first": first}
    return Answer(
        data=answer,
        lines=[f"{snapshot.reference}: {snapshot.rows:,} rows"],
        rows=fields,
        next=f"intonaco tables show {name} --json for the first rows",
    )


@tables.command()
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Instead of appending; older versions stay readable.")
@click.option("--not-null", multiple=True, metavar="COLUMN", help="Refuse rows in which the column is null.")
@click.option("--null", multiple=True, metavar="TEXT", help="In a CSV file stands for a missing value, beside an empty field.")
@click.option("--unique", multiple=True, metavar="COLUMN", help="Refuse rows that repeat these columns together.")
@answering
def ingest(name: str, file: Path, replace: bool, not_null: tuple[str, ...], null: tuple[str, ...], unique: tuple[str, ...]) -> Answer:
    """Write a Parquet or CSV file to a table, as one commit."""
    from intonaco.infra.storage.checks import Check, NotNull, Unique

    checks: list[Check] = [*([NotNull(not_null)] if not_null else []), *([Unique(unique)] if unique else [])]
    with open_workspace() as workspace:
        done = _ingest(workspace, name, _read(file, null), "replace" if replace else "append", checks)
    summary = {**_summary(done.snapshot), "warnings": list(done.warnings), "aside": done.aside, "kept": done.kept or None}
    lines = [f"{done.snapshot.reference} has {done.snapshot.rows:,} rows.", *done.warnings]
    lines += [f"{done.aside:,} rows are kept aside in {done.kept}."] if done.aside else []
    return Answer(data=summary, lines=lines, next=f"intonaco tables show {name}{'.refused' if done.aside else ''}")


def _ingest(workspace: "Workspace", name: str, data: "pa.Table", mode: Any, checks: Any) -> "Written":
    """Write rows, held to these checks and to what applied views expect."""
    from intonaco.infra.features.store import FeatureStore
    from intonaco.infra.platform.qualityalerts import alerting

    with alerting(workspace, [name]):
        store = FeatureStore(workspace, workspace.settings.project)
        return store.write(name, data, mode=mode, expectations=checks, by="tables ingest")


def _read(file: Path, null: Sequence[str]) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.parquet as pq

    from intonaco.core.errors import InvalidError

    try:
        return _in_microseconds(_read_csv(file, null) if file.suffix == ".csv" else pq.read_table(file))
    except pa.ArrowException as error:
        raise InvalidError(
            f"{file} cannot be read as {file.suffix or 'Parquet'}: {error}", hint="give a Parquet file, or a CSV file with a header"
        ) from error


def _read_csv(file: Path, null: Sequence[str]) -> "pa.Table":
    """A CSV file: what is empty is missing in a text column too, unless it is quoted."""
    from pyarrow import csv

    options = csv.ConvertOptions(null_values=["", *null], strings_can_be_null=True, quoted_strings_can_be_null=False)
    return csv.read_csv(file, convert_options=options)


def _in_microseconds(data: "pa.Table") -> "pa.Table":
    """Times with a zone in the one unit that tables keep; CSV files give seconds, and pandas nanoseconds."""
    import pyarrow as pa

    for place, each in enumerate(data.schema):
        if pa.types.is_timestamp(each.type) and each.type.tz:
            data = data.set_column(place, each.name, data.column(place).cast(pa.timestamp("us", tz="UTC")))
    return data


def _version(text: str) -> int | None:
    from intonaco.core.errors import InvalidError

    if text and not text.isdigit():
        raise InvalidError(f"{text!r} is not the version of a table", hint="versions count from 0: flights@3")
    return int(text) if text else None


def _summary(snapshot: "Snapshot") -> dict[str, Any]:
    return {
        "table": snapshot.table,
        "version": snapshot.version,
        "rows": snapshot.rows,
        "columns": len(snapshot.schema),
        "digest": snapshot.digest,
    }
