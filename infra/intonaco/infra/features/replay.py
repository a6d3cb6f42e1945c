"""Replaying reads: the same keys and moments read offline, compared, and the figures kept as a time series."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from attrs import evolve
from numpy.typing import NDArray

from intonaco.core.errors import MissingError
from intonaco.infra.compute.timeline import NEVER, cut
from intonaco.infra.features.checking.consistency import COUNTS, Consistency, compare
from intonaco.infra.features.checking.readrecords import Reads
from intonaco.infra.features.defined.sets import FeatureSet
from intonaco.infra.features.online.plan import ReadPlan
from intonaco.infra.features.recorded.progress import Progress

if TYPE_CHECKING:
    from intonaco.infra.features.store import FeatureStore

__all__ = ["consistency_table", "keep", "known_until_us", "replay", "shares"]


def consistency_table(project: str, name: str) -> str:
    """The table that keeps what was measured of a set: the series of each measurement, with `measured_at_us`."""
    return f"{project}/features.{name}.consistency"


def replay(store: "FeatureStore", features: FeatureSet | str, reads: Reads, every_us: int) -> Consistency:
    """What was read of a set, beside the tables of events as of the same moments."""
    plan = store.read_plan(features)
    comparable = _comparable(store, plan, reads)
    answered = {name: rows for name, rows in comparable.items() if name in reads.answer.columns}
    kept = np.flatnonzero(np.logical_or.reduce(list(answered.values()))) if answered else np.zeros(0, np.intp)
    part = reads.take(kept)
    offline = store.read_offline(features, part.inputs, part.at_us) if len(part) else part.answer
    found = compare(plan.name, part.answer, offline, part.at_us, {name: rows[kept] for name, rows in answered.items()}, every_us=every_us)
    return _with_totals(found, reads, answered)


def known_until_us(store: "FeatureStore", plan: ReadPlan) -> dict[str, int]:
    """For each view of a plan the event time before which its table is known to be complete: how far it is materialized."""
    catalog = store.workspace.catalog
    marks = {view.view: Progress(catalog, store.project, view.view, view.version, "hops").mark() for view in plan.views}
    return {view: mark.until_us for view, mark in marks.items()}


def keep(store: "FeatureStore", found: Consistency, at_us: int | None = None) -> None:
    """Add what was measured to the set's table; nothing where nothing was compared."""
    if not found.series.num_rows:
        return
    moment = time.time_ns() // 1000 if at_us is None else at_us
    measured = pa.array(np.full(found.series.num_rows, moment))
    store.workspace.tables.write(consistency_table(store.project, found.name), found.series.append_column("measured_at_us", measured))


def shares(store: "FeatureStore", name: str) -> list[tuple[int, float]]:
    """When a set was measured, and the share of values that were equal; the oldest measurement first."""
    try:
        snapshot = store.workspace.tables.snapshot(consistency_table(store.project, name))
    except MissingError:
        return []
    table = store.workspace.tables.read(snapshot, ["measured_at_us", *COUNTS[:2]])
    sums = table.group_by("measured_at_us").aggregate([(each, "sum") for each in COUNTS[:2]]).sort_by("measured_at_us")
    return [(row["measured_at_us"], row["equal_sum"] / row["compared_sum"]) for row in sums.to_pylist()]


def _comparable(store: "FeatureStore", plan: ReadPlan, reads: Reads) -> dict[str, NDArray[np.bool_]]:
    known = known_until_us(store, plan)
    found = {}
    for view in plan.views:
        usable = cut(reads.at_us, view.layout.delay_us)
        covered = (usable <= known[view.view]) & (known[view.view] != NEVER)
        found.update({output.name: covered for output in view.outputs})
    return found


def _with_totals(found: Consistency, reads: Reads, comparable: Mapping[str, NDArray[np.bool_]]) -> Consistency:
    not_yet = {name: int((~rows).sum()) for name, rows in comparable.items()}
    return evolve(found, rows=len(reads), not_yet=not_yet, others=reads.others, dropped=reads.dropped)
