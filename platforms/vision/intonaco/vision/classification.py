"""Image classification: which of several names a picture has."""

import io
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from intonaco.core import Columns
from intonaco.infra import Cell, Examples, Images, Task, mean_cells
from intonaco.infra.lineage.reports.blocks import Block
from intonaco.infra.lineage.search.space import Dimension, Float

__all__ = ["ImageClassification"]

_MISTAKES = 40


@frozen(kw_only=True)
class ImageClassification(Task):
    """Tell which of several names a picture has, with a support vector machine on its pixels.

    Parameters
    ----------
    target
        The label to be told.
    image
        The column that holds the pictures, all of one shape.
    """

    requires: ClassVar[tuple[str, ...]] = ("scikit-learn",)
    tolerance: ClassVar[float] = 1e-9
    target: str = field(kw_only=False)
    image: str = "image"

    def fit(self, examples: Examples, params: Mapping[str, Any]) -> Any:
        from sklearn.svm import SVC

        pictures = np.asarray(examples.columns[self.image]).reshape(len(examples), -1)
        names = np.asarray(examples.columns[self.target]).astype(str)
        return SVC(C=params.get("C", 5.0), gamma="scale").fit(pictures, names)

    def evaluate(self, predictions: Columns, examples: Examples) -> Sequence[Cell]:
        right = (np.asarray(predictions[self.target]) == np.asarray(examples.columns[self.target])).astype(np.float64)
        return [*mean_cells("error_rate", 1.0 - right), *mean_cells("accuracy", right, {self.target: examples.columns[self.target]})]

    def space(self) -> Mapping[str, Dimension]:
        return {"C": Float(0.5, 50.0, log=True)}

    def show(self, predictions: Columns, examples: Examples) -> Sequence[Block]:
        told, true = (np.asarray(each[self.target]).astype(str) for each in (predictions, examples.columns))
        wrong = np.flatnonzero(told != true)[:_MISTAKES]
        pictures = np.asarray(examples.columns[self.image])
        captions = [f"{true[row]} taken for {told[row]}" for row in wrong]
        return [Images("Mistakes", [_png(pictures[row]) for row in wrong], captions=captions)]


def _png(pixels: NDArray[Any]) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(out, format="png")
    return out.getvalue()
