"""Targets: what holds and scores a package."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from intonaco.infra.compute.tasks import Resources
from intonaco.infra.serving.packages.servable import Servable

if TYPE_CHECKING:
    from intonaco.infra.serving.packages.package import Package

__all__ = ["Target"]


class Target(ABC):
    """Holds loaded packages somewhere; `close` lets go of all of them."""

    __slots__ = ()

    @abstractmethod
    def load(self, package: "Package", resources: Resources) -> Servable:
        """A servable whose `predict` runs where this target runs it; UnavailableError if that dies, DeadlineError if it hangs."""

    @abstractmethod
    def close(self) -> None:
        """Let go of all that was loaded."""
