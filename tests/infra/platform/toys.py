"""A platform of one small task, in a module that other processes can import."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from attrs import frozen

from intonaco.core.columns import Columns
from intonaco.core.schema import Field, Schema
from intonaco.infra.features.offline.examples import Examples
from intonaco.infra.lineage.cells import Cell
from intonaco.infra.lineage.measures import mean_cells
from intonaco.infra.lineage.reports.blocks import Block, Text
from intonaco.infra.lineage.runs.steps import step
from intonaco.infra.lineage.search.space import Dimension, Float
from intonaco.infra.platform.platform import Platform
from intonaco.infra.platform.task import Task


@frozen
class Line(Task):
    """Tell a number by a straight line.

    Parameters
    ----------
    seed
        Named like an option that every task has.
    """

    requires: ClassVar[tuple[str, ...]] = ("scikit-learn",)
    tolerance: ClassVar[float] = 1e-9
    error: Literal["absolute", "squared"] = "absolute"
    intercept: bool = True
    seed: int = 0

    def fit(self, examples: Examples, params: Mapping[str, Any]) -> Any:
        from sklearn.linear_model import Ridge

        model = Ridge(alpha=params.get("alpha", 0.0), fit_intercept=self.intercept)
        return model.fit(np.column_stack([np.asarray(column) for column in examples.features.values()]), _label(examples.columns, examples))

    def evaluate(self, predictions: Columns, examples: Examples) -> Sequence[Cell]:
        off = np.abs(_label(predictions, examples) - _label(examples.columns, examples))
        return mean_cells(f"{self.error}_error", off if self.error == "absolute" else off**2, examples.segments, at_least=2)

    def space(self) -> Mapping[str, Dimension]:
        return {"alpha": Float(0.001, 1.0, log=True)}

    def explain(self, model: Any, examples: Examples) -> Sequence[Block]:
        return [Text(f"slope {model.coef_.ravel()[0]:.2f}")]


@frozen
class Silent(Line):
    """Never tell how good it is."""

    def evaluate(self, predictions: Columns, examples: Examples) -> Sequence[Cell]:
        return []


class ToyPlatform(Platform):
    """Straight lines."""

    name = "toys"
    tasks = (Line, Silent)


@step
def points(rows: int = 60) -> Examples:
    """Points of y = 2 x + 1, in an order of their own, with their moments."""
    place = np.random.default_rng(0).permutation(rows)
    x = place.astype(np.float64)
    sides = np.array(["left", "right"], dtype=object)[place % 2]
    return Examples(
        columns={"x": x, "y": 2 * x + 1},
        schema=Schema((Field("x", "float64"), Field("y", "float64"))),
        labels=("y",),
        at_us=place.astype(np.int64) * 1_000_000,
        segments={"side": sides},
        source="made up",
    )


def plain() -> int:
    """No step."""
    return 1


def _label(columns: Columns, examples: Examples) -> Any:
    return np.asarray(columns[examples.labels[0]], dtype=np.float64)
