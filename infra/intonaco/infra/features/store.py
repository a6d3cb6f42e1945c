"""The feature store: definitions applied, training sets, and reads as of any moment."""

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
from attrs import frozen

from intonaco.core.columns import Columns
from intonaco.core.errors import InvalidError
from intonaco.core.references import DEFAULT_PROJECT
from intonaco.infra.features.examples import Examples
from intonaco.infra.features.labels import Labels
from intonaco.infra.features.meaning import Definition
from intonaco.infra.features.plan import ReadPlan
from intonaco.infra.features.registry import Registry, Step
from intonaco.infra.features.sets import FeatureSet
from intonaco.infra.features.training import Rows, labelled_rows, training_set
from intonaco.infra.storage.tables import Snapshot
from intonaco.infra.workspace import Workspace

__all__ = ["FeatureStore"]


@frozen
class FeatureStore:
    """The features of one project: one meaning of time, offline and online."""

    workspace: Workspace
    project: str = DEFAULT_PROJECT

    @property
    def registry(self) -> Registry:
        """The record of applied definitions, to get and search them."""
        return Registry(self.workspace.catalog, self.project)

    def plan(self, definitions: Iterable[Definition]) -> list[Step]:
        """What `apply` would add, change or break; nothing is changed."""
        return self.registry.plan(definitions)

    def apply(self, definitions: Iterable[Definition]) -> list[Step]:
        """Record definitions, all or none; a changed meaning makes a new version beside the one that is online."""
        return self.registry.apply(definitions)

    def read_plan(self, given: FeatureSet | str) -> ReadPlan:
        """The compiled plan of an applied feature set."""
        found = self.feature_set(given)
        return ReadPlan.compile(found, self.project, {view.name: self.registry.version_of(view) for view in found.views})

    def feature_set(self, given: FeatureSet | str) -> FeatureSet:
        """The set itself, or the newest applied one of this name."""
        if isinstance(given, FeatureSet):
            return given
        found = self.registry.get("set", given).definition
        assert isinstance(found, FeatureSet)
        return found

    def training_set(
        self,
        features: FeatureSet | str,
        rows: Columns | pa.Table | Snapshot | None = None,
        *,
        labels: Labels | Sequence[str] = (),
        at: str = "at",
        versions: Mapping[str, int] | None = None,
    ) -> Examples:
        """Features of rows as of each row's moment, with labels: nothing that became usable at the moment or later is seen.

        Parameters
        ----------
        rows
            Keys, the moment, request columns, labels, and columns by which an evaluation may be cut. Left out, they are the
            rows of the labels' table.
        labels
            Names of columns of the rows; or `Labels`, joined by their keys: rows whose outcome is null or absent are left out.
        at
            The column of moments.
        versions
            Versions of the source tables to read, by name; the newest by default.
        """
        plan = self.read_plan(features)
        given, moment = self._rows(rows, labels, at)
        names = (labels.value,) if isinstance(labels, Labels) else tuple(labels)
        sources = {
            table: self._snapshot(table, versions) for table in {use.view.source.table for use in self.feature_set(features).features}
        }
        return training_set(self.workspace.engine, self.feature_set(features), plan, given, sources, labels=names, at=moment)

    def _rows(self, rows: Columns | pa.Table | Snapshot | None, labels: Labels | Sequence[str], at: str) -> tuple[Rows, str]:
        data = self.workspace.tables.read(rows) if isinstance(rows, Snapshot) else rows
        source = rows.reference if isinstance(rows, Snapshot) else ""
        if not isinstance(labels, Labels):
            if data is None:
                raise InvalidError("a training set needs rows, or labels that have some", field="rows")
            return Rows.of(data, source), at
        snapshot = self._snapshot(labels.table, None)
        outcomes = self.workspace.tables.read(snapshot)
        moment = labels.at or at if data is None else at
        return labelled_rows(labels, outcomes, snapshot.reference, Rows.of(data, source) if data is not None else None), moment

    def _snapshot(self, table: str, versions: Mapping[str, int] | None) -> Snapshot:
        return self.workspace.tables.snapshot(f"{self.project}/{table}", (versions or {}).get(table))
