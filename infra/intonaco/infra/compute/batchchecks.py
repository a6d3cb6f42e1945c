"""Checks of the rows of a write together: how new they are, and whether they look like others did."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa
from attrs import asdict, evolve, field, frozen

from intonaco.core.columns import Column, Columns
from intonaco.core.errors import InvalidError
from intonaco.infra.compute.arrays import times
from intonaco.infra.compute.distributions import Distribution, distribution
from intonaco.infra.compute.timeline import duration, duration_text
from intonaco.infra.storage.arrow import from_arrow
from intonaco.infra.storage.checks import KINDS, Check, column_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ALL_KINDS", "Fresh", "Resembles"]


@frozen
class Fresh(Check):
    """The newest time of a write is at most this long ago; if not, or if a time lies after now by more than that, every row is bad.

    Parameters
    ----------
    column
        Of times.
    within
        `"3h"`.
    at_us
        The moment as of which to look, int64 microseconds since 1970; filled in where the check is tried.
    """

    column: str
    within: int = field(converter=duration, repr=duration_text)
    at_us: int | None = field(default=None, kw_only=True, eq=False, repr=False)

    @property
    def alone(self) -> bool:
        return False

    def as_of(self, at_us: int) -> Self:
        return evolve(self, at_us=at_us)

    def violations(self, data: pa.Table) -> "NDArray[np.bool_]":
        age_s = self.measured(data, np.zeros(0, np.bool_))
        return np.full(data.num_rows, not abs(age_s) * 1e6 <= self.within)

    def measured(self, data: pa.Table, bad: "NDArray[np.bool_]") -> float:
        """The age of the newest row in seconds; infinite where no row has a time."""
        if self.at_us is None:
            raise InvalidError(f"{self} is tried at no moment", hint="as_of gives it one", field=self.column)
        column_of(data, self.column)
        moments, held = times(data, self.column, "the rows")
        return (self.at_us - int(moments[held].max())) / 1e6 if held.any() else float("inf")

    def plain(self) -> dict[str, Any]:
        return {"column": self.column, "within": self.within}


def _reference(given: Distribution | Mapping[str, Any] | Column) -> Distribution:
    if isinstance(given, Distribution):
        return given
    return Distribution(**given) if isinstance(given, Mapping) else distribution("", given)


@frozen(eq=False)
class Resembles(Check):
    """The values of a write are distributed as a reference is; if not, every row is bad.

    Parameters
    ----------
    reference
        A distribution, or the values that it is to be of.
    psi
        The greatest population stability index that is well; 0.25 is a great drift by the rule of thumb.
    at_least
        Of fewer values nothing is said.

    References
    ----------
    As in `compute.distributions`.
    """

    column: str
    reference: Distribution = field(converter=_reference, repr=False)
    psi: float = 0.25
    at_least: int = 200

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "reference", evolve(self.reference, name=self.column))

    def __eq__(self, other: object) -> bool:
        return type(other) is Resembles and self.plain() == other.plain()

    def __hash__(self) -> int:
        return hash((self.column, self.psi, self.at_least, self.reference.tally.tobytes()))

    @property
    def alone(self) -> bool:
        return False

    def violations(self, data: pa.Table) -> "NDArray[np.bool_]":
        return np.full(data.num_rows, self.measured(data, np.zeros(0, np.bool_)) > self.psi)

    def measured(self, data: pa.Table, bad: "NDArray[np.bool_]") -> float:
        """The population stability index of the rows against the reference; 0 where there are too few."""
        column_of(data, self.column)
        columns: Columns = from_arrow(data.select([self.column]))
        bins = len(self.reference.tally)
        counts = np.bincount(self.reference.codes(columns[self.column]), minlength=bins + 1)[:bins]
        return float(self.reference.psis(counts[None])[0]) if counts.sum() >= max(self.at_least, 1) else 0.0

    def plain(self) -> dict[str, Any]:
        reference = {**asdict(self.reference), "tally": self.reference.tally.tolist()}
        return {"column": self.column, "reference": reference, "psi": self.psi, "at_least": self.at_least}


#: All checks of ours, by the names under which they are recorded.
ALL_KINDS: Mapping[str, type[Check]] = {**KINDS, "Fresh": Fresh, "Resembles": Resembles}
