"""Blocks: what a report is made of."""

import base64
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

from attrs import asdict, field, frozen

from intonaco.core.errors import InvalidError

__all__ = ["Block", "Chart", "Images", "Metric", "Table", "Text", "block_from_json", "block_to_json"]


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


def block_to_json(block: Block) -> dict[str, Any]:
    """Plain values that `block_from_json` reads."""
    values = {"kind": block.kind, **asdict(block)}
    if isinstance(block, Images):
        values["images"] = [base64.b64encode(image).decode() for image in block.images]
    return values


def block_from_json(stored: Mapping[str, Any]) -> Block:
    """Read what `block_to_json` wrote."""
    values = dict(stored)
    kind = values.pop("kind")
    if kind not in _KINDS:
        raise InvalidError(f"a report holds the unknown block {kind!r}", hint=f"known: {', '.join(_KINDS)}")
    if kind == "images":
        values["images"] = [base64.b64decode(image) for image in values["images"]]
    block: Block = _KINDS[kind](**values)
    return block
