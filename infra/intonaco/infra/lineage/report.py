"""Reports: blocks that show alike in a notebook, in a terminal and as one HTML file."""

import base64
import sys
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from attrs import asdict, field, frozen

from intonaco.core.errors import InvalidError

__all__ = ["Block", "Chart", "Images", "Metric", "Report", "Table", "Text"]

Number = float | None


def _numbers(values: Iterable[Any]) -> tuple[Number, ...]:
    """Python's own floats; a value that is not finite is a gap."""
    plain = (None if value is None else float(value) for value in values)
    return tuple(None if value is None or value - value != 0 else value for value in plain)


def _series(given: Mapping[str, Iterable[Any]]) -> dict[str, tuple[Number, ...]]:
    return {str(name): _numbers(values) for name, values in given.items()}


def _rows(given: Iterable[Iterable[Any]]) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(row) for row in given)


def _words(given: Iterable[str]) -> tuple[str, ...]:
    return tuple(given)


def _marks(given: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(given)


def _pictures(given: Iterable[bytes]) -> tuple[bytes, ...]:
    return tuple(given)


def _blocks(given: "Iterable[Block]") -> "tuple[Block, ...]":
    return tuple(given)


@frozen(kw_only=True)
class Metric:
    """One number to look at first.

    Parameters
    ----------
    low, high
        Ends of its 95 % interval, where one is known.
    """

    kind: ClassVar[str] = "metric"
    name: str = field(kw_only=False)
    value: float = field(kw_only=False, converter=float)
    unit: str = ""
    note: str = ""
    low: float | None = None
    high: float | None = None


@frozen(kw_only=True)
class Table:
    """Rows under names; a cell is text, a number, a bool or None."""

    kind: ClassVar[str] = "table"
    title: str = field(kw_only=False)
    columns: tuple[str, ...] = field(kw_only=False, converter=_words)
    rows: tuple[tuple[Any, ...], ...] = field(kw_only=False, converter=_rows)

    def __attrs_post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise InvalidError(f"a row of the table {self.title!r} has another length than its {len(self.columns)} columns")


@frozen(kw_only=True)
class Chart:
    """Series over a common axis.

    Parameters
    ----------
    form
        `line`, `bar`, `scatter`, or `heatmap` (series are the rows of a matrix over `x`).
    x
        Numbers, or texts such as days and names.
    series
        Names to numbers, each as long as `x`; None is a gap.
    """

    kind: ClassVar[str] = "chart"
    title: str = field(kw_only=False)
    form: Literal["line", "bar", "scatter", "heatmap"] = "line"
    x: tuple[Any, ...] = field(converter=_marks)
    series: dict[str, tuple[Number, ...]] = field(converter=_series)
    x_label: str = ""
    y_label: str = ""

    def __attrs_post_init__(self) -> None:
        if any(len(values) != len(self.x) for values in self.series.values()):
            raise InvalidError(f"a series of the chart {self.title!r} has another length than its axis, {len(self.x)}")


@frozen(kw_only=True)
class Images:
    """PNG pictures side by side, each with a caption."""

    kind: ClassVar[str] = "images"
    title: str = field(kw_only=False)
    images: tuple[bytes, ...] = field(kw_only=False, converter=_pictures, repr=False)
    captions: tuple[str, ...] = field(default=(), converter=_words)


@frozen(kw_only=True)
class Text:
    """A paragraph, or a heading over the blocks that follow."""

    kind: ClassVar[str] = "text"
    text: str = field(kw_only=False)
    heading: bool = False


Block = Metric | Table | Chart | Images | Text
_KINDS: dict[str, type[Any]] = {kind.kind: kind for kind in (Metric, Table, Chart, Images, Text)}


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
        """One page that needs nothing else: styles, data and the chart script are inside."""
        from intonaco.infra.lineage.page import render

        return render(self)

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
        from intonaco.infra.lineage.terminal import render

        return render(self, width)

    def _repr_html_(self) -> str:
        """The page in a frame of its own, so that a notebook's styles and scripts stay apart from it."""
        return f'<iframe srcdoc="{escape(self.html())}" sandbox="allow-scripts" style="width:100%;height:640px;border:0"></iframe>'

    def to_json(self) -> dict[str, Any]:
        """Plain values that `from_json` reads."""
        return {"title": self.title, "blocks": [{"kind": block.kind, **_plain(block)} for block in self.blocks]}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(stored["title"], tuple(_block(dict(each)) for each in stored["blocks"]))


def _plain(block: Block) -> dict[str, Any]:
    values = asdict(block)
    if isinstance(block, Images):
        values["images"] = [base64.b64encode(image).decode() for image in block.images]
    return values


def _block(values: dict[str, Any]) -> Block:
    kind = values.pop("kind")
    if kind not in _KINDS:
        raise InvalidError(f"a report holds the unknown block {kind!r}", hint=f"known: {', '.join(_KINDS)}")
    if kind == "images":
        values["images"] = [base64.b64decode(image) for image in values["images"]]
    block: Block = _KINDS[kind](**values)
    return block
