"""Figures for the documentation: reads the JSON lines of `make bench`, prints a table, and draws the ratios beside what is to be reached.

make bench > figures.jsonl && .venv/bin/python -m benchmarks.chart figures.jsonl docs/reference/benchmarks.svg
"""

import json
import sys
from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from attrs import frozen

__all__ = ["draw", "read", "table"]

_WIDTH, _LEFT, _ROW, _TOP = 760, 240, 26, 34
_MOST = 5.0


@frozen(kw_only=True)
class Figure:
    """One benchmark: ours, its floor, and what was to be reached."""

    bench: str
    floor: str
    system: str
    n: int
    floor_us: float
    ours_us: float
    ratio: float
    peak_mb: float
    reach: float | None
    reach_cpu_s: float | None

    @property
    def wanted(self) -> str:
        """What is to be reached, in words."""
        return f"≤ {self.reach:g} ×" if self.reach else f"≤ {self.reach_cpu_s:g} s" if self.reach_cpu_s else ""


def read(lines: Iterable[str]) -> list[Figure]:
    """The figures behind pairs of lines, each a floor and a system; what has no floor is left out."""
    found = [json.loads(line) for line in lines if line.startswith("{")]
    pairs = [list(of_one) for _, of_one in groupby(found, key=itemgetter("bench"))]
    return [_figure(*pair) for pair in pairs if len(pair) == 2]


def _figure(floor: dict[str, Any], ours: dict[str, Any]) -> Figure:
    return Figure(
        bench=ours["bench"],
        floor=floor["system"],
        system=ours["system"],
        n=ours["n"],
        floor_us=floor["cpu_s"] / floor["n"] * 1e6,
        ours_us=ours["cpu_s"] / ours["n"] * 1e6,
        ratio=ours["ratio"],
        peak_mb=ours["peak_mb"],
        reach=ours.get("reach"),
        reach_cpu_s=ours.get("reach_cpu_s"),
    )


def table(figures: Sequence[Figure]) -> str:
    """A table in Markdown; CPU is in microseconds for one of what the benchmark counts."""
    rows = [
        "| benchmark | floor | CPU, µs | ours | CPU, µs | ratio | to reach | peak, MB |",
        "| --- | --- | ---: | --- | ---: | ---: | --- | ---: |",
    ]
    rows += [
        f"| {each.bench} | {each.floor} | {_shown(each.floor_us)} | {each.system} | {_shown(each.ours_us)} "
        f"| {each.ratio:.2f} | {each.wanted} | {each.peak_mb:.0f} |"
        for each in figures
    ]
    return "\n".join(rows)


def _shown(us: float) -> str:
    return f"{us:,.0f}" if us >= 100 else f"{us:.3g}"


def draw(figures: Sequence[Figure]) -> str:
    """A bar for each benchmark as long as its ratio, and a mark at the ratio to reach, as SVG."""
    height = _TOP + _ROW * len(figures) + 10
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="12">']
    parts.append(f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/><text x="{_LEFT}" y="20">CPU, as a multiple of the floor</text>')
    parts.append(f'<path d="M{_x(1)} {_TOP - 6}V{height - 10}" stroke="#999"/>')
    for number, each in enumerate(figures):
        parts += _bar(each, _TOP + number * _ROW)
    return "\n".join([*parts, "</svg>", ""])


def _bar(figure: Figure, top: int) -> list[str]:
    kept = figure.reach is None or figure.ratio <= figure.reach
    end = _x(figure.ratio)
    told = f"{figure.ratio:.2f}{'' if figure.ratio <= _MOST else ' →'}"
    parts = [
        f'<text x="{_LEFT - 8}" y="{top + 14}" text-anchor="end">{escape(figure.bench)}</text>',
        f'<rect x="{_LEFT}" y="{top + 3}" width="{end - _LEFT:.1f}" height="15" fill="{"#8a6d5b" if kept else "#c2572e"}"/>',
        f'<text x="{end + 8:.1f}" y="{top + 15}">{told}</text>',
    ]
    if figure.reach:
        parts.append(f'<path d="M{_x(figure.reach):.1f} {top}v21" stroke="#222" stroke-width="2"/>')
    return parts


def _x(ratio: float) -> float:
    return _LEFT + min(ratio, _MOST) / _MOST * (_WIDTH - _LEFT - 70)


def main() -> None:
    """Print the table and write the drawing."""
    given, drawn = sys.argv[1:]
    figures = read(Path(given).read_text().splitlines())
    figures = [each for each in figures if each.bench != "help"] + [each for each in figures if each.bench == "help"]
    print(table(figures))
    Path(drawn).write_text(draw([each for each in figures if each.bench != "help"]))


if __name__ == "__main__":
    main()
