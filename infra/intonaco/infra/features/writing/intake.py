"""Intake: what materialization does with events beside storing them: hold them to what is expected, and count them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from attrs import define, evolve, field

from intonaco.infra.compute.batchchecks import Fresh
from intonaco.infra.compute.timeline import duration_text
from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.features.writing.quality import view_gate
from intonaco.infra.features.writing.statistics import Counting, statistics_table
from intonaco.infra.storage.quality.gates import Gate
from intonaco.infra.storage.tables import Snapshot

if TYPE_CHECKING:
    from intonaco.infra.workspace import Workspace

__all__ = ["Intake"]


@define(eq=False)
class Intake:
    """Looks at the events of views, piece by piece, before they are stored."""

    workspace: "Workspace" = field(repr=False)
    project: str
    _warnings: dict[str, list[str]] = field(factory=dict, init=False)
    _counting: Counting = field(init=False, repr=False)
    _gates: dict[tuple[str, int], Gate] = field(factory=dict, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._counting = Counting(self.workspace.tables)

    def look(self, view: FeatureView, version: int, place: str, events: pa.Table, sequence: int) -> None:
        """Hold the events of a piece to what the view expects of each of them, and add their statistics.

        Only one of the places at which a view stores events is looked at: the hops, or its entries where it has no windows.

        Raises
        ------
        QualityError
            An expectation that refuses does not hold.
        """
        if place != ("hops" if view.windows else "online"):
            return
        told = self._gate(view, version).admit(events, keep_bad=True).warnings
        self._warnings.setdefault(view.name, []).extend(told)
        table = statistics_table(self.project, view.name, version)
        self._counting.add(table, view, events, f"{table}#{place} {sequence}")

    def freshness(self, view: FeatureView, snapshot: Snapshot, at_us: int) -> None:
        """Tell where the newest event of the whole table is older, as of the moment of a materialization, than a view expects."""
        for check in (each.check for each in view.expectations if isinstance(each.check, Fresh) and each.check.column in snapshot.schema):
            newest = self.workspace.tables.read(snapshot, [check.column])
            found = check.as_of(at_us)
            if found.violations(newest).any():
                age_s = found.measured(newest, np.zeros(0, np.bool_))
                told = f"is {duration_text(int(age_s * 1e6))} old" if np.isfinite(age_s) else "has no time"
                self._warnings.setdefault(view.name, []).append(f"the newest event of {snapshot.table} {told}, expected {check}")

    def warnings(self, view: str) -> Sequence[str]:
        """What does not hold for events of a view that were looked at."""
        return tuple(self._warnings.get(view, ()))

    def _gate(self, view: FeatureView, version: int) -> Gate:
        """What a view expects of single events: a piece is no whole, so that what holds for rows together is not asked of it."""
        key = view.name, version
        if key not in self._gates:
            gate = view_gate(self.workspace, self.project, view, version)
            self._gates[key] = evolve(gate, expectations=[each for each in gate.expectations if each.check.alone])
        return self._gates[key]
