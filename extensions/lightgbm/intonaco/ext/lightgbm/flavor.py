"""LightGBM models as the text that LightGBM writes."""

from collections.abc import Mapping
from typing import Any

import lightgbm
import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from intonaco.core.columns import Column, Columns
from intonaco.core.errors import CorruptError, DefinitionError
from intonaco.ext.lightgbm.modeltext import check_model_text
from intonaco.infra.serving.packages.flavor import Flavor
from intonaco.infra.serving.packages.matrix import MatrixForm
from intonaco.infra.serving.packages.outputs import check_classes, named_scores
from intonaco.infra.serving.packages.servable import Servable, Signature

__all__ = ["LightGBMFlavor", "LightGBMServable"]

_FILE = "model.txt"

#: Up to so many rows are scored by one thread: starting more costs more than they save.
_ROWS_OF_ONE_THREAD = 512


class LightGBMFlavor(Flavor):
    """Boosters, and the estimators of LightGBM's scikit-learn interface.

    Columns go in as `MatrixForm` puts them: categories as the codes of their field, missing as NaN.
    """

    __slots__ = ()

    name = "lightgbm"
    requires = ("lightgbm",)
    magic = {_FILE: b"tree\n"}

    def save(self, model: Any, signature: Signature) -> dict[str, bytes]:
        booster = model.booster_ if isinstance(model, lightgbm.LGBMModel) else model
        if not isinstance(booster, lightgbm.Booster):
            raise DefinitionError(f"the lightgbm flavor saves a Booster or an LGBMModel, not a {type(model).__name__}")
        _check_fit(booster, signature)
        text = booster.model_to_string()
        try:
            check_model_text(text)
        except ValueError as error:
            raise DefinitionError(f"the lightgbm flavor does not keep this model: {error}") from error
        return {_FILE: text.encode()}

    def load(self, files: Mapping[str, bytes], signature: Signature) -> Servable:
        try:
            text = files[_FILE].decode()
            check_model_text(text)
            booster = lightgbm.Booster(model_str=text)
            _check_fit(booster, signature)
        except (lightgbm.basic.LightGBMError, ValueError, OverflowError, KeyError, DefinitionError) as error:
            raise CorruptError(f"the LightGBM model of the package cannot be read: {error}") from error
        return LightGBMServable(signature, booster, MatrixForm.of(signature.inputs))


def _check_fit(booster: lightgbm.Booster, signature: Signature) -> None:
    width = MatrixForm.of(signature.inputs).width
    if booster.num_feature() != width:
        raise DefinitionError(f"the model was trained on {booster.num_feature()} features; the signature's inputs make {width}")
    check_classes(signature.outputs, booster.num_model_per_iteration(), "a LightGBM model")


@frozen
class LightGBMServable(Servable):
    """A booster; a row's score is the same to the bit, alone or among others."""

    signature: Signature
    booster: lightgbm.Booster
    form: MatrixForm

    def predict(self, columns: Columns) -> dict[str, Column]:
        matrix = self.form.matrix(columns)
        return named_scores(self._scores(matrix), self.signature.outputs)

    def _scores(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        if len(matrix) == 0:
            classes = self.booster.num_model_per_iteration()
            return np.empty((0, classes) if classes > 1 else 0)
        threads: Any = {"num_threads": 1 if len(matrix) <= _ROWS_OF_ONE_THREAD else 0}
        return np.asarray(self.booster.predict(matrix, **threads), dtype=np.float64)
