"""Boosted trees on examples: the matrix, the parameters, the fit."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from intonaco.core.columns import Masked
from intonaco.core.errors import SchemaError
from intonaco.infra.features.offline.examples import Examples
from intonaco.infra.lineage.reports.blocks import Chart
from intonaco.infra.serving.packages.matrix import MatrixForm

if TYPE_CHECKING:
    import lightgbm

__all__ = ["fit_trees", "importance", "numbers"]

#: The same trees for the same examples, on any number of runs with the same number of threads.
_REPEATABLE = {"deterministic": True, "force_row_wise": True, "seed": 7, "num_threads": 2, "verbosity": -1}
#: Good where there are many rows; the search tries others.
_DEFAULTS = {
    "num_leaves": 63,
    "learning_rate": 0.1,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "max_bin": 127,
}


def fit_trees(examples: Examples, labels: NDArray[Any], params: Mapping[str, Any], rounds: int) -> "lightgbm.Booster":
    """Boosted trees on the examples' columns.

    Parameters
    ----------
    labels : shape (rows,)
        Numbers, or codes of classes from 0.
    params
        LightGBM's, over our defaults.

    References
    ----------
    Ke et al., LightGBM: a highly efficient gradient boosting decision tree, NeurIPS 2017.
    """
    import lightgbm

    chosen = {**_DEFAULTS, **params}
    form = MatrixForm.of(examples.inputs)
    data = lightgbm.Dataset(
        form.matrix(examples.columns),
        label=labels,
        feature_name=list(examples.inputs.names) if form.width == len(examples.inputs) else "auto",
        categorical_feature=form.categorical,
        params={**_REPEATABLE, **chosen},
        free_raw_data=True,
    )
    return lightgbm.train({**chosen, **_REPEATABLE}, data, num_boost_round=rounds)


def numbers(examples: Examples, name: str) -> NDArray[np.float64]:
    """A column of labels as numbers; SchemaError if it holds something else, or if one is missing."""
    column = examples.columns[name]
    values = column.values if isinstance(column, Masked) else np.asarray(column)
    if values.dtype.kind not in "biuf":
        fault = f"the label {name!r} is {examples.schema[name].dtype}, expected numbers"
        raise SchemaError(fault, hint="a classification tells names", field=name)
    numeric = values.astype(np.float64)
    if np.isnan(numeric).any() or (isinstance(column, Masked) and column.missing.any()):
        raise SchemaError(f"the label {name!r} is missing in some examples", hint="leave out rows without a label", field=name)
    return numeric


def importance(model: "lightgbm.Booster", most: int = 20) -> Chart:
    """How much each feature lowered the loss, the greatest first."""
    gain = model.feature_importance("gain")
    order = np.argsort(-gain, kind="stable")[:most]
    names = model.feature_name()
    share = gain / max(gain.sum(), 1e-300)
    return Chart(
        "What the trees use", form="bar", x=[names[i] for i in order], series={"share of gain": share[order]}, y_label="share of all gain"
    )
