"""Correction: the error that an existing estimator is about to make."""

from collections.abc import Sequence

import numpy as np
from attrs import frozen

from intonaco.core.columns import Columns
from intonaco.general.boosting import numbers
from intonaco.general.regression import Regression
from intonaco.infra.features.offline.examples import Examples
from intonaco.infra.lineage.cells import Cell
from intonaco.infra.lineage.measures import mean_cells

__all__ = ["Correction"]


@frozen(kw_only=True)
class Correction(Regression):
    """Tell the error of an existing estimate, so that it can be corrected.

    The label is truth minus estimate; an estimate plus what is told is the corrected one. Evaluation holds the corrected
    error (`mae`) beside the estimator's own (`base_mae`).
    """

    def evaluate(self, predictions: Columns, examples: Examples) -> Sequence[Cell]:
        base = np.abs(numbers(examples, self.target))
        return [*super().evaluate(predictions, examples), *mean_cells("base_mae", base, examples.segments)]
