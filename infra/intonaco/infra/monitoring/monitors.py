"""Monitors: what is watched, in which stretches of time, and what is too much."""

from typing import Any, Literal

from attrs import field, frozen

from intonaco.core.errors import DefinitionError
from intonaco.core.schema import suggestion
from intonaco.infra.compute.timeline import duration
from intonaco.infra.lineage.cells import Cells
from intonaco.infra.monitoring.accuracy import METRICS

__all__ = ["EVERY", "AccuracyMonitor", "DriftMonitor", "Monitor"]

#: Stands for every column, or every value of a segment: `origin=*`.
EVERY = "*"

_GREATER_IS_BETTER = ("accuracy",)


def _is_error(_: object, __: Any, metric: str) -> None:
    errors = [name for name in METRICS if name not in _GREATER_IS_BETTER]
    if metric not in errors:
        reason = "an alert is raised where an error is great"
        raise DefinitionError(f"metric {metric!r} cannot be watched: {reason}", hint=suggestion(metric, errors), field=metric)


def _is_duration(_: object, __: Any, every: str) -> None:
    if duration(every) <= 0:
        raise DefinitionError(f"a monitor cannot look every {every!r}", hint="write 1d or 1h", field="every")


def _is_segment(_: object, __: Any, segment: str) -> None:
    if segment and "=" not in segment:
        raise DefinitionError(f"{segment!r} is not a segment", hint=f"write {segment}={EVERY} for each of its values", field=segment)


@frozen(kw_only=True)
class AccuracyMonitor:
    """Watches a metric of predictions whose outcome is known.

    Parameters
    ----------
    metric
        An error: `mae`, `mse`, `bias`, `error_rate`.
    segment
        `""` for all rows, `origin=JFK` for one segment, `origin=*` for each of them.
    above
        The greatest value that is well.
    times
        In place of `above`: how many times the value that the version had on held-out rows, in the segment if it was
        measured there, else in all rows.
    every
        The length of the stretches of time, aligned to UTC.
    at_least
        Stretches with fewer known outcomes raise no alert.
    pending_up_to
        Nor do those of which a greater share of the outcomes is still to come.
    """

    metric: str = field(kw_only=False, validator=_is_error)
    segment: str = field(default="", validator=_is_segment)
    above: float | None = None
    times: float | None = None
    every: str = field(default="1d", validator=_is_duration)
    at_least: int = 100
    pending_up_to: float = 0.2

    def __attrs_post_init__(self) -> None:
        if (self.above is None) == (self.times is None):
            raise DefinitionError(f"the monitor of {self.metric!r} needs one of `above` and `times`", field=self.metric)

    @property
    def name(self) -> str:
        """How alerts call it."""
        return f"accuracy {self.metric}"

    @property
    def cut(self) -> str:
        """The column of its segment; empty if it watches all rows."""
        return self.segment.partition("=")[0]

    def watches(self, segment: str) -> bool:
        """Whether a segment of a series is one of its."""
        if self.segment.endswith(f"={EVERY}"):
            return segment.startswith(f"{self.cut}=")
        return segment == self.segment

    def threshold(self, segment: str, held_out: Cells) -> float:
        """The greatest value that is well in a segment; MissingError if it depends on a metric that was not measured."""
        if self.times is None:
            assert self.above is not None
            return self.above
        cells = held_out.by_segment(self.metric)
        return self.times * (cells[segment] if segment in cells else held_out.pick(self.metric)).value


@frozen(kw_only=True)
class DriftMonitor:
    """Watches how far features and predictions have moved from the training reference.

    Parameters
    ----------
    column
        A feature or an output; `*` for all of the reference's.
    measure
        `psi`, `distance` or `null_change`, as the module `drift` says.
    above
        The greatest value that is well.
    at_least
        Stretches with fewer values raise no alert.
    """

    column: str = field(default=EVERY, kw_only=False)
    measure: Literal["psi", "distance", "null_change"] = "psi"
    above: float = 0.25
    every: str = field(default="1d", validator=_is_duration)
    at_least: int = 200

    @property
    def name(self) -> str:
        """How alerts call it, the column behind it."""
        return f"drift {self.measure}"


Monitor = AccuracyMonitor | DriftMonitor
