"""The platform for text."""

from typing import TYPE_CHECKING

from intonaco.core.exports import exporting

if TYPE_CHECKING:
    from intonaco.nlp.classification import TextClassification as TextClassification
    from intonaco.nlp.platform import NlpPlatform as NlpPlatform

_HOMES = {
    "NlpPlatform": "platform",
    "TextClassification": "classification",
}

__all__ = [*_HOMES]

__getattr__ = exporting(__name__, _HOMES)
