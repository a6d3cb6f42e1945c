"""A report as one HTML page that works offline."""

import base64
import json
import re
from functools import cache
from html import escape
from importlib.resources import files
from itertools import groupby
from typing import Any

from intonaco.infra.lineage.blocks import Block, Chart, Images, Metric, Table, Text
from intonaco.infra.lineage.numerals import numeral

__all__ = ["render"]

#: The page runs its own inline script and nothing else, and asks no other host for anything.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"

_STYLE = """
:root { color-scheme: light; --ink:#1d2530; --soft:#5c6877; --line:#e3e7ec; --card:#fff; --page:#f6f7f9; --accent:#b4552d }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page) }
body { margin: 0 auto; max-width: 1080px; padding: 28px 20px 60px }
h1 { font-size: 26px; margin: 0 0 18px } h2 { font-size: 19px; margin: 34px 0 10px }
h3 { font-size: 15px; margin: 0 0 10px; font-weight: 600 }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 16px 18px; margin: 14px 0; overflow-x: auto }
.metrics { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 14px; margin: 14px 0 }
.metrics .card { margin: 0 }
.name, .note { color: var(--soft); font-size: 13px } .value { font-size: 27px; font-weight: 650 }
.unit { font-size: 15px; color: var(--soft); font-weight: 400 }
table { border-collapse: collapse; font-size: 14px; min-width: 50% } th { text-align: left; color: var(--soft); font-weight: 600 }
th, td { padding: 5px 20px 5px 0; border-bottom: 1px solid var(--line) } .number { text-align: right; font-variant-numeric: tabular-nums }
.images { display: flex; flex-wrap: wrap; gap: 12px } figure { margin: 0 } figcaption { font-size: 12px; color: var(--soft) }
.images img { min-width: 56px; image-rendering: pixelated; border: 1px solid var(--line) }
"""

_DRAW = """
for (const holder of document.querySelectorAll('.chart')) {
  const spec = JSON.parse(document.getElementById(holder.dataset.spec).textContent);
  Plotly.newPlot(holder, spec.data, spec.layout, {displayModeBar: false, responsive: true});
}
"""
_INK, _LINE, _GAP = "#1d2530", "#e3e7ec", "#f6f7f9"
_SHADES = [[0, "#fbf3ee"], [0.5, "#d68b62"], [1, "#7a2f10"]]
_FEW = 40
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_COLOURS = ("#b4552d", "#2d6a8e", "#7a8b3c", "#8a5a9e", "#c79a3a", "#4c9c8a", "#a03d4f", "#5c6877")


def render(title: str, blocks: tuple[Block, ...]) -> str:
    """The page as text."""
    body = "\n".join(_section(list(some)) for _, some in groupby(_numbered(blocks), key=lambda each: isinstance(each[1], Metric)))
    charts = any(isinstance(block, Chart) for block in blocks)
    script = f"<script>{_plotly()}</script><script>{_DRAW}</script>" if charts else ""
    head = f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{_POLICY}"><title>{escape(title)}</title>'
    content = f"<h1>{escape(title)}</h1>\n{body}\n{script}"
    return f"<!doctype html><html lang=en><head>{head}<style>{_STYLE}</style></head><body>{content}</body></html>\n"


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
            holder = f'<div class="chart" data-spec="spec{number}" style="height:{_height(block)}px"></div>'
            return f'<div class="card"><h3>{escape(block.title)}</h3>{spec}{holder}</div>'
        case Images():
            return f'<div class="card"><h3>{escape(block.title)}</h3><div class="images">{_images(block)}</div></div>'
        case Text():
            return f"<h2>{escape(block.text)}</h2>" if block.heading else f"<p>{escape(block.text)}</p>"


def _metric(block: Metric) -> str:
    interval = f"{numeral(block.low)} to {numeral(block.high)}" if block.low is not None and block.high is not None else ""
    note = " · ".join(escape(part) for part in (interval, block.note) if part)
    value = f'<div class="value">{numeral(block.value)} <span class="unit">{escape(block.unit)}</span></div>'
    return f'<div class="card"><div class="name">{escape(block.name)}</div>{value}<div class="note">{note}</div></div>'


