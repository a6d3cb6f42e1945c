"""Infra's own offers, made through the same hooks as everybody's."""

from pathlib import Path
from typing import Any

from intonaco.core.plugins import hookimpl, load_path

_INFRA = "intonaco.infra"


@hookimpl
def blob_stores() -> dict[str, str]:
    return {"file": f"{_INFRA}.storage.files:FileBlobStore"}


@hookimpl
def table_stores() -> dict[str, str]:
    return {"file": f"{_INFRA}.storage.delta.delta:DeltaTableStore"}


@hookimpl
def key_value_stores() -> dict[str, str]:
    return {"lmdb": f"{_INFRA}.storage.lmdb:LmdbStore"}


@hookimpl
def streams() -> dict[str, str]:
    return {"sqlite": f"{_INFRA}.storage.sqlite:SqliteStream"}


@hookimpl
def catalog_databases() -> dict[str, str]:
    return {"sqlite": f"{_INFRA}.storage.catalog.sqlitedatabase:SqliteDatabase"}


@hookimpl
def catalog_rooms() -> dict[str, str]:
    return {
        "features": f"{_INFRA}.features.tables:ROOM",
        "launch": f"{_INFRA}.launch.tables:ROOM",
        "lineage": f"{_INFRA}.lineage.tables:ROOM",
        "monitoring": f"{_INFRA}.monitoring.tables:ROOM",
        "serving": f"{_INFRA}.serving.tables:ROOM",
    }


@hookimpl
def task_engines() -> dict[str, str]:
    return {"local": f"{_INFRA}.compute.processes:ProcessTaskEngine"}


@hookimpl
def table_engines() -> dict[str, str]:
    return {"polars": f"{_INFRA}.compute.polars:PolarsTableEngine"}


@hookimpl
def artifact_formats() -> dict[str, str]:
    formats = f"{_INFRA}.lineage.formats"
    json = dict.fromkeys(("NoneType", "bool", "int", "float", "str", "list", "tuple", "dict"), f"{formats}:JsonFormat")
    return {
        **{f"builtins.{name}": path for name, path in json.items()},
        "builtins.bytes": f"{formats}:BytesFormat",
        "intonaco.core.columns.Columns": f"{formats}:ColumnsFormat",
        "intonaco.infra.features.offline.examples.Examples": f"{_INFRA}.features.offline.formats:ExamplesFormat",
        "intonaco.infra.lineage.cells.Cells": f"{formats}:CellsFormat",
        "intonaco.infra.lineage.reports.report.Report": f"{formats}:ReportFormat",
        "intonaco.infra.monitoring.reference.Reference": f"{_INFRA}.monitoring.formats:ReferenceFormat",
        "intonaco.infra.serving.packages.package.Manifest": f"{_INFRA}.serving.packages.formats:PackageFormat",
        "intonaco.infra.serving.packages.package.Package": f"{_INFRA}.serving.packages.formats:PackageFormat",
        "pyarrow.lib.Table": f"{formats}:ArrowFormat",
    }


@hookimpl
def flavors() -> dict[str, str]:
    return {"python": f"{_INFRA}.serving.packages.code:PythonFlavor"}


@hookimpl
def model_types() -> dict[str, str]:
    return {f"{_INFRA}.serving.packages.code.PythonModel": "python"}


@hookimpl
def alert_raised(alert: Any, home: Path) -> None:
    load_path(f"{_INFRA}.monitoring.journal:write")(alert, home)


@hookimpl
def targets() -> dict[str, str]:
    return {"process": f"{_INFRA}.serving.packages.processes:ProcessTarget"}


@hookimpl
def request_functions() -> dict[str, str]:
    times = ("minute_of_day", "hour_of_day", "weekday", "day_of_year")
    numbers = ("difference", "product", "ratio", "absolute", "log1p", "clip", "bucket", "haversine_km")
    return {name: f"{_INFRA}.features.defined.rowfunctions:{name.upper()}" for name in (*times, *numbers, "equal", "is_missing")}
