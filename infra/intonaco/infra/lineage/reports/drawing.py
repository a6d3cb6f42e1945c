"""Charts drawn as SVG: they need no script, and a page of many of them stays small."""

from collections.abc import Iterator
from html import escape

from attrs import frozen

from intonaco.infra.lineage.reports.axes import Axis, named_axis, number_axis, x_axis
from intonaco.infra.lineage.reports.blocks import Chart
from intonaco.infra.lineage.reports.numerals import numeral

__all__ = ["drawing"]

_WIDTH, _HEIGHT = 1000, 300
_TOP, _RIGHT, _BOTTOM = 10, 16, 44
_SOFT, _LINE = "#5c6877", "#e3e7ec"
_COLOURS = ("#b4552d", "#2d6a8e", "#7a8b3c", "#8a5a9e", "#c79a3a", "#4c9c8a", "#a03d4f", "#5c6877")
#: The least and the greatest value of a heatmap, and what lies between.
_SHADES = ((251, 243, 238), (214, 139, 98), (122, 47, 16))
#: As many points are drawn one by one and tell their value to the pointer.
_MANY = 400
_FEW_POINTS, _FEW_CELLS = 40, 20
_ROW = 24


def drawing(chart: Chart) -> str:
    """The chart as an SVG element, with the names of its series before it."""
    if not chart.x or not chart.series:
        return '<p class="note">nothing to draw</p>'
    return _heatmap(chart) if chart.form == "heatmap" else _legend(chart) + _graph(chart)


@frozen
class _Frame:
    """The rectangle that the axes span."""

    left: float
    width: float
    height: float

    def x(self, share: float) -> str:
        return f"{self.left + share * self.width:.1f}"

    def y(self, share: float) -> str:
        return f"{_TOP + (1 - share) * self.height:.1f}"


def _graph(chart: Chart) -> str:
    held = [value for values in chart.series.values() for value in values if value is not None]
    across = named_axis(chart.x) if chart.form == "bar" else x_axis(chart.x)
    up = number_axis(held, from_zero=chart.form == "bar")
    frame = _frame(max(len(text) for _, text in up.marks), _HEIGHT)
    heights = iter(up.places)
    series = [(name, [None if value is None else next(heights) for value in values]) for name, values in chart.series.items()]
    draw = _bars if chart.form == "bar" else _points
    parts = [*_grid(frame, across, up), *_labels(frame, chart)]
    for number, (name, places) in enumerate(series):
        parts += draw(chart, frame, across, up, number, name, places)
    return _svg(parts, _HEIGHT)


def _frame(letters: int, height: float) -> _Frame:
    left = 24.0 + 7 * letters
    return _Frame(left, _WIDTH - left - _RIGHT, height - _TOP - _BOTTOM)


def _svg(parts: list[str], height: float) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {height:g}" role="img">{"".join(parts)}</svg>'


def _grid(frame: _Frame, across: Axis, up: Axis) -> Iterator[str]:
    for place, text in up.marks:
        y = frame.y(place)
        yield f'<path d="M{frame.left:.1f} {y}H{frame.left + frame.width:.1f}" stroke="{_LINE}"/>'
        yield f'<text x="{frame.left - 8:.1f}" y="{y}" dy="4" text-anchor="end">{escape(text)}</text>'
    yield from _across(frame, across)


def _across(frame: _Frame, across: Axis) -> Iterator[str]:
    below = _TOP + frame.height + 16
    for place, text in across.marks:
        anchor = "end" if place > 0.95 else "start" if place < 0.02 else "middle"
        yield f'<text x="{frame.x(place)}" y="{below:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _labels(frame: _Frame, chart: Chart) -> Iterator[str]:
    if chart.x_label:
        x, y = frame.x(0.5), _TOP + frame.height + 36
        yield f'<text x="{x}" y="{y:.1f}" text-anchor="middle">{escape(chart.x_label)}</text>'
    if chart.y_label:
        middle = frame.y(0.5)
        yield f'<text x="12" y="{middle}" text-anchor="middle" transform="rotate(-90 12 {middle})">{escape(chart.y_label)}</text>'


def _told(chart: Chart, row: int, name: str, value: float | None) -> str:
    """What the pointer is told of one value."""
    return f"<title>{escape(f'{name}, {numeral(chart.x[row])}: {numeral(value)}')}</title>"


