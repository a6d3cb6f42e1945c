"""What is known of a view beside its definition: how fresh it is, what its events look like, who uses it, and how it did."""

import time
from collections.abc import Mapping
from typing import Any

import pyarrow.compute as pc

from intonaco.core.errors import MissingError
from intonaco.core.references import Reference
from intonaco.infra.compute.summary import Summary
from intonaco.infra.features.checking.certificates import Certificates
from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.features.replay import shares
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.features.writing.statistics import Statistics
from intonaco.infra.platform.moments import iso
from intonaco.infra.storage.quality.gates import verdicts

__all__ = ["certificate_fact", "consistency_fact", "expectation_facts", "freshness", "quality", "sets_of", "statistic_facts", "used_by"]

_QUANTILES = (0.05, 0.5, 0.95)
_MOST_TOP = 5


def freshness(store: FeatureStore, view: FeatureView, at_us: int | None = None) -> dict[str, Any]:
    """The newest event of a view's table and its age in seconds; None where there is none."""
    moment = time.time_ns() // 1000 if at_us is None else at_us
    try:
        snapshot = store.workspace.tables.snapshot(f"{store.project}/{view.source.table}")
        newest = pc.max(store.workspace.tables.read(snapshot, [view.source.time])[view.source.time]).cast("int64").as_py()
    except MissingError:
        newest = None
    return {"newest_event": None if newest is None else iso(newest), "freshness_s": None if newest is None else (moment - newest) / 1e6}


def used_by(store: FeatureStore, view: str) -> list[dict[str, Any]]:
    """The sets, views and versions of models that read a view, and which features of it."""
    return [{"reference": each.reference, "features": list(each.features)} for each in store.registry.uses(view)]


def consistency_fact(store: FeatureStore, sets: list[str]) -> list[dict[str, Any]]:
    """For each set the share of equal values that was measured last, and when; sets that never were are left out."""
    found = [(name, told[-1]) for name in sets if (told := shares(store, name))]
    return [{"set": name, "equal": share, "measured_at": iso(at_us)} for name, (at_us, share) in found]


def quality(told: Mapping[str, Any]) -> float | None:
    """A score from 0 to 1: the least share of what a page tells that is as it should be; None where nothing was measured.

    The shares are of the last rows that fulfilled each expectation, of values that were equal online and offline, and 1 or 0 for
    a view that is certified or refuted.
    """
    tried = [each["last"] for each in told["expectations"] if each["last"] and each["last"]["rows"]]
    shares = [1 - last["violations"] / last["rows"] for last in tried] + [each["equal"] for each in told["consistency"]]
    if told["certificate"] is not None:
        shares.append(float(told["certificate"]["passed"]))
    return min(shares, default=None)


def certificate_fact(store: FeatureStore, view: str, version: int) -> dict[str, Any] | None:
    """The newest certificate that a version of a view gives one answer by every way; None if it was never certified."""
    found = Certificates(store.workspace.catalog, store.project).find(view, version)
    if found is None:
        return None
    told = {"passed": found.passed, "examples": found.examples, "certified_at": iso(found.certified_us)}
    return {**told, "difference": found.difference or None}


def sets_of(store: FeatureStore, view: str) -> list[str]:
    """The names of the sets that read a view."""
    references = [Reference.parse(each.reference) for each in store.registry.uses(view)]
    return list(dict.fromkeys(each.name for each in references if each.kind == "set"))


def expectation_facts(store: FeatureStore, view: FeatureView) -> list[dict[str, Any]]:
    """What a view expects, and how the last rows did on each."""
    if not view.expectations:
        return []
    last = {(each.check, each.mode): each for each in verdicts(store.workspace.stream, f"{store.project}/{view.source.table}")}
    found = []
    for each in view.expectations:
        told = last.get((str(each.check), each.mode))
        result = {"at": iso(told.at_us), "by": told.by, "rows": told.rows, "violations": told.violations} if told else None
        found.append({"check": str(each.check), "mode": each.mode, "last": result})
    return found


def statistic_facts(found: Statistics) -> list[dict[str, Any]]:
    """For each column its figures over all days."""
    return [{"column": name, **_figures(found.total(name)), "days": len(found.days[name])} for name in found.columns]


def _figures(total: Summary) -> dict[str, Any]:
    shared = {"rows": total.rows, "nulls": total.nulls, "null_share": total.null_share, "distinct": total.distinct}
    if total.kind == "number" and total.n:
        ends = {"mean": total.mean, "std": total.std, "min": total.least, "max": total.greatest}
        return {**shared, **ends, **{f"p{round(100 * q):02}": total.quantile(q) for q in _QUANTILES}}
    return {**shared, "top": dict(list(total.top.items())[:_MOST_TOP])} if total.kind == "category" else shared
