"""A report as text for a terminal."""

import io
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from intonaco.infra.lineage.report import Block, Chart, Images, Metric, Report, Table

__all__ = ["draw", "render"]

_BARS = 30


def render(report: Report, width: int) -> str:
    """The report, no line wider than `width`."""
    out = Console(file=io.StringIO(), width=width, highlight=False, color_system=None)
    out.rule(_clean(report.title))
    for block in report.blocks:
        _print(block, out, width)
    text: str = out.file.getvalue()  # type: ignore[attr-defined]
    return text


def _print(block: Block, out: Console, width: int) -> None:
    match block:
        case Metric():
            interval = f" [{block.low:.4g} to {block.high:.4g}]" if block.low is not None and block.high is not None else ""
            out.print(f"{block.name}: {block.value:.4g} {block.unit}{interval} {block.note}".rstrip(), markup=False)
        case Table():
            out.print(_grid(block))
        case Chart():
            out.print(draw(block, width), markup=False, soft_wrap=True)
        case Images():
            out.print(f"{block.title}: {len(block.images)} pictures, to be seen in the HTML page", markup=False)
        case _:
            out.print(f"\n{_clean(block.text)}", markup=False)


def _grid(block: Table) -> Grid:
    grid = Grid(title=escape(_clean(block.title)), box=SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for name in block.columns:
        grid.add_column(escape(_clean(name)))
    for row in block.rows:
        grid.add_row(*(escape(_clean(_text(value))) for value in row))
    return grid


def draw(chart: Chart, width: int = 90, height: int = 16) -> str:
    """The chart in characters; a heatmap as a table of its numbers is left to the page."""
    import plotext  # one module-wide figure, cleared for each chart

    if chart.form == "heatmap":
        return f"{chart.title}: a heatmap, to be seen in the HTML page"
    figure: Any = plotext
    figure.clear_figure()
    figure.theme("clear")
    figure.plot_size(width, height)
    figure.title(_clean(chart.title))
    _draw_series(figure, chart)
    text: str = plotext.uncolorize(figure.build())
    return text


def _draw_series(figure: Any, chart: Chart) -> None:
    numeric = all(isinstance(value, int | float) for value in chart.x)
    positions = list(chart.x) if numeric else list(range(len(chart.x)))
    for name, values in chart.series.items():
        points = [(x, y) for x, y in zip(positions, values, strict=True) if y is not None]
        if points:
            method = {"line": figure.plot, "scatter": figure.scatter, "bar": figure.bar}[chart.form]
            method([x for x, _ in points], [y for _, y in points], label=_clean(name))
    if not numeric and positions:
        step = max(1, len(positions) // 8)
        figure.xticks(positions[::step], [_clean(str(x))[:12] for x in chart.x[::step]])


def _text(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _clean(text: str) -> str:
    """Without characters that steer a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
