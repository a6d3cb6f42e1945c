"""A report as one HTML page that works offline."""

import base64
import json
from functools import cache
from html import escape
from importlib.resources import files
from itertools import groupby
from typing import Any

from intonaco.infra.lineage.report import Block, Chart, Images, Metric, Report, Table, Text

__all__ = ["render"]

#: The page runs its own inline script and nothing else, and asks no other host for anything.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"

_STYLE = """
:root { color-scheme: light; --ink:#1d2530; --soft:#5c6877; --line:#e3e7ec; --card:#fff; --page:#f6f7f9; --accent:#b4552d }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); margin: 0 auto; max-width: 1080px; padding: 28px 20px 60px }
h1 { font-size: 26px; margin: 0 0 18px } h2 { font-size: 19px; margin: 34px 0 10px } h3 { font-size: 15px; margin: 0 0 10px; font-weight: 600 }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 16px 18px; margin: 14px 0; overflow-x: auto }
.metrics { display: flex; flex-wrap: wrap; gap: 14px; margin: 14px 0 } .metrics .card { margin: 0; min-width: 150px; flex: 1 }
.name, .note { color: var(--soft); font-size: 13px } .value { font-size: 27px; font-weight: 650 } .unit { font-size: 15px; color: var(--soft); font-weight: 400 }
table { border-collapse: collapse; font-size: 14px; min-width: 50% } th { text-align: left; color: var(--soft); font-weight: 600 }
th, td { padding: 5px 16px 5px 0; border-bottom: 1px solid var(--line) } td.number { text-align: right; font-variant-numeric: tabular-nums }
.images { display: flex; flex-wrap: wrap; gap: 12px } figure { margin: 0 } figcaption { font-size: 12px; color: var(--soft) }
.images img { min-width: 56px; image-rendering: pixelated; border: 1px solid var(--line) }
.chart { height: 340px }
"""

_DRAW = """
for (const holder of document.querySelectorAll('.chart')) {
  const spec = JSON.parse(document.getElementById(holder.dataset.spec).textContent);
  Plotly.newPlot(holder, spec.data, spec.layout, {displaylogo: false, responsive: true});
}
"""
_COLOURS = ("#b4552d", "#2d6a8e", "#7a8b3c", "#8a5a9e", "#c79a3a", "#4c9c8a", "#a03d4f", "#5c6877")


def render(report: Report) -> str:
    """The page as text."""
    body = "\n".join(_section(list(blocks)) for _, blocks in groupby(_numbered(report.blocks), key=lambda each: isinstance(each[1], Metric)))
    charts = any(isinstance(block, Chart) for block in report.blocks)
    script = f"<script>{_plotly()}</script><script>{_DRAW}</script>" if charts else ""
    head = f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{_POLICY}"><title>{escape(report.title)}</title>'
    return f"<!doctype html><html lang=en><head>{head}<style>{_STYLE}</style></head><body><h1>{escape(report.title)}</h1>\n{body}\n{script}</body></html>\n"


def _numbered(blocks: tuple[Block, ...]) -> list[tuple[int, Block]]:
    return list(enumerate(blocks))


def _section(blocks: list[tuple[int, Block]]) -> str:
    cards = "\n".join(_card(number, block) for number, block in blocks)
    return f'<div class="metrics">{cards}</div>' if isinstance(blocks[0][1], Metric) else cards


def _card(number: int, block: Block) -> str:
    match block:
        case Metric():
            return _metric(block)
        case Table():
            return f'<div class="card"><h3>{escape(block.title)}</h3>{_table(block)}</div>'
        case Chart():
            spec = f'<script type="application/json" id="spec{number}">{_inline(_figure(block))}</script>'
            return f'<div class="card"><h3>{escape(block.title)}</h3>{spec}<div class="chart" data-spec="spec{number}"></div></div>'
        case Images():
            return f'<div class="card"><h3>{escape(block.title)}</h3><div class="images">{_images(block)}</div></div>'
        case Text():
            return f"<h2>{escape(block.text)}</h2>" if block.heading else f"<p>{escape(block.text)}</p>"


def _metric(block: Metric) -> str:
    interval = f"{block.low:.4g} to {block.high:.4g}" if block.low is not None and block.high is not None else ""
    note = " · ".join(escape(part) for part in (interval, block.note) if part)
    value = f'<div class="value">{block.value:.4g} <span class="unit">{escape(block.unit)}</span></div>'
    return f'<div class="card"><div class="name">{escape(block.name)}</div>{value}<div class="note">{note}</div></div>'


def _table(block: Table) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in block.columns)
    rows = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in block.rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f'<td class="number">{value:,.4g}</td>' if abs(value) < 1e4 else f'<td class="number">{value:,.0f}</td>'
    if isinstance(value, int) and not isinstance(value, bool):
        return f'<td class="number">{value:,}</td>'
    return f"<td>{'' if value is None else escape(str(value))}</td>"


def _images(block: Images) -> str:
    captions = [*block.captions, *[""] * (len(block.images) - len(block.captions))]
    return "".join(
        f'<figure><img src="data:image/png;base64,{base64.b64encode(image).decode()}" alt="{escape(caption)}"><figcaption>{escape(caption)}</figcaption></figure>'
        for image, caption in zip(block.images, captions, strict=True)
    )


def _figure(chart: Chart) -> dict[str, Any]:
    """The chart in Plotly's own terms, see plotly.com/javascript/reference."""
    axes = {"xaxis": {"title": {"text": chart.x_label}, "automargin": True}, "yaxis": {"title": {"text": chart.y_label}, "automargin": True}}
    layout = {"margin": {"l": 50, "r": 16, "t": 10, "b": 40}, "colorway": _COLOURS, "legend": {"orientation": "h", "y": 1.12}, "hovermode": "closest", **axes}
    if chart.form == "heatmap":
        data = [{"type": "heatmap", "x": chart.x, "y": list(chart.series), "z": list(chart.series.values()), "colorscale": "Blues", "reversescale": True}]
    else:
        form = {"line": {"type": "scatter", "mode": "lines"}, "scatter": {"type": "scatter", "mode": "markers"}, "bar": {"type": "bar"}}[chart.form]
        data = [{**form, "name": name, "x": chart.x, "y": values} for name, values in chart.series.items()]
    return {"data": data, "layout": layout}


def _inline(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value, allow_nan=False, default=str).replace("<", "\\u003c")


@cache
def _plotly() -> str:
    return files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8")
