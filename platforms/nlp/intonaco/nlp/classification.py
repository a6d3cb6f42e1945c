"""Text classification: which of several names a text has."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from intonaco.core import Columns
from intonaco.infra import Cell, Chart, Examples, Table, Task, Text, mean_cells
from intonaco.infra.lineage.reports.blocks import Block
from intonaco.infra.lineage.search.space import Dimension, Float

__all__ = ["TextClassification"]

_HELD_OUT = 0.2
_KEYWORDS = 100


@frozen(kw_only=True)
class TextClassification(Task):
    """Tell which of several names a text has.

    Parameters
    ----------
    target
        The label to be told.
    text
        The column that holds the text.
    group
        A segment whose rows stay on one side of a split, such as the template that made them.
    model
        `linear` weighs words and pairs of words; `keywords` knows a hundred words; `majority` always tells the most frequent name.
    """

    requires: ClassVar[tuple[str, ...]] = ("scikit-learn",)
    tolerance: ClassVar[float] = 1e-9
    target: str = field(kw_only=False)
    text: str = "text"
    group: str = ""
    model: Literal["linear", "keywords", "majority"] = "linear"

    def fit(self, examples: Examples, params: Mapping[str, Any]) -> Any:
        texts, names = examples.columns[self.text], examples.columns[self.target]
        return _MODELS[self.model](params).fit(texts, np.asarray(names).astype(str))

    def evaluate(self, predictions: Columns, examples: Examples) -> Sequence[Cell]:
        right = self._right(predictions, examples)
        by_name = {self.target: examples.columns[self.target]}
        return [*mean_cells("error_rate", 1.0 - right), *mean_cells("accuracy", right, by_name)]

    def split(self, examples: Examples) -> tuple[Examples, Examples]:
        """Of each name, the last fifth of the groups is held out; a name with one group is learned and not tested."""
        if not self.group:
            return super().split(examples)
        groups, names = (np.asarray(examples.segments[self.group]).astype(str), np.asarray(examples.columns[self.target]).astype(str))
        held = np.isin(groups, [group for name in np.unique(names) for group in _last(np.unique(groups[names == name]))])
        return examples.take(~held), examples.take(held)

    def space(self) -> Mapping[str, Dimension]:
        return {"C": Float(0.1, 10.0, log=True)} if self.model == "linear" else {}

    def show(self, predictions: Columns, examples: Examples) -> Sequence[Block]:
        told, true = (np.asarray(each[self.target]).astype(str) for each in (predictions, examples.columns))
        return [
            Text("What is taken for what", heading=True),
            _confusion(told, true),
            _mistakes(told, true, np.asarray(examples.columns[self.text])),
        ]

    def _right(self, predictions: Columns, examples: Examples) -> NDArray[np.float64]:
        right: NDArray[np.float64] = (np.asarray(predictions[self.target]) == np.asarray(examples.columns[self.target])).astype(np.float64)
        return right


def _last(groups: NDArray[Any]) -> NDArray[Any]:
    return groups[len(groups) - int(len(groups) * _HELD_OUT) :]


def _linear(params: Mapping[str, Any]) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    return make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LinearSVC(C=params.get("C", 1.0), random_state=0))


def _keywords(params: Mapping[str, Any]) -> Any:
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline

    return make_pipeline(CountVectorizer(binary=True, max_features=_KEYWORDS), MultinomialNB())


def _majority(params: Mapping[str, Any]) -> Any:
    from sklearn.dummy import DummyClassifier
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.pipeline import make_pipeline

    return make_pipeline(CountVectorizer(max_features=1), DummyClassifier(strategy="most_frequent"))


_MODELS = {"linear": _linear, "keywords": _keywords, "majority": _majority}


def _confusion(told: NDArray[Any], true: NDArray[Any]) -> Chart:
    """Of each true name (a row), the share that was told each name."""
    names = sorted({*told.tolist(), *true.tolist()})
    counts = np.zeros((len(names), len(names)))
    np.add.at(counts, (np.searchsorted(names, true), np.searchsorted(names, told)), 1)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    rows = {name: share[index] for index, name in enumerate(names)}
    return Chart("Confusion: a row's true name, told as", form="heatmap", x=names, series=rows, x_label="told", y_label="true")


def _mistakes(told: NDArray[Any], true: NDArray[Any], texts: NDArray[Any], most: int = 25) -> Table:
    wrong = np.flatnonzero(told != true)[:most]
    return Table("Mistakes", ("text", "true", "told"), [(str(texts[row]), str(true[row]), str(told[row])) for row in wrong])
