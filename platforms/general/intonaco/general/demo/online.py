"""Online equals batch: flights asked over HTTP, each when all that had happened before it, and nothing later, was written online."""

import http.client
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from attrs import define, field, frozen
from numpy.typing import NDArray

from intonaco.core import Columns
from intonaco.core.columns import Masked
from intonaco.core.errors import UnavailableError
from intonaco.general.demo.definitions import ETA
from intonaco.general.demo.replay import given
from intonaco.general.demo.server import running
from intonaco.infra import Endpoint, Examples, FeatureStore, Snapshot, Workspace, step
from intonaco.infra.compute.arrays import times
from intonaco.infra.features.defined.views import FeatureView
from intonaco.infra.features.online.plan import ReadPlan
from intonaco.infra.serving.endpoints.deployment import Deployment
from intonaco.infra.serving.protocol.plainrows import request_body, rows_of_columns

__all__ = ["compare_online"]

_TIMEOUT_S = 30.0


@step
def compare_online(workspace: Workspace, deployment: Deployment, held_out: Examples, sources: list[Snapshot], rows: int) -> dict[str, Any]:
    """Whether features, statuses and predictions of evenly spread flights are the same online as in batch, to the bit."""
    order = np.argsort(held_out.moments, kind="stable")
    asked = held_out.take(order[np.unique(np.linspace(0, len(order) - 1, rows).astype(np.intp))])
    with running(workspace.root) as url:
        online = _ask_all(workspace, _Asker(url, deployment.endpoint, held_out.read_plan), asked, sources)
    with Endpoint.open(workspace, deployment) as endpoint:
        scorer = endpoint.scorer("")
        predicted = scorer.servable.predict(scorer.signature.settle(asked.features))
    different = _different(online, _expected(asked, predicted))
    return {"equal": not different, "rows": len(asked), "columns": len(online), "different": different}


def _ask_all(workspace: Workspace, asker: "_Asker", asked: Examples, sources: list[Snapshot]) -> dict[str, list[Any]]:
    """The server's answers, after each flight's past was written and before anything later was."""
    features = FeatureStore(workspace)
    features.clear_online(ETA)
    features.materialize(ETA, int(asked.moments[0]))
    writer = features.writer([ETA])
    since = int(asked.moments[0])
    views = {each.view.source.table: each.view for each in writer.views}
    logs = [_Log.of(workspace, source, views[_table(source)], since) for source in sources]
    requests = rows_of_columns(given(asked))
    answers: dict[str, list[Any]] = {}
    for row, at_us in enumerate(asked.moments.tolist()):
        events = {log.table: happened for log in logs if (happened := log.between(since, at_us)).num_rows}
        if events:
            writer.push(events)
        since = at_us
        for name, value in asker.ask(requests[row], at_us).items():
            answers.setdefault(name, []).append(value)
    return answers


def _table(source: Snapshot) -> str:
    return source.table.partition("/")[2]


@frozen
class _Log:
    """A table of events in the order in which they happened."""

    table: str
    events: pa.Table
    at_us: NDArray[np.int64]

    @classmethod
    def of(cls, workspace: Workspace, source: Snapshot, view: FeatureView, since_us: int) -> "_Log":
        """The events of a table from a moment on; those without a time are left out."""
        data = workspace.tables.read(source)
        moments, known = times(data, view.source.time, source.table)
        later = np.flatnonzero(known & (moments >= since_us))
        order = later[np.argsort(moments[later], kind="stable")]
        return cls(_table(source), data.take(pa.array(order)), moments[order])

    def between(self, since_us: int, until_us: int) -> pa.Table:
        """Events from `since_us` on and before `until_us`."""
        first, last = np.searchsorted(self.at_us, [since_us, until_us])
        return self.events.slice(int(first), int(last - first))


@define
class _Asker:
    """Asks one server about one endpoint over one connection."""

    url: str
    endpoint: str
    plan: ReadPlan
    _connection: http.client.HTTPConnection | None = field(default=None, init=False)

    def ask(self, row: Mapping[str, Any], at_us: int) -> dict[str, Any]:
        """Outputs, features and statuses for a flight, as of a moment."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=_TIMEOUT_S)
        body = request_body(self.plan.inputs, [row], {"at": at_us, "features": True})
        self._connection.request("POST", f"/v2/models/{self.endpoint}/infer", body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        told = json.loads(answer.read())
        if answer.status != 200:
            raise UnavailableError(f"the server answered {answer.status}: {told.get('error', told)}", hint=str(told.get("hint", "")))
        return {output["name"]: output["data"][0] for output in told["outputs"] if not output["name"].startswith("age_us.")}


def _expected(asked: Examples, predicted: Columns) -> dict[str, list[Any]]:
    read = [name for name in asked.features if name not in asked.read_plan.inputs.names]
    features = {f"feature.{name}": _plain(asked.features[name]) for name in read}
    statuses = {f"status.{name}": asked.statuses[name].tolist() for name in read}
    return {**features, **statuses, **{name: _plain(column) for name, column in predicted.items()}}


def _plain(column: Any) -> list[Any]:
    if isinstance(column, Masked):
        return [None if gone else value for value, gone in zip(column.values.tolist(), column.missing.tolist(), strict=True)]
    return [None if value != value else value for value in column.tolist()]


def _different(online: Mapping[str, list[Any]], batch: Mapping[str, list[Any]]) -> dict[str, int]:
    """Columns to the number of rows in which they differ, of values, types or signs of zero; columns that only one side has."""
    names = sorted(online.keys() ^ batch.keys())
    rows = {
        name: sum(_bits(a) != _bits(b) for a, b in zip(online[name], batch[name], strict=True)) for name in online.keys() & batch.keys()
    }
    return {**dict.fromkeys(names, -1), **{name: count for name, count in sorted(rows.items()) if count}}


def _bits(value: Any) -> Any:
    return value.hex() if isinstance(value, float) else value
