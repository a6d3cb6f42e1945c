"""The main job's report: one page to look at."""

from typing import Any

from intonaco.infra import Cells, Chart, Metric, Report, Text
from intonaco.infra.lineage.blocks import Block
from intonaco.infra.platform.training import Trained

__all__ = ["page"]


def page(trained: Trained, online: dict[str, Any], watched: dict[str, Any], version: str) -> Report:
    """What was made, how much better it is, that it holds online, and how it fared over time."""
    cells = trained.cells
    before, after = cells.pick("base_mae"), cells.pick("mae")
    blocks: list[Block] = [
        Metric("error of the timetable", before.value, unit="min", low=before.low, high=before.high, note=f"{before.n:,} held-out flights"),
        Metric("error, corrected", after.value, unit="min", low=after.low, high=after.high, note=version),
        Metric("the error fell by", 100 * (1 - after.value / before.value), unit="%"),
        Metric("online equals batch", online["rows"], unit="rows", note="bit for bit" if online["equal"] else "DIFFERENT"),
        Text("Before and after", heading=True),
        *(_before_and_after(cells, name) for name in ("origin", "carrier", "hour_utc", "delayed")),
        *Report.from_json({"title": "", "blocks": watched["shown"]}).blocks,
        Text("The model", heading=True),
        *trained.report.blocks,
    ]
    return Report("Correcting arrival estimates: flights that left New York in 2013", blocks)


def _before_and_after(cells: Cells, name: str) -> Chart:
    """The timetable's error beside the corrected one, for each value of a segment."""
    corrected = {segment: cell for segment, cell in cells.by_segment("mae").items() if segment.startswith(f"{name}=")}
    before = cells.by_segment("base_mae")
    series = {"timetable": [before[segment].value for segment in corrected], "corrected": [cell.value for cell in corrected.values()]}
    values = [segment.partition("=")[2] for segment in corrected]
    return Chart(f"Mean absolute error by {name}", form="bar", x=values, series=series, x_label=name, y_label="minutes")
