"""A report as text for a terminal."""

import io
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from intonaco.infra.lineage.reports.blocks import Block, Chart, Images, Metric, Table
from intonaco.infra.lineage.reports.numerals import numeral

__all__ = ["draw", "render"]

_WIDEST = 12
_TICKS = 8


def render(title: str, blocks: tuple[Block, ...], width: int) -> str:
    """The report, no line wider than `width`."""
    out = Console(file=io.StringIO(), width=width, highlight=False, color_system=None)
    out.rule(_clean(title))
    for block in blocks:
        _print(block, out, width)
    text: str = out.file.getvalue()  # type: ignore[attr-defined]
    return text


def _print(block: Block, out: Console, width: int) -> None:
    match block:
        case Metric():
            interval = f" [{numeral(block.low)} to {numeral(block.high)}]" if block.low is not None and block.high is not None else ""
            line = f"{block.name}: {numeral(block.value)} {block.unit}{interval} {block.note}"
            out.print(_clean(line.rstrip()), markup=False)
        case Table():
            out.print(_grid(block))
        case Chart(form="heatmap") if len(block.x) <= _WIDEST:
            out.print(_grid(_numbers(block)))
        case Chart():
            out.print(draw(block, width), markup=False, soft_wrap=True)
        case Images():
            out.print(f"{_clean(block.title)}: {len(block.images)} pictures, to be seen in the HTML page", markup=False)
        case _:
            out.print(f"\n{_clean(block.text)}", markup=False)


def _grid(block: Table) -> Grid:
    grid = Grid(title=escape(_clean(block.title)), box=SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for name in block.columns:
        grid.add_column(escape(_clean(name)))
    for row in block.rows:
        grid.add_row(*(escape(_clean(numeral(value))) for value in row))
    return grid


def draw(chart: Chart, width: int = 90, height: int = 16) -> str:
    """The chart in characters; a wide heatmap is left to the page."""
    import plotext  # one module-wide figure, cleared for each chart

    if chart.form == "heatmap":
        return f"{_clean(chart.title)}: a heatmap, to be seen in the HTML page"
    figure: Any = plotext
    figure.clear_figure()
    figure.theme("clear")
    figure.plot_size(width, height)
    figure.title(_clean(chart.title))
    figure.xlabel(_clean(chart.x_label) or None)
    _draw_series(figure, chart)
    text: str = plotext.uncolorize(figure.build())
    return text


def _draw_series(figure: Any, chart: Chart) -> None:
    numeric = chart.form != "bar" and all(isinstance(value, int | float) for value in chart.x)
    positions = list(chart.x) if numeric else list(range(1, len(chart.x) + 1))  # bars stand at 1, 2, ...
    if chart.form == "bar" and len(chart.series) > 1:
        heights = [[value or 0.0 for value in values] for values in chart.series.values()]
        figure.multiple_bar(positions, heights, labels=[_clean(name) for name in chart.series])
    else:
        for name, values in chart.series.items():
            _draw_one(figure, chart, positions, _clean(name), values)
    if not numeric and positions:
        step = max(1, len(positions) // _TICKS)
        figure.xticks(positions[::step], [_clean(numeral(x))[:12] for x in chart.x[::step]])


def _draw_one(figure: Any, chart: Chart, positions: list[Any], name: str, values: tuple[float | None, ...]) -> None:
    points = [(x, y) for x, y in zip(positions, values, strict=True) if y is not None]
    if points:
        method = {"line": figure.plot, "scatter": figure.scatter, "bar": figure.bar}[chart.form]
        method([x for x, _ in points], [y for _, y in points], label=name)


def _numbers(chart: Chart) -> Table:
    """A heatmap as rows of numbers."""
    return Table(chart.title, ["", *map(str, chart.x)], [[name, *values] for name, values in chart.series.items()])


def _clean(text: str) -> str:
    """Without characters that steer a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
