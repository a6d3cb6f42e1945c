"""Features offline: tables of events written, and read as of any moments."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from intonaco.core.columns import Columns, rows_of
from intonaco.core.errors import InvalidError
from intonaco.infra.compute.timeline import as_us_array
from intonaco.infra.features.defined.functions import AT
from intonaco.infra.features.defined.labels import Labels
from intonaco.infra.features.defined.sets import FeatureSet
from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.features.offline.events import PIECE, event_table
from intonaco.infra.features.offline.examples import Examples
from intonaco.infra.features.offline.rows import Rows, columns_table
from intonaco.infra.features.offline.training import answers, labelled_rows, training_set, with_features
from intonaco.infra.features.online.answer import Answer
from intonaco.infra.features.storedefinitions import AppliedFeatures
from intonaco.infra.features.writing.quality import table_gate
from intonaco.infra.storage.checks import Check
from intonaco.infra.storage.delta.batches import cut
from intonaco.infra.storage.quality.expectations import Expectation
from intonaco.infra.storage.quality.gates import Written
from intonaco.infra.storage.tables import Snapshot

__all__ = ["OfflineFeatures"]


class OfflineFeatures(AppliedFeatures):
    """What tables of events tell."""

    __slots__ = ()

    def training_set(
        self,
        features: FeatureSet | str,
        rows: Columns | pa.Table | Snapshot | None = None,
        *,
        labels: Labels | str | Sequence[str] = (),
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
            Names of columns of the rows; or `Labels`, or the name of applied ones, joined by their keys: rows whose outcome is
            null or absent are left out.
        at
            The column of moments.
        versions
            Versions of the source tables to read, by name; the newest by default.
        """
        plan = self.read_plan(features)
        asked = self.labels(labels) if isinstance(labels, str) else labels
        given, moment = self._rows(rows, asked, at)
        names = (asked.value,) if isinstance(asked, Labels) else tuple(asked)
        sources = self._sources(features, versions)
        engine, tables = self.workspace.engine, self.workspace.tables
        return training_set(engine, tables, self.feature_set(features), plan, given, sources, labels=names, at=moment)

    def training_table(
        self, table: str, features: FeatureSet | str, rows: Snapshot, *, at: str = "at", versions: Mapping[str, int] | None = None
    ) -> Snapshot:
        """The rows of a stored table with the features of each as of its moment beside them, in place of a table of the project.

        Rows are joined a million at a time and become one commit, so that memory grows with the events and not with the rows.
        """
        plan, sources = self.read_plan(features), self._sources(features, versions)
        engine, tables, found = self.workspace.engine, self.workspace.tables, self.feature_set(features)
        batches = cut(tables.batches(rows), PIECE) if rows.rows else tables.batches(rows)
        joined = (with_features(batch, plan, answers(engine, tables, found, plan, batch, sources, at)) for batch in batches)
        return tables.write(f"{self.project}/{table}", joined, mode="replace")

    def read_offline(self, features: FeatureSet | str, columns: Columns, at: Any) -> Answer:
        """Read a set from the tables of events, as of any moments."""
        moments = as_us_array(at).view("datetime64[us]")
        rows = columns_table({**columns, AT: np.broadcast_to(moments, (rows_of(columns),)).copy()})
        engine, tables = self.workspace.engine, self.workspace.tables
        return answers(engine, tables, self.feature_set(features), self.read_plan(features), rows, self._sources(features), AT)

    def write(
        self,
        table: str,
        rows: Columns | pa.Table,
        *,
        mode: Literal["append", "replace"] = "append",
        expectations: Iterable[Check | Expectation] = (),
        token: str = "",
        by: str = "write",
    ) -> Written:
        """Write rows to a table of the project, held to these and to what applied views expect of them; see `Gate.write`."""
        found = [each.definition for each in self.registry.search(table, kind="view")]
        views = [each for each in found if isinstance(each, FeatureView)]
        gate = table_gate(self.workspace, self.project, table, views, by, expectations)
        return gate.write(rows if isinstance(rows, pa.Table) else columns_table(rows), mode=mode, token=token)

    def _rows(self, rows: Columns | pa.Table | Snapshot | None, labels: Labels | Sequence[str], at: str) -> tuple[Rows, str]:
        data = self.workspace.tables.read(rows) if isinstance(rows, Snapshot) else rows
        source = rows.reference if isinstance(rows, Snapshot) else ""
        if not isinstance(labels, Labels):
            if data is None:
                raise InvalidError("a training set needs rows, or labels that have some", field="rows")
            return Rows.of(data, source), at
        snapshot = self.workspace.tables.snapshot(f"{self.project}/{labels.table}")
        outcomes = self.workspace.tables.read(snapshot)
        moment = labels.at or at if data is None else at
        return labelled_rows(labels, outcomes, snapshot.reference, Rows.of(data, source) if data is not None else None), moment

    def _sources(self, features: FeatureSet | str, versions: Mapping[str, int] | None = None) -> dict[str, Snapshot]:
        """The tables that a set's views read."""
        views = self.feature_set(features).views
        asked, tables = versions or {}, dict.fromkeys(table for view in views for table in view.tables)
        return {table: event_table(self.workspace.tables, self.project, views, table, asked.get(table)) for table in tables}
