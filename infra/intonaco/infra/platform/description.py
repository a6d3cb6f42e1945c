"""What a training came to, as a report."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from intonaco.infra.lineage.cells import Cell, Cells
from intonaco.infra.lineage.reports.report import Block, Chart, Metric, Report, Table, Text
from intonaco.infra.lineage.runs.steps import step
from intonaco.infra.platform.task import Task

__all__ = ["describe"]

_SEGMENTS_SHOWN = 40


@step
def describe(task: Task, evaluated: dict[str, Any], explained: list[Any], params: dict[str, Any], trials: list[Any]) -> Report:
    """The report of an evaluation: metrics, segments, what the task shows and explains, what was searched."""
    cells = Cells.from_json(evaluated["cells"])
    shown = Report.from_json({"title": "", "blocks": evaluated["shown"]}).blocks
    why = Report.from_json({"title": "", "blocks": explained}).blocks
    blocks = [*_metrics(cells, evaluated["rows"]), *shown, *_segments(cells), *why, *_searched(params, trials)]
    return Report(f"{type(task).__name__}: how it does on held-out rows", blocks)


def _metrics(cells: Cells, rows: int) -> Iterator[Block]:
    for cell in cells:
        if cell.segment == "":
            yield Metric(cell.metric, cell.value, low=cell.low, high=cell.high, note=f"{rows:,} held-out rows")


def _segments(cells: Cells) -> Iterator[Block]:
    for name in dict.fromkeys(cell.segment.split("=")[0] for cell in cells if cell.segment):
        mine = [cell for cell in cells if cell.segment.startswith(f"{name}=")]
        yield Text(f"By {name}", heading=True)
        yield _chart(name, mine)
        yield _table(name, mine)


def _chart(name: str, cells: Sequence[Cell]) -> Chart:
    values = list(dict.fromkeys(cell.segment for cell in cells))[:_SEGMENTS_SHOWN]
    metrics = list(dict.fromkeys(cell.metric for cell in cells))
    at = {(cell.segment, cell.metric): cell.value for cell in cells}
    series = {metric: [at.get((value, metric)) for value in values] for metric in metrics}
    return Chart(f"Metrics by {name}", form="bar", x=[value.partition("=")[2] for value in values], series=series, x_label=name)


def _table(name: str, cells: Sequence[Cell]) -> Table:
    rows = [(cell.segment.partition("=")[2], cell.metric, cell.value, cell.low, cell.high, cell.n) for cell in cells[: 4 * _SEGMENTS_SHOWN]]
    return Table(f"Cells by {name}", (name, "metric", "value", "low", "high", "rows"), rows)


def _searched(params: Mapping[str, Any], trials: Sequence[Mapping[str, Any]]) -> Iterator[Block]:
    if not trials:
        return
    names = list(trials[0]["params"])
    yield Text("The search", heading=True)
    yield Chart(
        "Trials", form="scatter", x=range(1, len(trials) + 1), series={"score": [each["score"] for each in trials]}, x_label="trial"
    )
    rows = [(number, *(each["params"].get(name) for name in names), each["score"]) for number, each in enumerate(trials, 1)]
    yield Table(f"Chosen: {', '.join(f'{name} = {value}' for name, value in params.items())}", ("trial", *names, "score"), rows)
