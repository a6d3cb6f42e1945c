"""A model's scores as the columns that its signature names."""

import numpy as np
from numpy.typing import NDArray

from intonaco.core.columns import Column
from intonaco.core.errors import DefinitionError
from intonaco.core.schema import Field, Schema

__all__ = ["check_classes", "named_scores"]


def check_classes(outputs: Schema, classes: int, what: str) -> None:
    """Raise DefinitionError where the outputs do not fit a model that gives so many scores a row.

    One score is a number, or the probability of the second of two classes.
    """
    pair = max(classes, 2)
    for each in outputs:
        lists = each.dtype == "str"
        if lists and len(each.categories) != pair:
            given = f"output {each.name!r} has {len(each.categories)} categories"
            raise DefinitionError(f"{given}; {what} tells {pair} classes apart", field=each.name)
        if not lists and each.dtype not in ("float64", "float32"):
            raise DefinitionError(f"output {each.name!r} is {each.dtype}; {what} gives float64 scores and str labels", field=each.name)
        if not lists and each.shape != _shape(each, classes):
            raise DefinitionError(f"output {each.name!r} has the shape {each.shape}; {what} gives {classes} scores a row", field=each.name)


def _shape(output: Field, classes: int) -> tuple[int, ...]:
    if classes == 1:
        return (2,) if output.shape else ()
    return (classes,)


def named_scores(scores: NDArray[np.float64], outputs: Schema) -> dict[str, Column]:
    """Scores, shape (rows,) or (rows, classes), as the outputs: a label is the category of the greatest, the first of equals.

    One score a row is a number; where a label or two scores are asked of it, it is the probability of the second of two classes.
    """
    return {each.name: _output(scores, each) for each in outputs}


def _output(scores: NDArray[np.float64], output: Field) -> Column:
    if output.dtype != "str":
        made = np.column_stack([1.0 - scores, scores]) if output.shape and scores.ndim == 1 else scores
        return np.asarray(made, dtype=output.dtype)
    best = scores.argmax(axis=1) if scores.ndim > 1 else (scores > 0.5).astype(np.intp)
    return np.asarray(np.array(output.categories, dtype=object)[best])
