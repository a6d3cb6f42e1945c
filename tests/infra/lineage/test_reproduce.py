import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from intonaco.core.errors import MissingError
from intonaco.infra.lineage.registry.registry import Registry
from intonaco.infra.lineage.runs.reproduce import Node, reproduce
from intonaco.infra.lineage.runs.runs import Runs
from intonaco.infra.workspace import Workspace

sys.path.insert(0, str(Path(__file__).parent))  # where the workers find it too
reproducible: Any = import_module("reproducible")
pytestmark = pytest.mark.slow


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(tmp_path) as workspace:
        yield workspace


def _registered(workspace: Workspace) -> str:
    with Runs(workspace).start("train") as run:
        numbers = run.call(reproducible.numbers, count=10)
        run.call(reproducible.drifting, total=run.call(reproducible.total, numbers=numbers))
    return Registry(workspace).register("sum", "ab" * 32, run_id=run.id).short


def test_each_step_is_repeated_with_the_same_digest_and_no_table_changes(workspace: Workspace) -> None:
    version = _registered(workspace)
    workspace.tables.write("default/numbers", pa.table({"x": [1]}), mode="replace")
    seen: list[Node] = []
    verdicts = reproduce(workspace, version, seen.append)
    assert verdicts.verdict == "identical"
    assert [(node.function.partition(":")[2], node.verdict) for node in seen] == [
        ("numbers", "identical"),
        ("total", "identical"),
        ("drifting", "identical"),
    ]
    assert workspace.tables.snapshot("default/numbers").version == 1
    assert workspace.tables.read(workspace.tables.snapshot("default/numbers")).num_rows == 1
    assert not list(workspace.home.glob("reproduce-*"))


@pytest.mark.parametrize(("drift", "verdict"), [("1e-12", "equal"), ("0.5", "different")])
def test_what_differs_is_named(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, drift: str, verdict: str) -> None:
    version = _registered(workspace)
    monkeypatch.setenv("DRIFT", drift)
    node = reproduce(workspace, version).nodes[-1]
    assert node.verdict == verdict
    assert node.reason == ("sum: 45.0 → 45.5" if verdict == "different" else "")


def test_a_step_that_changes_something_outside_is_not_repeated(workspace: Workspace) -> None:
    with Runs(workspace).start("train") as run:
        run.call(reproducible.publish, total={"sum": 1.0})
        run.call(reproducible.moment)
    version = Registry(workspace).register("sum", "ab" * 32, run_id=run.id)
    published, moment = reproduce(workspace, version.short).nodes
    assert published.verdict == "impossible"
    assert published.reason.endswith("publish changes something outside, and is not repeated")
    assert moment.verdict == "different"
    assert "→" in moment.reason


def test_an_input_that_is_gone_makes_it_impossible(workspace: Workspace) -> None:
    version = _registered(workspace)
    workspace.tables.write("default/numbers", pa.table({"x": [1]}), mode="replace")
    getattr(workspace.tables, "expire")("default/numbers", (), 0)  # noqa: B009
    verdicts = reproduce(workspace, version)
    assert [node.verdict for node in verdicts.nodes] == ["identical", "impossible", "identical"]
    assert "removed by intonaco gc" in verdicts.nodes[1].reason
    assert verdicts.to_json()["verdict"] == "impossible"
    assert "impossible" in verdicts.report().html()


def test_parents_are_reproduced_first(workspace: Workspace) -> None:
    parent = _registered(workspace)
    with Runs(workspace).start("update") as run:
        run.call(reproducible.total, numbers=workspace.tables.snapshot("default/numbers"))
    child = Registry(workspace).register("sum", "cd" * 32, run_id=run.id, parents=[parent])
    assert [node.version for node in reproduce(workspace, child.short).nodes] == ["model:default/sum@1"] * 3 + ["model:default/sum@2"]


def test_a_version_without_a_recorded_run_is_missing(workspace: Workspace) -> None:
    Registry(workspace).register("sum", "ab" * 32, run_id="nothing")
    with pytest.raises(MissingError):
        reproduce(workspace, "sum")
