"""Scorers: one version of a model in an endpoint, from keys and request columns to outputs."""

from typing import TYPE_CHECKING, Protocol

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from intonaco.core.columns import Column, Columns, rows_of
from intonaco.core.errors import CorruptError
from intonaco.core.schema import Schema
from intonaco.infra.features.online.answer import Answer as Read
from intonaco.infra.features.online.past import PastError
from intonaco.infra.features.online.plan import ReadPlan
from intonaco.infra.serving.packages.proof import scoring_fault
from intonaco.infra.serving.packages.servable import Servable, Signature

if TYPE_CHECKING:
    from intonaco.infra.serving.packages.package import Package

__all__ = ["Answer", "FeatureReader", "Scorer"]


@frozen(kw_only=True, eq=False)
class Answer:
    """What an endpoint says about some rows.

    Parameters
    ----------
    columns
        The model's outputs.
    features
        Every feature that was read, by name, as the model saw it.
    statuses, ages_us
        For each feature and row, its status (`features.status`); for each of a view, how old its value was, -1 where there is none.
    version
        Of the model that answered.
    degraded
        Which store of features could not be read, and why; empty if all was read.
    """

    columns: dict[str, Column]
    features: dict[str, Column] = field(factory=dict)
    statuses: dict[str, NDArray[np.uint8]] = field(factory=dict)
    ages_us: dict[str, NDArray[np.int64]] = field(factory=dict)
    version: int
    degraded: tuple[str, ...] = ()


class FeatureReader(Protocol):
    """Reads the features of one read plan, without a catalog."""

    def read(self, keys: Columns, at_us: NDArray[np.int64], /, *, deadline_s: float | None = None) -> Read:
        """The plan's features for rows of its inputs, each as of its own moment."""


@frozen(eq=False)
class Scorer:
    """Scores rows with one version: reads its features, within `features_s`, puts the model's inputs in order, and scores."""

    version: int
    servable: Servable = field(repr=False)
    plan: ReadPlan | None = field(default=None, repr=False)
    reader: FeatureReader | None = field(default=None, repr=False)
    features_s: float | None = None

    @property
    def signature(self) -> Signature:
        """Of the model, which sees features too."""
        return self.servable.signature

    @property
    def inputs(self) -> Schema:
        """What a request must give: keys and request columns, or the model's own inputs if it reads no features."""
        return self.signature.inputs if self.plan is None else self.plan.inputs

    @property
    def features(self) -> Schema:
        """What is read for a request, in order: nothing that the request gave itself."""
        return Schema(()) if self.plan is None else Schema(tuple(each for each in self.plan.features if each.name not in self.plan.inputs))

    def score(self, given: Columns, at_us: NDArray[np.int64]) -> Answer:
        """The outputs for these rows, each as of its own moment.

        Raises
        ------
        SchemaError
            A column is not what the inputs ask for.
        """
        if self.reader is None:
            return Answer(columns=self._predict(given), version=self.version)
        try:
            read = self.reader.read(given, at_us, deadline_s=self.features_s)
        except PastError as error:
            error.hint = "predict as of a later moment; FeatureStore.read_offline answers of the past"
            raise
        columns = self._predict({name: read.columns[name] for name in self.signature.inputs.names})
        return Answer(
            columns=columns,
            features=read.columns,
            statuses=read.statuses,
            ages_us=read.ages,
            version=self.version,
            degraded=read.degraded,
        )

    def warm_up(self, package: "Package") -> None:
        """Score the package's sample rows, all at once and one by one; CorruptError if the scores are not those it was made with."""
        difference = scoring_fault(package, self.servable)
        if difference:
            hint = "it was made with other versions of its libraries, or on another kind of machine"
            raise CorruptError(f"package {package.digest[:12]} scores its sample rows otherwise here: {difference}", hint=hint)

    def _predict(self, columns: Columns) -> dict[str, Column]:
        settled = self.signature.settle(columns)
        answer = self.servable.predict(settled)
        if rows_of(answer, "the answer") != rows_of(settled):
            raise CorruptError(f"version {self.version} answered {rows_of(answer)} rows for {rows_of(settled)}")
        return answer
