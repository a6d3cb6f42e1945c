"""The held-out flights once more, as they would have been served: into the ledger, joined to what happened, watched by monitors."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from intonaco.core import Columns
from intonaco.core.errors import MissingError
from intonaco.general.demo.definitions import ARRIVALS, KEYS
from intonaco.infra import Endpoint, Examples, Snapshot, Workspace, step
from intonaco.infra.lineage.reports.report import Report
from intonaco.infra.monitoring.monitors import AccuracyMonitor, DriftMonitor
from intonaco.infra.monitoring.report import monitoring_blocks
from intonaco.infra.monitoring.watch import Truth, run_monitors
from intonaco.infra.serving.endpoints.deployment import Deployment
from intonaco.infra.serving.endpoints.scorer import Answer
from intonaco.infra.serving.ledger.ledger import Ledger
from intonaco.infra.serving.protocol.tensors import listed
from intonaco.infra.storage.arrow import from_arrow

__all__ = ["MONITORS", "given", "replay"]

#: An alert for each day on which the corrected error, over all or from one airport, is far above what held-out rows promised.
MONITORS = (
    AccuracyMonitor("mae", times=1.5),
    AccuracyMonitor("mae", segment="origin=*", times=1.75),
    DriftMonitor("error_min", above=0.25, every="7d"),
    DriftMonitor("*", measure="null_change", above=0.2, every="7d"),
)


@step
def replay(workspace: Workspace, deployment: Deployment, held_out: Examples, outcomes: Snapshot, until_us: int) -> dict[str, Any]:
    """What the monitors say of the held-out flights, each predicted as of its departure and kept in the ledger."""
    with Endpoint.open(workspace, deployment) as endpoint:
        rows = _record(workspace, endpoint, held_out)
    found = run_monitors(workspace, deployment.endpoint, MONITORS, truth=Truth(labels=ARRIVALS), at=until_us, beside=("base_mae",))
    shown = Report("", monitoring_blocks(found)).to_json()["blocks"]
    return {"rows": rows, "alerts": [alert.to_json() for alert in found.alerts], "shown": shown}


def _record(workspace: Workspace, endpoint: Endpoint, held_out: Examples) -> int:
    """Predict from the features as of each departure, which are those that the online store had, and keep it in the ledger.

    Flights that the endpoint was asked about are there already, and are not told twice.
    """
    scorer = endpoint.scorer("")
    ledger = Ledger(workspace, endpoint.deployment.project)
    asked = _asked(ledger, endpoint.deployment.endpoint, scorer.version)
    untold = held_out.take(np.array([flight not in asked for flight in _flights(given(held_out), held_out.moments)]))
    if len(untold):
        columns = scorer.servable.predict(scorer.signature.settle(untold.features))
        answer = Answer(columns=columns, features=untold.features, statuses=dict(untold.statuses), version=scorer.version)
        ledger.record(endpoint, given(untold), answer, untold.moments)
    return len(held_out)


def _asked(ledger: Ledger, endpoint: str, version: int) -> set[tuple[Any, ...]]:
    """The flights in the ledger that this version has predicted."""
    try:
        kept = ledger.read(endpoint)
    except MissingError:
        return set()
    columns = from_arrow(kept.filter(pc.equal(kept["model_version"], version)).select([*KEYS, "predicted_at"]))
    return set(_flights(columns, np.asarray(columns["predicted_at"]).view(np.int64)))


def _flights(columns: Columns, at_us: NDArray[np.int64]) -> Iterator[tuple[Any, ...]]:
    """What tells one departure from all others."""
    return zip(at_us.tolist(), *(listed(columns[name]) for name in KEYS), strict=True)


def given(examples: Examples) -> Columns:
    """What a request for these flights holds: keys and request columns."""
    return {
        name: examples.columns[name] if name in examples.columns else examples.segments[name] for name in examples.read_plan.inputs.names
    }
