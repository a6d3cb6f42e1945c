"""Reads of features that predictions were made of: what the ledger holds, as the consistency of a set compares it."""

from typing import TYPE_CHECKING

from intonaco.core.errors import MissingError
from intonaco.infra.features.answer import Answer
from intonaco.infra.features.readrecords import Reads
from intonaco.infra.serving.ledger import Ledger
from intonaco.infra.storage.arrow import from_arrow

if TYPE_CHECKING:
    from intonaco.infra.features.plan import ReadPlan
    from intonaco.infra.workspace import Workspace

__all__ = ["ledger_reads"]


def ledger_reads(workspace: "Workspace", plan: "ReadPlan", endpoint: str) -> Reads:
    """What an endpoint's predictions read of a set, with the statuses, without ages.

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
    answer = Answer(
        columns={name: columns[f"feature.{name}"] for name in names},
        statuses={name: columns[f"status.{name}"] for name in names},  # type: ignore[misc]
    )
    at_us = columns["predicted_at"].astype("datetime64[us]").astype("int64")  # type: ignore[union-attr]
    return Reads(inputs={name: columns[name] for name in plan.inputs.names}, at_us=at_us, answer=answer)
