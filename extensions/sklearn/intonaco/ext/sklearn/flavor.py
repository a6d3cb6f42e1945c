"""scikit-learn estimators and pipelines as skops archives."""

from collections.abc import Callable, Mapping
from typing import Any
from zipfile import BadZipFile

import numpy as np
import skops.io
from attrs import frozen
from numpy.typing import NDArray
from skops.io.exceptions import UntrustedTypesFoundException

from intonaco.core.columns import Column, Columns, Masked, rows_of
from intonaco.core.errors import CorruptError, DefinitionError
from intonaco.core.schema import Field, Schema
from intonaco.ext.sklearn.archive import canonical, check_members
from intonaco.infra.serving.packages.flavor import Flavor
from intonaco.infra.serving.packages.matrix import MatrixForm
from intonaco.infra.serving.packages.outputs import check_classes, named_scores
from intonaco.infra.serving.packages.rows import columns_from_json
from intonaco.infra.serving.packages.servable import Servable, Signature

__all__ = ["SklearnFlavor", "SklearnServable"]

#: How the inputs become what an estimator takes.
Form = Callable[[Columns], NDArray[Any]]

_FILE = "model.skops"

#: Types that are loaded beside those that skops itself trusts (scikit-learn's estimators, NumPy's and SciPy's arrays and ufuncs).
#: Trees index their nodes without looking: a forged one can crash the process that scores it, but runs nothing.
_TRUSTED = (
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.feature_extraction._hash.FeatureHasher",
    "sklearn.linear_model._sgd_fast.Hinge",
    "sklearn.linear_model._sgd_fast.Log",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
)


class SklearnFlavor(Flavor):
    """Any fitted estimator or pipeline whose types are scikit-learn's own.

    One text column goes in as it is, one array column flattened, several columns as `MatrixForm` puts them.
    """

    __slots__ = ()

    name = "sklearn"
    requires = ("scikit-learn", "skops")
    magic = {_FILE: b"PK\x03\x04"}

    def save(self, model: Any, signature: Signature) -> dict[str, bytes]:
        _form(signature.inputs)
        _check_fit(model, signature)
        try:
            data = canonical(skops.io.dumps(model))
        except Exception as error:  # skops raises what the model's own state raises
            raise DefinitionError(f"skops cannot save this {type(model).__name__}: {error}") from error
        strange = sorted(set(skops.io.get_untrusted_types(data=data)) - set(_TRUSTED))
        if strange:
            hint = "use scikit-learn's own types only, or pack the model with its code (intonaco.infra.serving.packages.code)"
            raise DefinitionError(f"the model holds {', '.join(strange)}, which the sklearn flavor never loads", hint=hint)
        return {_FILE: data}

    def load(self, files: Mapping[str, bytes], signature: Signature) -> Servable:
        try:
            check_members(files[_FILE], 2 * len(files[_FILE]))
            model = skops.io.loads(files[_FILE], trusted=list(_TRUSTED))
            _check_fit(model, signature)
        except UntrustedTypesFoundException as error:
            raise CorruptError(f"the package's model holds types that the sklearn flavor never writes: {error}") from error
        except (BadZipFile, KeyError, TypeError, ValueError, AttributeError, RecursionError, ImportError, DefinitionError) as error:
            raise CorruptError(f"the scikit-learn model of the package cannot be read: {error}") from error
        return SklearnServable(signature, model, _form(signature.inputs), _order(model, signature.outputs))


def _form(inputs: Schema) -> Form:
    """The text of the only column, or a matrix."""
    only = inputs.fields[0] if len(inputs) == 1 else None
    if only is not None and only.dtype == "str" and not only.categories and not only.shape:
        return lambda columns: _texts(columns[only.name])
    return MatrixForm.of(inputs).matrix


def _texts(column: Column) -> NDArray[Any]:
    if isinstance(column, Masked):
        return np.where(column.missing, "", column.values)
    return np.asarray(column, dtype=object)


def _classes(model: Any) -> list[str] | None:
    """The classes that the model tells apart, as text; None if it is no classifier with probabilities."""
    if not hasattr(model, "predict_proba") or not hasattr(model, "classes_"):
        return None
    return [str(value) for value in model.classes_]


def _check_fit(model: Any, signature: Signature) -> None:
    classes = _classes(model)
    if classes is None:
        for each in signature.outputs:
            _check_answer(model, each)
        return
    check_classes(signature.outputs, len(classes) if len(classes) > 2 else 1, f"this {type(model).__name__}")
    for each in signature.outputs:
        if each.dtype == "str" and set(each.categories) != set(classes):
            raise DefinitionError(f"output {each.name!r} has other categories than the model's classes {classes}", field=each.name)


def _check_answer(model: Any, output: Field) -> None:
    """Hold an output to what `predict` of a model without probabilities gives: a number, or one of its classes."""
    classes = [str(value) for value in getattr(model, "classes_", ())]
    given = f"output {output.name!r} is {output.dtype}"
    if output.dtype == "str" and not (classes and set(output.categories) == set(classes)):
        what = f"tells {classes}" if classes else "gives numbers"
        raise DefinitionError(f"{given} of {list(output.categories)}; this {type(model).__name__} {what}", field=output.name)
    if output.dtype != "str" and not output.dtype.startswith(("float", "int")):
        raise DefinitionError(f"{given}; this {type(model).__name__} gives numbers or names", field=output.name)


def _order(model: Any, outputs: Schema) -> NDArray[np.intp] | None:
    """Where the model's class of each category stands; None if the model gives no probabilities."""
    classes = _classes(model)
    if classes is None:
        return None
    categories = next((each.categories for each in outputs if each.categories), tuple(classes))
    return np.array([classes.index(category) for category in categories], dtype=np.intp)


@frozen
class SklearnServable(Servable):
    """An estimator; scores come in the order of the label's categories."""

    signature: Signature
    model: Any
    form: Form
    order: NDArray[np.intp] | None

    def predict(self, columns: Columns) -> dict[str, Column]:
        if rows_of(columns) == 0:  # which estimators refuse
            return columns_from_json({name: [] for name in self.signature.outputs.names}, self.signature.outputs)
        given = self.form(columns)
        if self.order is None:
            return {each.name: _answers(self.model.predict(given), each.dtype) for each in self.signature.outputs}
        scores = np.asarray(self.model.predict_proba(given), dtype=np.float64)[:, self.order]
        return named_scores(scores[:, 1] if scores.shape[1] == 2 else scores, self.signature.outputs)


def _answers(answer: Any, dtype: str) -> Column:
    return np.asarray(answer).astype(str).astype(object) if dtype == "str" else np.asarray(answer, dtype=dtype)
