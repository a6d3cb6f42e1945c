"""A model of one line, and a plugin that offers its flavor: for tests of servers, targets and whatever else scores packages.

It multiplies `x`. On `KILL` its process dies, on `HANG` it does not come back, on `FAIL` it raises; so do a fault, a poisoned
request and a bad row look in real models.
"""

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from attrs import frozen

from intonaco.core.columns import Column, Columns
from intonaco.core.errors import CorruptError, DefinitionError
from intonaco.core.plugins import hookimpl
from intonaco.core.schema import Schema
from intonaco.infra.serving.packages import packages
from intonaco.infra.serving.packages.code import PythonModel, PythonServable
from intonaco.infra.serving.packages.flavor import Flavor
from intonaco.infra.serving.packages.servable import Servable, Signature

if TYPE_CHECKING:
    from intonaco.infra.serving.packages.package import Package
    from intonaco.infra.workspace import Workspace

__all__ = ["FAIL", "HANG", "KILL", "SIGNATURE", "Doubling", "Multiplier", "build_multiplier", "offer_doubling"]

KILL, HANG, FAIL = 666.0, 777.0, 888.0
SIGNATURE = Signature(inputs=Schema.of(x="float64", note="str?"), outputs=Schema.of(y="float64"))


@hookimpl
def flavors() -> dict[str, str]:
    """The flavor below."""
    return {"doubling": "intonaco.infra.testing.doubling:Doubling"}


@frozen
class Multiplier(PythonModel):
    """The model; packed by the flavor below it is inert, packed by `python` it is code."""

    factor: float = 2.0

    def predict(self, columns: Columns) -> dict[str, Column]:
        x = np.asarray(columns["x"])
        if (x == KILL).any():
            os.kill(os.getpid(), signal.SIGKILL)
        if (x == HANG).any():
            time.sleep(3600)
        if (x == FAIL).any():
            raise ArithmeticError("this value cannot be scored")
        return {"y": x * self.factor}

    def save(self) -> dict[str, bytes]:
        return {"model.txt": f"times {self.factor!r}".encode()}

    @classmethod
    def load(cls, files: Mapping[str, bytes]) -> Self:
        return cls(float(files["model.txt"].removeprefix(b"times ")))


class Doubling(Flavor):
    """Its flavor: one line of text."""

    __slots__ = ()

    name = "doubling"
    magic = {"model.txt": b"times "}

    def save(self, model: Any, signature: Signature) -> dict[str, bytes]:
        if not isinstance(model, Multiplier):
            raise DefinitionError(f"the doubling flavor saves a Multiplier, not a {type(model).__name__}")
        return model.save()

    def load(self, files: Mapping[str, bytes], signature: Signature) -> Servable:
        try:
            return PythonServable(signature, Multiplier.load(files))
        except (KeyError, ValueError) as error:
            raise CorruptError(f"the model of the package cannot be read: {error}") from error


def offer_doubling(folder: Path) -> None:
    """Make a folder that, put on `PYTHONPATH`, offers the flavor to every process as an installed distribution would."""
    info = folder / "intonaco_doubling-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: intonaco-doubling\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[intonaco]\ndoubling = intonaco.infra.testing.doubling\n")


def build_multiplier(workspace: "Workspace", factor: float = 2.0, flavor: Flavor | None = None) -> "Package":
    """A package of the model, inert by default."""
    samples = {"x": np.array([0.5, 1.0, -3.0]), "note": np.array(["a", "b", "c"], dtype=object)}
    return packages.build(workspace, Multiplier(factor), SIGNATURE, samples=samples, flavor=flavor or Doubling())
