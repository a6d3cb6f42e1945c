"""The general-purpose platform: tables, regression, classification, correction of estimates."""

from typing import TYPE_CHECKING

from intonaco.core.exports import exporting

if TYPE_CHECKING:
    from intonaco.general.classification import Classification as Classification
    from intonaco.general.correction import Correction as Correction
    from intonaco.general.platform import GeneralPlatform as GeneralPlatform
    from intonaco.general.regression import Regression as Regression

_HOMES = {
    "Classification": "classification",
    "Correction": "correction",
    "GeneralPlatform": "platform",
    "Regression": "regression",
}

__all__ = [*_HOMES]

__getattr__ = exporting(__name__, _HOMES)
