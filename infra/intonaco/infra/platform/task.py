"""Tasks: what is learned from examples, and how well it was learned."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from intonaco.core.columns import Columns
from intonaco.core.schema import Schema
from intonaco.infra.features.offline.examples import Examples
from intonaco.infra.lineage.cells import Cell
from intonaco.infra.lineage.reports.blocks import Block
from intonaco.infra.lineage.search.space import Dimension

__all__ = ["Task"]

_HELD_OUT = 0.2


class Task(ABC):
    """What is to be learned from examples.

    A task is an `@attrs.frozen` value; its fields are the options of `intonaco train`, its docstring's first line the help.
    It must fit and evaluate; the rest has defaults. Fitting twice on the same examples and parameters gives the same model.
    """

    __slots__ = ()

    #: Distributions whose versions change what `fit` gives.
    requires: ClassVar[tuple[str, ...]] = ()
    #: How far two scorings of one row may differ, relative to the larger; 0 for trees, 1e-9 where matrices are multiplied.
    tolerance: ClassVar[float] = 0.0

    @abstractmethod
    def fit(self, examples: Examples, params: Mapping[str, Any]) -> Any:
        """A model of a type for which some plugin has a flavor.

        Parameters
        ----------
        params
            Chosen in `space`; empty if nothing was searched.
        """

    @abstractmethod
    def evaluate(self, predictions: Columns, examples: Examples) -> Sequence[Cell]:
        """How good predictions are, for all rows and by segment; the first cell is what the search makes small."""

    def outputs(self, examples: Examples) -> Schema:
        """The columns of an answer; those of the labels by default."""
        return examples.schema.select(examples.labels)

    def split(self, examples: Examples) -> tuple[Examples, Examples]:
        """Examples to learn from, and held-out ones that came later; without times, a fixed fifth."""
        order = (
            np.argsort(examples.at_us, kind="stable") if examples.at_us is not None else np.random.default_rng(0).permutation(len(examples))
        )
        cut = round(len(order) * (1 - _HELD_OUT))
        return examples.take(np.sort(order[:cut])), examples.take(np.sort(order[cut:]))

    def space(self) -> Mapping[str, Dimension]:
        """Names of parameters to what they may be."""
        return {}

    def show(self, predictions: Columns, examples: Examples) -> Sequence[Block]:
        """What people should see of held-out predictions, beyond the cells."""
        return ()

    def explain(self, model: Any, examples: Examples) -> Sequence[Block]:
        """What people should see of the model itself."""
        return ()
