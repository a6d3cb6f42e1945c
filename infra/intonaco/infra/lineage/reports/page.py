"""A report as one HTML page that works offline."""

import base64
from html import escape
from itertools import groupby
from typing import Any

from intonaco.infra.lineage.reports.blocks import Block, Chart, Images, Metric, Table, Text
from intonaco.infra.lineage.reports.drawing import drawing
from intonaco.infra.lineage.reports.numerals import numeral

__all__ = ["render"]

#: The page runs no script, and asks no other host for anything.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

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
svg { width: 100%; font-size: 12px } svg text:not([fill]) { fill: var(--soft) }
.legend span { margin-right: 18px; font-size: 13px; color: var(--soft) }
.legend b { display: inline-block; width: 12px; height: 12px; border-radius: 2px; margin-right: 6px; vertical-align: -1px }
.images { display: flex; flex-wrap: wrap; gap: 12px } figure { margin: 0 } figcaption { font-size: 12px; color: var(--soft) }
.images img { min-width: 56px; image-rendering: pixelated; border: 1px solid var(--line) }
"""


def render(title: str, blocks: tuple[Block, ...]) -> str:
    """The page as text."""
    body = "\n".join(_section(list(some)) for _, some in groupby(blocks, key=lambda each: isinstance(each, Metric)))
    head = f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{_POLICY}"><title>{escape(title)}</title>'
    content = f"<h1>{escape(title)}</h1>\n{body}"
    return f"<!doctype html><html lang=en><head>{head}<style>{_STYLE}</style></head><body>{content}</body></html>\n"


def _section(blocks: list[Block]) -> str:
    cards = "\n".join(_card(block) for block in blocks)
    return f'<div class="metrics">{cards}</div>' if isinstance(blocks[0], Metric) else cards


def _card(block: Block) -> str:
    match block:
        case Metric():
            return _metric(block)
        case Table():
            return f'<div class="card"><h3>{escape(block.title)}</h3>{_table(block)}</div>'
        case Chart():
            return f'<div class="card"><h3>{escape(block.title)}</h3>{drawing(block)}</div>'
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
