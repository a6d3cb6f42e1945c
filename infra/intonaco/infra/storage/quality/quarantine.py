"""Rows that were refused or kept aside, in a table beside the one that they were meant for."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from attrs import evolve

from intonaco.core.errors import SchemaError
from intonaco.core.schema import Schema
from intonaco.infra.storage.arrow import arrow_schema, conform, schema_of
from intonaco.infra.storage.quality.expectations import Finding
from intonaco.infra.storage.tables import Snapshot, TableStore
from intonaco.infra.storage.values import value_digest

__all__ = ["ABOUT", "keep_aside", "refused_table"]

#: What stands beside the columns of a bad row: which checks it violates, with what mode, when, whose write, and which row of it.
ABOUT = Schema.of(refused_check="str", refused_mode="str", refused_at="timestamp", refused_by="str", refused_row="int64")
#: A write that was refused is still in the hands of its writer, so that not all of its rows need to be kept.
_MOST_OF_A_REFUSED = 10_000


def refused_table(table: str) -> str:
    """The table that takes bad rows: `project/name.refused`."""
    return f"{table}.refused"


def keep_aside(tables: TableStore, table: str, data: pa.Table, found: Sequence[Finding], *, at_us: int, by: str = "") -> Snapshot | None:
    """Keep the rows that violate expectations, each once; None if there are none.

    The same rows of a table with the same faults and the same writer are kept once, however often they come again. Rows with
    other columns than the first ones that were kept go to a table of their own, `project/name.refused.DIGEST`.
    """
    refused = any(each.mode == "refuse" for each in found)
    bad = np.logical_or.reduce([each.bad for each in found]) if found else np.zeros(0, np.bool_)
    rows = np.flatnonzero(bad)[: _MOST_OF_A_REFUSED if refused else None]
    if not len(rows):
        return None
    kept = _with_reasons(_open(data).take(pa.array(rows)), found, rows, at_us, by)
    token = _token(table, kept)
    try:
        return tables.write(refused_table(table), kept, token=token)
    except SchemaError:
        columns = hashlib.sha256(repr(kept.schema.remove_metadata()).encode()).hexdigest()[:8]
        return tables.write(f"{refused_table(table)}.{columns}", kept, token=token)


def _open(data: pa.Table) -> pa.Table:
    """The same rows, every column nullable and of any category, so that rows of other writes fit beside them."""
    schema = schema_of(data)
    kept = [evolve(each, nullable=True, categories=()) for each in schema if each.name not in ABOUT]
    return conform(data.select([each.name for each in kept]), Schema(tuple(kept)))


def _with_reasons(
    rows: pa.Table, found: Sequence[Finding], places: "np.ndarray[tuple[int], np.dtype[np.intp]]", at_us: int, by: str
) -> pa.Table:
    failed = [[each for each in found if each.bad[place]] for place in places]
    about = {
        "refused_check": ["; ".join(str(each.expectation.check) for each in some) for some in failed],
        "refused_mode": ["refuse" if any(each.mode == "refuse" for each in some) else some[0].mode for some in failed],
        "refused_at": np.full(len(places), at_us),
        "refused_by": [by] * len(places),
        "refused_row": places,
    }
    for each in arrow_schema(ABOUT):
        values = about[each.name]
        array = pa.array(values).cast(each.type) if each.name != "refused_at" else pa.array(values).cast(pa.timestamp("us")).cast(each.type)
        rows = rows.append_column(each, array)
    return rows


def _token(table: str, kept: pa.Table) -> str:
    told = kept.drop_columns(["refused_at"])
    digest = hashlib.sha256(f"{table} {told.column_names} {value_digest(told)}".encode()).hexdigest()
    return f"refused {digest}"
