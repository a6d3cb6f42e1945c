"""The general-purpose platform: tables in, numbers and names out."""

from intonaco.general.classification import Classification
from intonaco.general.correction import Correction
from intonaco.general.regression import Regression
from intonaco.infra import Platform

__all__ = ["GeneralPlatform"]


class GeneralPlatform(Platform):
    """Learns from tables and features: numbers, names, and the errors of existing estimates."""

    name = "general"
    tasks = (Regression, Correction, Classification)
