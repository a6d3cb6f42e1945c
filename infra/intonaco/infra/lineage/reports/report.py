"""Reports: blocks that show alike in a notebook, in a terminal and as one HTML file."""

import sys
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any, Self

from attrs import field, frozen

from intonaco.infra.lineage.reports.blocks import Block, Chart, Images, Metric, Table, Text, block_from_json, block_to_json

__all__ = ["Block", "Chart", "Images", "Metric", "Report", "Table", "Text"]


def _blocks(given: Iterable[Block]) -> tuple[Block, ...]:
    return tuple(given)


@frozen
class Report:
    """A title and blocks.

    Examples
    --------
    >>> report = Report("How it went", [Metric("error", 9.9, unit="min")])
    >>> Report.from_json(report.to_json()) == report
    True
    """

    title: str
    blocks: tuple[Block, ...] = field(converter=_blocks)

    def html(self) -> str:
        """One page that needs nothing else: styles, pictures and charts are inside."""
        from intonaco.infra.lineage.reports.page import render

        return render(self.title, self.blocks)

    def save(self, path: Path | str) -> Path:
        """Write the page to a file and return its path."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(self.html(), encoding="utf-8")
        return target

    def show(self) -> None:
        """Print the report to the terminal."""
        sys.stdout.write(self.text())

    def text(self, width: int = 100) -> str:
        """The report for a terminal of this width."""
        from intonaco.infra.lineage.reports.terminal import render

        return render(self.title, self.blocks, width)

    def _repr_html_(self) -> str:
        """The page in a frame of its own, so that a notebook's styles stay apart from it."""
        return f'<iframe srcdoc="{escape(self.html())}" sandbox="" style="width:100%;height:640px;border:0"></iframe>'

    def to_json(self) -> dict[str, Any]:
        """Plain values that `from_json` reads."""
        return {"title": self.title, "blocks": [block_to_json(block) for block in self.blocks]}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(stored["title"], [block_from_json(each) for each in stored["blocks"]])
