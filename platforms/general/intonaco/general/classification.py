"""Classification: a name from a row."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from attrs import field, frozen

from intonaco.core.columns import Columns
from intonaco.core.errors import SchemaError
from intonaco.core.schema import Field, Schema
from intonaco.general.boosting import fit_trees, importance
from intonaco.infra import Task
from intonaco.infra.features.offline.examples import Examples
from intonaco.infra.lineage.cells import Cell
from intonaco.infra.lineage.measures import mean_cells
from intonaco.infra.lineage.reports.blocks import Block
from intonaco.infra.lineage.search.space import Dimension, Float, Int

__all__ = ["Classification"]


@frozen(kw_only=True)
class Classification(Task):
    """Tell which of several names a row has, with boosted trees.

    Parameters
    ----------
    target
        The label to be told, a `str`; its field may list the categories.
    rounds
        How many trees for each class.
    """

    requires: ClassVar[tuple[str, ...]] = ("lightgbm",)
    target: str = field(kw_only=False)
    rounds: int = 200

    def fit(self, examples: Examples, params: Mapping[str, Any]) -> Any:
        classes = self.classes(examples)
        codes = np.searchsorted(np.array(classes), np.asarray(examples.columns[self.target]).astype(str))
        chosen = {"objective": "multiclass", "num_class": len(classes), "learning_rate": 0.1}
        return fit_trees(examples, codes, {**chosen, **params}, self.rounds)

    def evaluate(self, predictions: Columns, examples: Examples) -> Sequence[Cell]:
        wrong = np.asarray(predictions[self.target]) != np.asarray(examples.columns[self.target])
        return [*mean_cells("error_rate", wrong.astype(np.float64), examples.segments), *mean_cells("accuracy", 1.0 - wrong)]

    def outputs(self, examples: Examples) -> Schema:
        return Schema((Field(self.target, "str", categories=self.classes(examples)),))

    def space(self) -> Mapping[str, Dimension]:
        return {"num_leaves": Int(7, 127, log=True), "learning_rate": Float(0.03, 0.3, log=True)}

    def explain(self, model: Any, examples: Examples) -> Sequence[Block]:
        return [importance(model)]

    def classes(self, examples: Examples) -> tuple[str, ...]:
        """The names to tell apart, sorted."""
        found = tuple(sorted(examples.schema[self.target].categories or set(np.asarray(examples.columns[self.target]).tolist())))
        if len(found) < 2:
            raise SchemaError(f"the label {self.target!r} has {len(found)} value(s), a classification needs two", field=self.target)
        return found
