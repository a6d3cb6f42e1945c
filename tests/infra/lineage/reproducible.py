"""Steps for the tests, in a module that worker processes can import."""

import os
import time

import pyarrow as pa

from intonaco.infra.lineage.runs.steps import step
from intonaco.infra.storage.tables import Snapshot
from intonaco.infra.workspace import Workspace


@step
def numbers(workspace: Workspace, count: int) -> Snapshot:
    return workspace.tables.write("default/numbers", pa.table({"x": list(range(count))}), mode="replace")


@step
def total(workspace: Workspace, numbers: Snapshot) -> dict[str, float]:
    return {"sum": float(sum(workspace.tables.read(numbers)["x"].to_pylist()))}


@step
def drifting(total: dict[str, float]) -> dict[str, float]:
    return {"sum": total["sum"] + float(os.environ.get("DRIFT", "0"))}


@step(memoize=False)
def publish(total: dict[str, float]) -> float:
    return total["sum"]


@step
def moment() -> int:
    return time.time_ns()
