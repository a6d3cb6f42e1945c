"""The main job's report: one page to look at."""

from collections.abc import Iterable, Iterator
from typing import Any

from intonaco.infra import Cells, Chart, Metric, Report, Table, Text
from intonaco.infra.lineage.reports.blocks import Block
from intonaco.infra.platform.training import Trained

__all__ = ["page"]

_INTRODUCTION = """The timetable says when a flight arrives. At the moment it leaves the gate, the model tells by how many minutes that is
wrong: from how late it left, the weather, and how flights of its route, carrier, number, airports and aircraft lately made up or lost
time. Nothing that happened at or after its departure is seen. All figures are of the last flights of the year, which the model has not
learned from."""
_SEGMENTS = {
    "origin": "airport of departure",
    "carrier": "carrier",
    "hour_utc": "hour of scheduled departure, UTC",
    "delayed": "whether it left more than 15 minutes late",
}


def page(trained: Trained, online: dict[str, Any], watched: dict[str, Any], version: str) -> Report:
    """What was made, how much better it is, that it holds online, and how it fared over time."""
    blocks: list[Block] = [
        Text(_INTRODUCTION.replace("\n", " ")),
        *_summary(trained.cells, online, version),
        Text("Before and after", heading=True),
        *(_before_and_after(trained.cells, name) for name in _SEGMENTS),
        Text("Served and watched, week by week", heading=True),
        *Report.from_json({"title": "", "blocks": watched["shown"]}).blocks,
        Text("The model", heading=True),
        *_of_the_model(trained.report.blocks),
        Text(f"Every segment in figures: intonaco report {version}"),
    ]
    return Report("Correcting arrival estimates: flights that left New York in 2013", blocks)


def _summary(cells: Cells, online: dict[str, Any], version: str) -> Iterator[Block]:
    before, after = cells.pick("base_mae"), cells.pick("mae")
    yield Metric(
        "error of the timetable", before.value, unit="min", low=before.low, high=before.high, note=f"{before.n:,} held-out flights"
    )
    yield Metric("error, corrected", after.value, unit="min", low=after.low, high=after.high, note=version)
    yield Metric("the error fell by", 100 * (1 - after.value / before.value), unit="%", note="mean absolute error")
    alike = "the same over HTTP as in batch, to the bit" if online["equal"] else "DIFFERENT"
    yield Metric("online equals batch", online["rows"], unit="flights", note=alike)


def _of_the_model(blocks: Iterable[Block]) -> Iterator[Block]:
    """What an evaluation shows beyond the errors overall and by segment, which stand above."""
    for block in blocks:
        told = block.text.startswith("By ") if isinstance(block, Text) else isinstance(block, Metric) and block.name in ("mae", "base_mae")
        cut = isinstance(block, Chart | Table) and block.title.startswith(("Metrics by ", "Cells by "))
        if not told and not cut:
            yield block


def _before_and_after(cells: Cells, name: str) -> Chart:
    """The timetable's error beside the corrected one, for each value of a segment."""
    corrected = {segment: cell for segment, cell in cells.by_segment("mae").items() if segment.startswith(f"{name}=")}
    before = cells.by_segment("base_mae")
    series = {"timetable": [before[segment].value for segment in corrected], "corrected": [cell.value for cell in corrected.values()]}
    values = [segment.partition("=")[2] for segment in corrected]
    return Chart(f"Mean absolute error by {_SEGMENTS[name]}", form="bar", x=values, series=series, y_label="minutes")
