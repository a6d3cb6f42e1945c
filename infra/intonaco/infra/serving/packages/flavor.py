"""Flavors: how one family of models is saved, loaded and scored."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from intonaco.infra.serving.packages.servable import Servable, Signature

__all__ = ["Flavor"]


class Flavor(ABC):
    """Saves and loads one family of models in a native format.

    An inert flavor executes nothing that its files contain; one that cannot promise that says `inert = False`, and its
    packages are loaded in a process of their own and only where the server's settings trust code.
    """

    __slots__ = ()

    name: ClassVar[str]
    inert: ClassVar[bool] = True
    #: Distributions to whose versions a package of this flavor is locked.
    requires: ClassVar[tuple[str, ...]] = ()
    #: The files that an inert payload holds, and the bytes with which each starts; other files and other bytes are refused.
    magic: ClassVar[Mapping[str, bytes]] = {}

    @abstractmethod
    def save(self, model: Any, signature: Signature) -> dict[str, bytes]:
        """The model as files of a package's payload, equal bytes for equal models where the library allows it."""

    @abstractmethod
    def load(self, files: Mapping[str, bytes], signature: Signature) -> Servable:
        """A servable of these files; CorruptError if they are not what `save` wrote.

        Never unpickles, and never runs code of the files if inert.
        """