def _table(block: Table) -> str:
    numeric = [any(_is_number(row[place]) for row in block.rows) for place in range(len(block.columns))]
    head = "".join(f"<th{_KIND[number]}>{escape(name)}</th>" for name, number in zip(block.columns, numeric, strict=True))
    rows = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in block.rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


_KIND = {True: ' class="number"', False: ""}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    return f"<td{_KIND[_is_number(value)]}>{escape(numeral(value))}</td>"


def _images(block: Images) -> str:
    captions = [*block.captions, *[""] * (len(block.images) - len(block.captions))]
    return "".join(_image(image, escape(caption)) for image, caption in zip(block.images, captions, strict=True))


def _image(image: bytes, caption: str) -> str:
    source = f"data:image/png;base64,{base64.b64encode(image).decode()}"
    return f'<figure><img src="{source}" alt="{caption}"><figcaption>{caption}</figcaption></figure>'


def _height(chart: Chart) -> int:
    return max(220, 110 + 24 * len(chart.series)) if chart.form == "heatmap" else 340


def _figure(chart: Chart) -> dict[str, Any]:
    """The chart in Plotly's own terms, see plotly.com/javascript/reference."""
    layout: dict[str, Any] = {
        "margin": {"l": 50, "r": 16, "t": 10, "b": 40},
        "colorway": _COLOURS,
        "font": {"family": "system-ui, sans-serif", "size": 12, "color": _INK},
        "legend": {"orientation": "h", "y": 1.12},
        "hovermode": "x unified" if chart.form == "line" else "closest",
        "plot_bgcolor": _GAP if chart.form == "heatmap" else "#ffffff",
        "xaxis": {**_axis(chart.x_label), **_category(chart.x)},
        "yaxis": _axis(chart.y_label),
    }
    if chart.form == "heatmap":
        layout["yaxis"] |= {"autorange": "reversed", "type": "category"}
        return {"data": [_heatmap(chart)], "layout": layout}
    form = {"line": _line(chart), "scatter": {"type": "scatter", "mode": "markers"}, "bar": {"type": "bar"}}[chart.form]
    return {
        "data": [{**form, "name": _plain(name), "x": _plain(chart.x), "y": values} for name, values in chart.series.items()],
        "layout": layout,
    }


def _axis(label: str) -> dict[str, Any]:
    return {"title": {"text": _plain(label)}, "automargin": True, "gridcolor": _LINE, "zerolinecolor": _LINE}


def _category(x: tuple[Any, ...]) -> dict[str, str]:
    """Plotly would take names such as `007` for numbers; days are to stay days."""
    names = all(isinstance(value, str) for value in x) and not all(_DAY.match(value) for value in x)
    return {"type": "category"} if names else {}


def _line(chart: Chart) -> dict[str, Any]:
    return {"type": "scatter", "mode": "lines+markers" if len(chart.x) <= _FEW else "lines"}


def _heatmap(chart: Chart) -> dict[str, Any]:
    numbers = {"texttemplate": "%{z:.3~g}"} if len(chart.x) <= _FEW // 2 else {}
    rows = [_plain(name) for name in chart.series]
    return {
        "type": "heatmap",
        "x": _plain(chart.x),
        "y": rows,
        "z": list(chart.series.values()),
        "colorscale": _SHADES,
        "xgap": 1,
        "ygap": 1,
        **numbers,
    }


def _plain(text: Any) -> Any:
    """Text as Plotly shows it; it would take tags in it for its own."""
    if isinstance(text, tuple):
        return [_plain(each) for each in text]
    return escape(text, quote=False) if isinstance(text, str) else text


def _inline(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value, allow_nan=False, default=str).replace("<", "\\u003c")


@cache
def _plotly() -> str:
    return files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8")
