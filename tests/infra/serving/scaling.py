"""A model for the tests, in a module that other processes can import."""

from collections.abc import Mapping
from typing import Any

import factors  # type: ignore[import-not-found, unused-ignore]
from attrs import frozen

from intonaco.core.columns import Column, Columns
from intonaco.infra.serving.packages.code import PythonModel


@frozen
class Scaling(PythonModel):
    factor: float

    def predict(self, columns: Columns) -> Mapping[str, Column]:
        values: Any = columns["x"]
        return {"y": factors.scaled(values, self.factor)}

    def save(self) -> dict[str, bytes]:
        return {"factor": repr(self.factor).encode()}

    @classmethod
    def load(cls, files: Mapping[str, bytes]) -> "Scaling":
        return cls(float(files["factor"]))
