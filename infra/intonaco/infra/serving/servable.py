"""What scores: a signature, and columns in, columns out."""

from abc import ABC, abstractmethod
from typing import Any

from attrs import frozen

from intonaco.core.columns import Column, Columns
from intonaco.core.schema import Schema

__all__ = ["Servable", "Signature"]


@frozen(kw_only=True)
class Signature:
    """What a model takes and gives.

    Parameters
    ----------
    inputs
        The model's columns, in order; a field says whether it may be missing and, for a category, all its values.
    outputs
        The columns of an answer.
    rows_independent
        Whether a row's answer is the same whatever rows stand beside it; else requests are not scored together.
    tolerance
        How far two scorings of one row may differ, relative to the larger; 0 for trees.
    """

    inputs: Schema
    outputs: Schema
    rows_independent: bool = True
    tolerance: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain values that `from_json` reads."""
        return {"inputs": self.inputs.to_json(), "outputs": self.outputs.to_json(), "rows_independent": self.rows_independent, "tolerance": self.tolerance}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Signature":
        """Read what `to_json` wrote."""
        return cls(
            inputs=Schema.from_json(stored["inputs"]),
            outputs=Schema.from_json(stored["outputs"]),
            rows_independent=stored["rows_independent"],
            tolerance=stored["tolerance"],
        )


class Servable(ABC):
    """A loaded package. It keeps nothing between calls and may be called from one thread at a time."""

    __slots__ = ()

    @property
    @abstractmethod
    def signature(self) -> Signature:
        """What `predict` takes and gives."""

    @abstractmethod
    def predict(self, columns: Columns) -> dict[str, Column]:
        """Score columns that were checked against the signature; as many rows as came in."""
