"""The platform for images."""

from intonaco.infra import Platform
from intonaco.vision.classification import ImageClassification

__all__ = ["VisionPlatform"]


class VisionPlatform(Platform):
    """Learns from images: which name a picture has."""

    name = "vision"
    tasks = (ImageClassification,)
