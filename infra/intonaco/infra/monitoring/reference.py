"""The reference: what the columns of the training examples looked like, small enough to go with a version."""

from collections.abc import Iterable, Mapping
from typing import Any, Self

from attrs import asdict, field, frozen

from intonaco.core.columns import Columns
from intonaco.core.errors import MissingError
from intonaco.core.schema import suggestion
from intonaco.infra.compute.distributions import Distribution, distribution, kind_of

__all__ = ["Reference"]


def _columns(given: Iterable[Distribution]) -> tuple[Distribution, ...]:
    return tuple(given)


@frozen(eq=False)
class Reference:
    """What the columns of the training examples looked like.

    Build it with `of`; it is an artifact, and plain JSON. Columns of numbers, bools and text of one value a row take part; bools count
    as text. Times, tensors, bytes and rows of different lengths do not.
    """

    columns: tuple[Distribution, ...] = field(converter=_columns)

    @classmethod
    def of(cls, columns: Columns, names: Iterable[str] = ()) -> Self:
        """Summarize rows; of these columns, or of all that can take part."""
        chosen = list(names) or [name for name, column in columns.items() if kind_of(column)]
        return cls(tuple(distribution(name, columns[name]) for name in chosen))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(each.name for each in self.columns)

    def __getitem__(self, name: str) -> Distribution:
        for each in self.columns:
            if each.name == name:
                return each
        raise MissingError(f"the reference has no column {name!r}", hint=suggestion(name, self.names), field=name)

    def to_json(self) -> dict[str, Any]:
        """Plain values that `from_json` reads."""
        return {"columns": [{**asdict(each), "tally": each.tally.tolist()} for each in self.columns]}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(tuple(Distribution(**each) for each in stored["columns"]))
