"""Events of an Arrow table as the intermediate values of a measure."""

from typing import Any

import numpy as np
import pyarrow as pa
from attrs import define, field
from numpy.typing import NDArray

from intonaco.infra.compute.algebra import prepare
from intonaco.infra.compute.arrays import identities, numbers, presence
from intonaco.infra.compute.measures import Measure

__all__ = ["Preparation"]


@define(eq=False)
class Preparation:
    """Prepares measures of one table of events; each column is read once.

    Parameters
    ----------
    where
        What errors call the table: `the events`.
    """

    table: pa.Table
    where: str
    _read: dict[tuple[str, bool], tuple[NDArray[Any], NDArray[np.bool_]]] = field(factory=dict, init=False)

    def words(self, measure: Measure) -> NDArray[np.int64]:
        """As `algebra.prepare` gives them; shape (events,)."""
        if not measure.column:
            return np.ones(self.table.num_rows, dtype=np.int64)
        if measure.kind == "count":
            return prepare(measure, None, presence(self.table, measure.column, self.where))
        return prepare(measure, *self._column(measure.column, measure.kind == "registers"))

    def _column(self, name: str, by_identity: bool) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        key = (name, by_identity)
        if key not in self._read:
            self._read[key] = (identities if by_identity else numbers)(self.table, name, self.where)
        return self._read[key]
