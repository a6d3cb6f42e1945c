"""Consistency as a report."""

from collections.abc import Iterator, Sequence

from intonaco.infra.features.checking.consistency import AGES, Consistency
from intonaco.infra.lineage.reports.report import Block, Chart, Metric, Report, Table, Text
from intonaco.infra.lineage.runs.records import moment

__all__ = ["advice", "consistency_report"]

_MOST_SERIES = 8
_HEADINGS = (
    *("feature", "compared", "equal", "mismatch", "missing online", "missing offline", "not yet"),
    *("mean difference", "greatest", "mean age difference, s", "greatest, s"),
)


def consistency_report(found: Consistency, measured: Sequence[tuple[int, float]] = ()) -> Report:
    """How far online reads of a set and its tables agree, to look at; `measured` tells when it was measured, and what was equal."""
    return Report(f"Consistency of {found.name}", [*_totals(found), Text(advice(found)), *_details(found), *_history(measured)])


def advice(found: Consistency) -> str:
    """What the figures say, and what to do."""
    counts = found.counts
    if not found.rows:
        return f"No read of {found.name} is logged yet: read it online first, and see features.logged_rows_per_s in the settings."
    if not counts["compared"]:
        return "The tables of events do not cover these reads yet: materialize past the moments of the reads, then measure again."
    if counts["equal"] == counts["compared"]:
        return "All that could be compared is equal, bit for bit."
    return " ".join(_causes(found))


def _causes(found: Consistency) -> Iterator[str]:
    counts = found.counts
    older, newer = (sum(told[name] > 0 for told in found.features.values()) for name in AGES)
    if older:
        yield f"{older} features were older online than the tables say: materialize more often, or push events as they happen."
    if newer or counts["missing_offline"]:
        yield "Events were known online that the tables lack: write what is pushed to the table, too."
    if counts["missing_online"]:
        yield "Values are missing online: their events reached the table, but not the online store when the read was answered."
    if counts["mismatch"] and not (older or newer):
        yield "Values differ: events came late, or were written to one place and not to the other."


def _totals(found: Consistency) -> Iterator[Block]:
    counts = found.counts
    if found.share is not None:
        yield Metric("equal", 100 * found.share, unit="%")
    yield Metric("reads", found.rows)
    yield Metric("values compared", counts["compared"])
    yield Metric("mismatches", counts["mismatch"] + counts["missing_online"] + counts["missing_offline"])
    if found.others:
        yield Metric("reads of other versions", found.others)
    if found.dropped:
        yield Metric("reads dropped by the log", found.dropped)


def _details(found: Consistency) -> Iterator[Block]:
    rows = [
        (
            *(name, *(int(told[each]) for each in ("compared", "equal", "mismatch", "missing_online", "missing_offline", "not_yet"))),
            *(told["mean_difference"], told["greatest_difference"], told["mean_age_difference_s"], told["greatest_age_difference_s"]),
        )
        for name, told in _worst_first(found)
    ]
    yield Table("By feature, the worst first", _HEADINGS, rows)
    starts = sorted(set(found.series["from_us"].to_pylist()))
    if starts:
        texts = [f"{moment(start):%Y-%m-%d %H:%M}" for start in starts]
        shown = [name for name, _ in _worst_first(found)[:_MOST_SERIES]]
        by = {(row["feature"], row["from_us"]): row for row in found.series.to_pylist()}
        unequal = {name: [_unequal(by.get((name, start))) for start in starts] for name in shown}
        yield Chart("Values that are not equal, over time", x=texts, series=unequal, y_label="% of those compared", x_label="UTC")
        ages = {name: [_age(by.get((name, start))) for start in starts] for name in shown}
        if any(age for series in ages.values() for age in series):
            yield Chart("How much older or newer the value online was", x=texts, series=ages, y_label="seconds", x_label="UTC")


def _history(measured: Sequence[tuple[int, float]]) -> Iterator[Block]:
    if len(measured) > 1:
        texts = [f"{moment(at_us):%Y-%m-%d %H:%M:%S}" for at_us, _ in measured]
        series = {"equal": [100 * share for _, share in measured]}
        yield Chart("Equal values, by measurement", x=texts, series=series, y_label="% of those compared", x_label="UTC")


def _worst_first(found: Consistency) -> list[tuple[str, dict[str, float]]]:
    return sorted(found.features.items(), key=lambda each: each[1]["equal"] - each[1]["compared"])


def _unequal(row: dict[str, float] | None) -> float | None:
    return None if row is None or not row["compared"] else 100 * (1 - row["equal"] / row["compared"])


def _age(row: dict[str, float] | None) -> float | None:
    return None if row is None or not row["ages"] else row["age_difference_s"] / row["ages"]
