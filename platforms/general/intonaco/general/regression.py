"""Regression: a number from a row."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from intonaco.core.columns import Columns
from intonaco.core.schema import Field, Schema
from intonaco.general.boosting import fit_trees, importance, numbers
from intonaco.infra import Task
from intonaco.infra.features.offline.examples import Examples
from intonaco.infra.lineage.cells import Cell
from intonaco.infra.lineage.measures import mean_cells
from intonaco.infra.lineage.reports.blocks import Block, Chart
from intonaco.infra.lineage.search.space import Dimension, Float, Int

__all__ = ["Regression"]


@frozen(kw_only=True)
class Regression(Task):
    """Tell a number from a row, with boosted trees.

    Parameters
    ----------
    target
        The label to be told.
    loss
        What a mistake costs: its size (`l1`) or its square (`l2`).
    rounds
        How many trees.
    """

    requires: ClassVar[tuple[str, ...]] = ("lightgbm",)
    target: str = field(kw_only=False)
    loss: Literal["l1", "l2"] = "l1"
    rounds: int = 400

    def fit(self, examples: Examples, params: Mapping[str, Any]) -> Any:
        objective = {"l1": "regression_l1", "l2": "regression"}[self.loss]
        return fit_trees(examples, numbers(examples, self.target), {"objective": objective, **params}, self.rounds)

    def evaluate(self, predictions: Columns, examples: Examples) -> Sequence[Cell]:
        error = self.errors(predictions, examples)
        return [*mean_cells("mae", np.abs(error), examples.segments), *mean_cells("bias", error), *mean_cells("mse", error**2)]

    def outputs(self, examples: Examples) -> Schema:
        return Schema((Field(self.target, "float64", unit=examples.schema[self.target].unit),))

    def space(self) -> Mapping[str, Dimension]:
        return {
            "num_leaves": Int(31, 127, log=True),
            "learning_rate": Float(0.06, 0.12, log=True),
            "min_data_in_leaf": Int(50, 500, log=True),
            "feature_fraction": Float(0.3, 0.8),
        }

    def errors(self, predictions: Columns, examples: Examples) -> NDArray[np.float64]:
        """Prediction minus truth; shape (rows,)."""
        difference: NDArray[np.float64] = np.asarray(predictions[self.target]) - numbers(examples, self.target)
        return difference

    def show(self, predictions: Columns, examples: Examples) -> Sequence[Block]:
        return [_spread(self.errors(predictions, examples), self.target)]

    def explain(self, model: Any, examples: Examples) -> Sequence[Block]:
        return [importance(model)]


def _spread(error: NDArray[np.float64], target: str) -> Chart:
    low, high = np.quantile(error, [0.005, 0.995])
    counts, edges = np.histogram(error, bins=60, range=(float(low), float(high)))
    middles = [round(float(x), 3) for x in (edges[:-1] + edges[1:]) / 2]
    return Chart(
        "Errors on held-out rows", form="bar", x=middles, series={"rows": counts}, x_label=f"predicted minus true {target}", y_label="rows"
    )
