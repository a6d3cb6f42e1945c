"""Cells: what every evaluation returns, and what comparison pages, gates, monitors and guards all read."""

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, Self

from attrs import field, frozen

from intonaco.core.errors import InvalidError, MissingError
from intonaco.core.schema import suggestion

__all__ = ["Cell", "Cells"]


def _finite(cell: "Cell", attribute: Any, value: Any) -> None:
    if value is not None and not isfinite(value):
        place = f"metric {cell.metric!r} in segment {cell.segment!r}"
        hint = "leave out a cell that cannot be measured"
        raise InvalidError(f"the {attribute.name} of {place} is {value}", hint=hint, field=cell.metric)


def _whole(value: float | None) -> float | None:
    return None if value is None else float(value)


@frozen
class Cell:
    """One metric, measured on one segment.

    Parameters
    ----------
    segment
        `""` for all rows, else `column=value`, several joined by `,`.
    low, high
        Ends of the interval in which the metric's true value lies with 95 % confidence; None where that was not worked out.
    n
        The number of rows measured.

    Examples
    --------
    >>> Cell("origin=JFK", "mae", 9.5, n=100).value
    9.5
    """

    segment: str
    metric: str
    value: float = field(converter=float, validator=_finite)
    low: float | None = field(default=None, converter=_whole, validator=_finite)
    high: float | None = field(default=None, converter=_whole, validator=_finite)
    n: int = field(default=0, converter=int)


class Cells(tuple[Cell, ...]):
    """Cells in the order in which they were measured; a segment has a metric once.

    Examples
    --------
    >>> cells = Cells([Cell("", "mae", 10.0, n=3), Cell("origin=JFK", "mae", 9.0, n=1)])
    >>> cells.pick("mae").value
    10.0
    >>> cells.by_segment("mae").keys()
    dict_keys(['', 'origin=JFK'])
    """

    __slots__ = ()

    def __new__(cls, cells: Iterable[Cell] = ()) -> Self:
        made = super().__new__(cls, cells)
        places = [(cell.segment, cell.metric) for cell in made]
        if len(set(places)) < len(places):
            segment, metric = next(place for place in places if places.count(place) > 1)
            raise InvalidError(f"metric {metric!r} was measured twice in segment {segment!r}", field=metric)
        return made

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the metrics, in order of appearance."""
        return tuple(dict.fromkeys(cell.metric for cell in self))

    def pick(self, metric: str, segment: str = "") -> Cell:
        """The cell of a metric in a segment; MissingError if it was not measured."""
        found = self.by_segment(metric)
        if segment not in found:
            raise MissingError(f"metric {metric!r} was not measured in segment {segment!r}", hint=suggestion(segment, found), field=segment)
        return found[segment]

    def by_segment(self, metric: str) -> dict[str, Cell]:
        """The cells of a metric by segment, in order; MissingError if it was measured nowhere."""
        found = {cell.segment: cell for cell in self if cell.metric == metric}
        if not found:
            raise MissingError(f"metric {metric!r} was not measured", hint=suggestion(metric, self.metrics), field=metric)
        return found

    def to_json(self) -> list[dict[str, Any]]:
        """Plain values that `from_json` reads."""
        return [
            {"segment": cell.segment, "metric": cell.metric, "value": cell.value, "low": cell.low, "high": cell.high, "n": cell.n}
            for cell in self
        ]

    @classmethod
    def from_json(cls, rows: Iterable[Mapping[str, Any]]) -> Self:
        """Read what `to_json` wrote."""
        return cls(Cell(**row) for row in rows)
