"""Reads of features that predictions were made of: what the ledger holds, as the consistency of a set compares it."""

from typing import TYPE_CHECKING

import numpy as np
import sqlalchemy as sql
from attrs import evolve
from numpy.typing import NDArray

from intonaco.core.columns import Column
from intonaco.core.errors import MissingError
from intonaco.core.references import Reference
from intonaco.infra.compute.timeline import as_us_array
from intonaco.infra.features.checking.readrecords import Reads, versions
from intonaco.infra.features.online.answer import Answer
from intonaco.infra.lineage.tables import USES
from intonaco.infra.serving.endpoints.deployments import Deployments
from intonaco.infra.serving.ledger.ledger import Ledger
from intonaco.infra.storage.arrow import from_arrow

if TYPE_CHECKING:
    from intonaco.infra.features.online.plan import ReadPlan
    from intonaco.infra.workspace import Workspace

__all__ = ["ledger_reads"]


def ledger_reads(workspace: "Workspace", plan: "ReadPlan", endpoint: str) -> Reads:
    """What an endpoint's predictions read of a set, with the statuses, without ages.

    Predictions of versions that read other versions of the set's views are counted as others.

    Raises
    ------
    MissingError
        The endpoint recorded nothing, or its model reads another set.
    """
    columns = from_arrow(Ledger(workspace, plan.project).read(endpoint))
    names = [output.name for view in plan.views for output in view.outputs if f"feature.{output.name}" in columns]
    lacking = [name for name in plan.inputs.names if name not in columns]
    if lacking or not names:
        what = f"no column {lacking[0]!r}" if lacking else "none of the set's features"
        raise MissingError(f"the ledger of endpoint {endpoint!r} has {what}", hint=f"does its model read the set {plan.name!r}?")
    values = {name: columns[f"feature.{name}"] for name in names}
    statuses = {name: np.asarray(_values(columns[f"status.{name}"]), dtype=np.uint8) for name in names}
    inputs = {name: columns[name] for name in plan.inputs.names}
    found = Reads(inputs=inputs, at_us=as_us_array(_values(columns["predicted_at"])), answer=Answer(columns=values, statuses=statuses))
    alike = _alike(workspace, plan, endpoint, np.asarray(_values(columns["model_version"])))
    return evolve(found.take(np.flatnonzero(alike)), others=int((~alike).sum()))


def _values(column: Column) -> NDArray[np.generic]:
    values: NDArray[np.generic] = np.asarray(getattr(column, "values", column))
    return values


def _alike(workspace: "Workspace", plan: "ReadPlan", endpoint: str, numbers: NDArray[np.generic]) -> NDArray[np.bool_]:
    """The predictions whose version read these versions of the views; of one that never told what it reads it is supposed."""
    routes = [route for each in Deployments(workspace, plan.project).wanted() if each.endpoint == endpoint for route in each.routes]
    model = next((route.model for route in routes), endpoint)
    wanted = versions(plan)
    other = [
        number
        for number in np.unique(numbers).tolist()
        if not _views_read(workspace, plan.project, model, number).items() <= wanted.items()
    ]
    return ~np.isin(numbers, other)


def _views_read(workspace: "Workspace", project: str, model: str, number: int) -> dict[str, int]:
    """The views that a version of a model reads, and their versions."""
    query = sql.select(USES.c.reference, USES.c["at"]).where(USES.c.project == project, USES.c.model == model, USES.c.number == number)
    with workspace.catalog.read() as connection:
        read = [(Reference.parse(reference), at) for reference, at in connection.execute(query)]
    return {each.name: int(at) for each, at in read if each.kind == "view" and at.isdigit()}
