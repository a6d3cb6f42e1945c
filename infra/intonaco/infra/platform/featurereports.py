"""A picture of a view: what its features and its events look like, and how they changed from day to day."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from intonaco.infra.compute.summary import Summary
from intonaco.infra.features.writing.statistics import DAY_US, Statistics
from intonaco.infra.lineage.reports.report import Block, Chart, Metric, Report, Table, Text
from intonaco.infra.lineage.reports.sparks import spark
from intonaco.infra.lineage.runs.records import moment

__all__ = ["picture", "view_report"]

_WIDTH, _BARS, _FEW_BARS, _LONGEST = 160, 18, 12, 24
#: What a terminal shows from which width on.
_COLUMNS = (
    (("name", "rows", "nulls", "mean", "p50", "distribution"), 0),
    (("name", "rows", "nulls", "mean", "p50", "distribution", "mean by day"), 96),
    (("name", "rows", "nulls", "mean", "p05", "p50", "p95", "distribution", "mean by day", "nulls by day"), 120),
)
_FIGURES = ("column", "rows", "nulls", "distinct", "mean", "std", "min", "p05", "p50", "p95", "max")


def picture(found: Mapping[str, Statistics]) -> str:
    """Figures and bars for a terminal, a line for each column; `found` is by what they are of: `features, as of ...`.

    A narrow terminal gets shorter bars and fewer figures: the page has all of them.
    """
    width = shutil.get_terminal_size((_WIDTH, 0)).columns
    shown = [names for names, least in _COLUMNS if width >= least][-1]
    tables = [Table(title, shown, [_line(each, name, shown, width) for name in each.columns]) for title, each in found.items()]
    return Report("statistics", held).text(width) if (held := [table for table in tables if table.rows]) else ""


def view_report(shown: Mapping[str, Any], found: Mapping[str, Statistics]) -> Report:
    """A page on a view: what `features show` tells, and charts of each column."""
    blocks: list[Block] = [*_facts(shown), Table("Features", _names(shown["features"]), _cells(shown["features"]))]
    if shown.get("used_by"):
        used = [(each["reference"], ", ".join(each["features"]) or "all") for each in shown["readers"]]
        blocks.append(Table("Used by", ("reference", "features"), used))
    if shown.get("expectations"):
        blocks.append(Table("What is expected of events", ("check", "mode", "last rows", "violations", "when"), _expected(shown)))
    for title, each in found.items():
        blocks += _statistics(title, each)
    return Report(f"{shown['kind']} {shown['name']}, version {shown['version']}", blocks)


def _facts(shown: Mapping[str, Any]) -> Iterator[Block]:
    if shown.get("quality") is not None:
        yield Metric("quality", shown["quality"], note="the least share that is as it should be")
    for told in shown.get("consistency", ()):
        yield Metric(f"equal online and offline, {told['set']}", 100 * told["equal"], unit="%", note=str(told["measured_at"]))
    if shown.get("freshness_s") is not None:
        yield Metric("age of the newest event", shown["freshness_s"] / 3600, unit="h", note=str(shown["newest_event"]))
    if (certificate := shown.get("certificate")) is not None:
        note = "generated streams, batch, writes and requests alike" if certificate["passed"] else str(certificate["difference"])
        yield Metric("certified" if certificate["passed"] else "refuted", certificate["examples"], note=note)
    yield Text(shown["description"] or "Without a description.")
    words = ("owner", "tags", "entity", "source", "time", "valid_for", "delay", "watermark", "online")
    yield Table("Definition", ("", " "), [(word, _word(shown[word])) for word in words if shown.get(word)])


def _expected(shown: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    last = [each["last"] or {} for each in shown["expectations"]]
    return [
        (each["check"], each["mode"], told.get("rows"), told.get("violations"), told.get("at"))
        for each, told in zip(shown["expectations"], last, strict=True)
    ]


def _statistics(title: str, found: Statistics) -> Iterator[Block]:
    if not found.columns:
        return
    yield Text(title.capitalize(), heading=True)
    yield Table("Over all days", _FIGURES, [_figures(found, name) for name in found.columns])
    for name in found.columns:
        yield from _charts(found, name)


def _charts(found: Statistics, name: str) -> Iterator[Block]:
    total = found.total(name)
    days = sorted(found.days[name])
    texts = [f"{moment(day * DAY_US):%Y-%m-%d}" for day in days]
    if total.kind == "number" and total.n:
        middles, shares = found.histogram(name)
        yield Chart(
            f"{name}: distribution", form="bar", x=[f"{each:.4g}" for each in middles], series={"share": shares}, y_label="share of values"
        )
        if len(days) > 1:
            lines = {"mean": _means(found, name), "5th percentile": _daily(found, name, 0.05), "95th percentile": _daily(found, name, 0.95)}
            yield Chart(f"{name}: by day", x=texts, series=lines, x_label="day of the event, UTC")
    elif total.top:
        yield Chart(f"{name}: most frequent", form="bar", x=list(total.top)[:20], series={"rows": list(total.top.values())[:20]})
    if len(days) > 1 and total.nulls:
        yield Chart(f"{name}: rows without a value, by day", x=texts, series={"nulls": _nulls(found, name)}, y_label="%")


def _line(found: Statistics, name: str, shown: Iterable[str], width: int) -> list[Any]:
    """What a terminal shows of a column."""
    total, bars = found.total(name), _BARS if width >= _COLUMNS[-1][1] else _FEW_BARS
    called = name if len(name) <= _LONGEST or width >= _WIDTH else f"{name[: _LONGEST - 1]}…"
    cells: dict[str, Any] = {"name": called, "rows": total.rows, "nulls": f"{100 * total.null_share:.1f} %"}
    cells["distribution"] = _frequent(total, _LONGEST) or total.kind
    if total.kind == "number" and total.n:
        cells |= {"mean": total.mean, **{f"p{round(100 * q):02}": total.quantile(q) for q in (0.05, 0.5, 0.95)}}
        cells["distribution"] = spark(found.histogram(name, bars)[1], bars)
    return [{**_by_day(found, name, bars), **cells}.get(each) for each in shown]


def _by_day(found: Statistics, name: str, bars: int) -> dict[str, str]:
    total = found.total(name)
    if len(found.days[name]) < 2:
        return {}
    means = {"mean by day": spark(_means(found, name), bars, from_zero=False)} if total.kind == "number" and total.n else {}
    return means | ({"nulls by day": spark(_nulls(found, name), bars)} if total.nulls else {})


def _frequent(total: Summary, most: int) -> str:
    """The most frequent texts with their shares, as many as fit, the first of them cut if it is too long."""
    told = ""
    for text, count in total.top.items():
        share = f" {100 * count / max(total.n, 1):.0f} %"
        each = f"{text if len(text) + len(share) <= most else text[: most - len(share) - 1] + '…'}{share}"
        if told and len(told) + 2 + len(each) > most:
            break
        told += f"{', ' if told else ''}{each}"
    return told


def _figures(found: Statistics, name: str) -> tuple[Any, ...]:
    total = found.total(name)
    counts = (name, total.rows, total.nulls, total.distinct)
    if total.kind != "number" or not total.n:
        return (*counts, *[None] * 7)
    return (*counts, total.mean, total.std, total.least, *(total.quantile(q) for q in (0.05, 0.5, 0.95)), total.greatest)


def _means(found: Statistics, name: str) -> list[float | None]:
    return [each.mean if each.n else None for _, each in sorted(found.days[name].items())]


def _daily(found: Statistics, name: str, q: float) -> list[float | None]:
    return [each.quantile(q) if each.n else None for _, each in sorted(found.days[name].items())]


def _nulls(found: Statistics, name: str) -> list[float | None]:
    return [100 * each.null_share for _, each in sorted(found.days[name].items())]


def _names(rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(next(iter(rows), {"feature": ""}))


def _cells(rows: Iterable[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    return [tuple(_word(value) for value in row.values()) for row in rows]


def _word(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