def _bars(chart: Chart, frame: _Frame, across: Axis, up: Axis, number: int, name: str, places: list[float | None]) -> Iterator[str]:
    whole = 0.8 * frame.width / len(chart.x)
    wide, values = whole / len(chart.series), chart.series[name]
    for row, place in enumerate(places):
        if place is not None:
            left = frame.left + across.places[row] * frame.width - whole / 2 + number * wide
            top, tall = frame.y(max(place, up.zero)), abs(place - up.zero) * frame.height
            rectangle = f'x="{left:.1f}" y="{top}" width="{max(wide - 1, 0.5):.1f}" height="{tall:.1f}"'
            yield f'<rect {rectangle} fill="{_colour(number)}">{_told(chart, row, name, values[row])}</rect>'


def _points(chart: Chart, frame: _Frame, across: Axis, up: Axis, number: int, name: str, places: list[float | None]) -> Iterator[str]:
    found = [None if place is None else f"{frame.x(across.places[row])} {frame.y(place)}" for row, place in enumerate(places)]
    if chart.form == "line":
        yield f'<path d="{_path(found)}" fill="none" stroke="{_colour(number)}" stroke-width="2"/>'
    size = 3 if chart.form == "scatter" or len(found) <= _FEW_POINTS or _alone(found) else 0
    for row, point in enumerate(found):
        if point is not None and (size or len(found) <= _MANY):
            x, y = point.split()
            shown = f'r="{size}" fill="{_colour(number)}"' if size else 'r="6" fill="transparent"'
            yield f'<circle cx="{x}" cy="{y}" {shown}>{_told(chart, row, name, chart.series[name][row])}</circle>'


def _path(points: list[str | None]) -> str:
    """A line from point to point, broken at gaps."""
    parts, pen = [], "M"
    for point in points:
        if point is not None:
            parts.append(pen + point)
        pen = "L" if point is not None else "M"
    return "".join(parts)


def _alone(points: list[str | None]) -> bool:
    """Whether a point stands between gaps, where a line would not show it."""
    padded = [None, *points, None]
    return any(
        here is not None and before is None and after is None for before, here, after in zip(padded, padded[1:], padded[2:], strict=False)
    )


def _heatmap(chart: Chart) -> str:
    height = max(120, _TOP + _BOTTOM + _ROW * len(chart.series))
    down, across = named_axis(list(chart.series), len(chart.series)), named_axis(chart.x)
    frame = _frame(max(len(text) for _, text in down.marks), height)
    wide, tall = frame.width / len(chart.x), frame.height / len(chart.series)
    parts = [*_across(frame, across), *_labels(frame, chart)]
    for (place, text), (name, values) in zip(down.marks, chart.series.items(), strict=True):
        y = _TOP + place * frame.height
        parts.append(f'<text x="{frame.left - 8:.1f}" y="{y:.1f}" dy="4" text-anchor="end">{escape(text)}</text>')
        parts += _cells(chart, frame, name, values, (y - tall / 2, wide, tall))
    return _svg(parts, height)


def _cells(chart: Chart, frame: _Frame, name: str, values: tuple[float | None, ...], cell: tuple[float, float, float]) -> Iterator[str]:
    top, wide, tall = cell
    held = [each for row in chart.series.values() for each in row if each is not None]
    low, span = min(held, default=0.0), (max(held, default=1.0) - min(held, default=0.0)) or 1.0
    for row, value in enumerate(values):
        if value is not None:
            left, share = frame.left + row * wide, (value - low) / span
            rectangle = f'x="{left:.1f}" y="{top:.1f}" width="{wide - 1:.1f}" height="{tall - 1:.1f}"'
            yield f'<rect {rectangle} fill="{_shade(share)}">{_told(chart, row, name, value)}</rect>'
            if len(values) <= _FEW_CELLS:
                ink = "#fff" if share > 0.6 else "#1d2530"
                text = escape(f"{value:.3g}")
                yield f'<text x="{left + wide / 2:.1f}" y="{top + tall / 2:.1f}" dy="4" text-anchor="middle" fill="{ink}">{text}</text>'


def _legend(chart: Chart) -> str:
    names = [f'<span><b style="background:{_colour(number)}"></b>{escape(name)}</span>' for number, name in enumerate(chart.series)]
    return f'<div class="legend">{"".join(names)}</div>' if len(names) > 1 else ""


def _colour(number: int) -> str:
    return _COLOURS[number % len(_COLOURS)]


def _shade(share: float) -> str:
    first, last, part = (_SHADES[0], _SHADES[1], 2 * share) if share < 0.5 else (_SHADES[1], _SHADES[2], 2 * share - 1)
    red, green, blue = (round(one + part * (other - one)) for one, other in zip(first, last, strict=True))
    return f"#{red:02x}{green:02x}{blue:02x}"
