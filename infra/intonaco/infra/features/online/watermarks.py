"""Watermarks of what is online: a moment before one of them is the past, which tables of events answer."""

from collections.abc import Mapping

import numpy as np
import sqlalchemy as sql
from attrs import frozen
from numpy.typing import NDArray

from intonaco.infra.compute.timeline import NEVER
from intonaco.infra.features.online.past import PastError
from intonaco.infra.features.online.plan import ReadPlan
from intonaco.infra.features.tables import PROGRESS
from intonaco.infra.storage.catalog.catalog import Catalog

__all__ = ["Watermark", "Watermarks"]


@frozen
class Watermark:
    """The latest moment up to which a view of a plan is materialized online, and which one."""

    until_us: int = NEVER
    view: str = ""

    def check(self, at_us: NDArray[np.int64]) -> None:
        """Raise PastError if one of these moments lies before it."""
        earliest = int(at_us.min()) if len(at_us) else self.until_us
        if earliest < self.until_us:
            raise PastError.of(self.view, "is materialized until", self.until_us, earliest)


@frozen
class Watermarks:
    """How far each version of each view of a project is materialized online.

    A view that is fed by pushes or a stream has none: its events come in any order, and each entity has its own newest one.
    """

    until_us: Mapping[tuple[str, int], int]

    @classmethod
    def of(cls, catalog: Catalog, project: str) -> "Watermarks":
        """As the catalog has them now."""
        columns = (PROGRESS.c.view, PROGRESS.c.version, PROGRESS.c.place, PROGRESS.c.until_us)
        query = sql.select(*columns).where(PROGRESS.c.project == project, PROGRESS.c.place.in_(["online", "push"]))
        with catalog.read() as connection:
            found = {(view, version, place): until for view, version, place, until in connection.execute(query)}
        materialized = [each for each in found if each[2] == "online" and (*each[:2], "push") not in found]
        return cls({each[:2]: found[each] for each in materialized})

    def newest(self, plan: ReadPlan) -> Watermark:
        """The latest among the views of a plan."""
        marks = (Watermark(self.until_us.get((view.view, view.version), NEVER), view.view) for view in plan.views)
        return max(marks, key=lambda mark: mark.until_us, default=Watermark())
