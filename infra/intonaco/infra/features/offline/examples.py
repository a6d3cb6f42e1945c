"""Examples: what a task is trained and evaluated on, with the moment of each row and the plan that reads it online."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import evolve, field, frozen
from numpy.typing import NDArray

from intonaco.core.columns import Column, Columns, rows_of, take
from intonaco.core.errors import SchemaError
from intonaco.core.schema import Schema
from intonaco.infra.features.defined.given import words
from intonaco.infra.features.online.plan import ReadPlan

__all__ = ["Examples"]


def _moments(at: Any) -> NDArray[np.int64] | None:
    return None if at is None else np.asarray(at, dtype=np.int64)


@frozen(kw_only=True, eq=False)
class Examples:
    """Rows of features and labels.

    Parameters
    ----------
    columns
        Features in the order of the schema, then labels.
    schema
        Of the features, and of the labels behind them.
    labels
        Names of the columns that are labels.
    at_us
        The moment of each row, int64 microseconds since 1970; None where rows have no time.
    plan
        How the same features are read online; None if they are given with the request.
    source
        Reference of the data, `table:project/name@version` or a digest.
    segments
        Columns that are no features but by which an evaluation may be cut.
    statuses
        Status codes (`Status`) of features that come from the feature store.
    """

    columns: Columns
    schema: Schema
    labels: tuple[str, ...] = field(default=(), converter=words)
    at_us: NDArray[np.int64] | None = field(default=None, converter=_moments)
    plan: ReadPlan | None = None
    source: str = ""
    segments: Columns = field(factory=dict)
    statuses: Mapping[str, NDArray[np.uint8]] = field(factory=dict, repr=False)

    def __attrs_post_init__(self) -> None:
        rows = rows_of({**self.columns, **self.segments}, "the examples")
        for name in self.labels:
            if name not in self.columns:
                raise SchemaError(f"the examples have no column {name!r}, which is to be a label", field=name)
        if self.at_us is not None and len(self.at_us) != rows:
            raise SchemaError(f"the examples have {rows} rows but {len(self.at_us)} times", field="at_us")

    def __len__(self) -> int:
        return rows_of(self.columns)

    @property
    def features(self) -> dict[str, Column]:
        """The columns that a model may see, in the order of the schema."""
        return {name: column for name, column in self.columns.items() if name not in self.labels}

    @property
    def inputs(self) -> Schema:
        """The schema of the features alone."""
        return Schema(tuple(each for each in self.schema if each.name not in self.labels))

    @property
    def moments(self) -> NDArray[np.int64]:
        """The moment of each row; SchemaError if rows have no time."""
        if self.at_us is None:
            raise SchemaError("these examples have no time", hint="make them with a column of moments", field="at_us")
        return self.at_us

    @property
    def read_plan(self) -> ReadPlan:
        """How the features are read online; SchemaError if they come with the request."""
        if self.plan is None:
            raise SchemaError("these examples read no feature set", hint="make them with FeatureStore.training_set", field="plan")
        return self.plan

    def take(self, rows: NDArray[Any] | slice) -> "Examples":
        """These rows, in this order; a mask of bools or indices or a slice."""
        chosen = np.flatnonzero(rows) if isinstance(rows, np.ndarray) and rows.dtype == np.bool_ else rows
        return evolve(
            self,
            columns=take(self.columns, chosen),
            at_us=None if self.at_us is None else self.at_us[chosen],
            segments=take(self.segments, chosen),
            statuses={name: codes[chosen] for name, codes in self.statuses.items()},
        )
