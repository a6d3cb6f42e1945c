"""The platform for text."""

from intonaco.infra import Platform
from intonaco.nlp.classification import TextClassification

__all__ = ["NlpPlatform"]


class NlpPlatform(Platform):
    """Learns from text: which name a text has."""

    name = "nlp"
    tasks = (TextClassification,)
