"""The platform for images."""

from typing import TYPE_CHECKING

from intonaco.core.exports import exporting

if TYPE_CHECKING:
    from intonaco.vision.classification import ImageClassification as ImageClassification
    from intonaco.vision.platform import VisionPlatform as VisionPlatform

_HOMES = {
    "ImageClassification": "classification",
    "VisionPlatform": "platform",
}

__all__ = [*_HOMES]

__getattr__ = exporting(__name__, _HOMES)
