import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from intonaco.core.errors import CorruptError, InvalidError, MissingError
from intonaco.infra.lineage import tables
from intonaco.infra.lineage.artifacts import Artifacts
from intonaco.infra.lineage.runs.runs import Runs
from intonaco.infra.workspace import Workspace


def test_a_run_records_what_it_is_made_of(runs: Runs) -> None:
    with runs.start("train", seeds={"split": 7}, trials=20, space=("a", 0.1)) as run:
        assert runs.get(run.id).status == "running"
        assert runs.get(run.id).seconds is None
    record = runs.get(run.id)
    assert (record.name, record.status, record.project, record.parent) == ("train", "finished", "default", "")
    assert (record.params, record.seeds) == ({"trials": 20, "space": ("a", 0.1)}, {"split": 7})
    assert record.seconds is not None
    artifacts = Artifacts(runs.workspace)
    assert any(line.startswith("attrs==") for line in artifacts.load(record.lock)["distributions"])
    assert artifacts.load(record.manifest) == runs.workspace.manifest()


def test_the_state_of_the_repository_is_recorded(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        own = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        return subprocess.run(
            ["git", *own, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=30
        ).stdout.strip()

    git("init", "-q", "-b", "trunk")
    (tmp_path / "a.txt").write_text("1")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    (tmp_path / "a.txt").write_text("2")
    with Workspace.open(tmp_path) as workspace, Runs(workspace).start("r") as run:
        code = Runs(workspace).get(run.id).code
    assert code == {"commit": git("rev-parse", "HEAD"), "branch": "trunk", "dirty": True}


def test_no_repository_and_no_git_are_fine(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    from intonaco.infra.lineage.code.environment import git_state

    git_state.cache_clear()
    monkeypatch.setenv("PATH", "")
    with runs.start("r") as run:
        pass
    assert runs.get(run.id).code == {}
    git_state.cache_clear()


def test_a_run_that_raises_has_failed(runs: Runs) -> None:
    with pytest.raises(ZeroDivisionError), runs.start("r") as run:
        _ = 1 / 0
    assert (runs.get(run.id).status, runs.get(run.id).error) == ("failed", "ZeroDivisionError: division by zero")


def test_runs_are_listed_newest_first(runs: Runs) -> None:
    ids: list[str] = []
    for name, parent in (("a", ""), ("b", ""), ("a", "b")):
        with runs.start(name, parent=ids[1] if parent else "") as run:
            ids.append(run.id)
    assert [each.id for each in runs.list()] == ids[::-1]
    assert [each.id for each in runs.list("a", limit=1)] == [ids[2]]
    assert [each.id for each in runs.list(parent=ids[1])] == [ids[2]]
    assert Runs(runs.workspace, "maps").list() == []


def test_a_run_is_found_by_the_start_of_its_id(runs: Runs) -> None:
    with runs.start("r", at_us=1) as one, runs.start("r", at_us=1) as two:
        pass
    assert runs.get(one.id[:-1]).id == one.id
    with pytest.raises(InvalidError, match="several runs"):
        runs.get(two.id[:15])
    with pytest.raises(MissingError, match="no run 'zzz'"):
        runs.get("zzz")


def test_parameters_must_be_plain(runs: Runs) -> None:
    with pytest.raises(InvalidError, match=r"parameters of r\.x"):
        runs.start("r", x=object())


def test_metrics_come_back_exactly_and_in_order(runs: Runs) -> None:
    values = [0.1 + 0.2, 5e-324, -math.inf, math.inf, 1e308, -1.0]
    with runs.start("r") as run:
        run.log("first", 1)
        run.log_many([("mae", value, step) for step, value in enumerate(values)])
        run.log_many([("last", math.nan)])
        run.log_many([])
    found = runs.metrics(run.id)
    assert [(each.name, each.step) for each in found] == [("first", 0), *(("mae", step) for step in range(6)), ("last", 0)]
    assert [each.value for each in found[1:-1]] == values
    assert math.isnan(found[-1].value)


@pytest.mark.parametrize("metric", [("a",), (1, 2.0), ("a", "x"), ("a", 1.0, 0.5), "abcd"])
def test_what_is_no_metric_is_refused_whole(runs: Runs, metric: Any) -> None:
    with runs.start("r") as run:
        with pytest.raises(InvalidError, match="is not a metric"):
            run.log_many([("good", 1.0), metric])
        assert runs.metrics(run.id) == []


def test_an_input_of_the_whole_run_is_recorded(runs: Runs) -> None:
    with runs.start("r") as run:
        artifact = run.use("parent", {"model": 3})
    (found,) = runs.inputs(run.id)
    assert (found.step, found.name, found.digest) == (0, "parent", artifact.digest)


@pytest.mark.parametrize(
    ("table", "change"), [(tables.RUNS, {"params": "{}"}), (tables.METRICS, {"value": 2.0}), (tables.INPUTS, {"digest": "0"})]
)
def test_a_changed_row_is_seen(runs: Runs, table: Any, change: dict[str, Any]) -> None:
    with runs.start("r", x=1) as run:
        run.log("mae", 1.0)
        run.use("parent", 1)
    with runs.workspace.catalog.transaction() as connection:
        connection.execute(table.update().values(**change))
    with pytest.raises(CorruptError):
        _ = runs.get(run.id), runs.metrics(run.id), runs.inputs(run.id)


_KILLED = """
import os, signal, sys
from intonaco.infra.lineage.runs.runs import Runs
from intonaco.infra.workspace import Workspace
run = Runs(Workspace.open(sys.argv[1])).start("killed")
run.log("mae", 1.0)
print(run.id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_a_run_whose_process_is_gone_has_crashed(runs: Runs) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(runs.workspace.root)], capture_output=True, text=True, timeout=60, check=False
    )
    record = runs.get(done.stdout.strip())
    assert record.status == "crashed"
    assert [each.value for each in runs.metrics(record.id)] == [1.0]


_RESUMED = """
import os, signal, sys, json
from intonaco.infra.lineage.runs.runs import Runs
from intonaco.infra.lineage.runs.steps import step
from intonaco.infra.workspace import Workspace

@step
def part(number, before):
    with open(sys.argv[2], "a") as log:
        log.write(f"{number}\\n")
    if str(number) == os.environ.get("DIE_IN"):
        os.kill(os.getpid(), signal.SIGKILL)
    return [*before, number * 0.1]

if __name__ == "__main__":
    with Workspace.open(sys.argv[1]) as workspace, Runs(workspace).start("parts") as run:
        outcome = []
        for number in range(6):
            outcome = run.call(part, number=number, before=outcome)
        print(json.dumps([outcome.artifact.digest, outcome.value]))
"""


@pytest.mark.slow
def test_a_killed_run_resumes_where_it_was(tmp_path: Path) -> None:
    script, log = tmp_path / "resumed.py", tmp_path / "log"
    script.write_text(_RESUMED)

    def start(folder: str, die_in: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / folder).mkdir(exist_ok=True)
        command = [sys.executable, str(script), str(tmp_path / folder), str(log)]
        environ = {"PATH": "/usr/bin:/bin", "DIE_IN": die_in}
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)

    whole = start("whole", "")
    log.unlink()
    assert [start("killed", die_in).returncode for die_in in ("2", "4")] == [-9, -9]
    assert json.loads(start("killed", "").stdout) == json.loads(whole.stdout)
    assert log.read_text().split() == ["0", "1", "2", "2", "3", "4", "4", "5"]
    with Workspace.open(tmp_path / "killed") as workspace:
        statuses = [run.status for run in Runs(workspace).list()]
        steps = [step.status for run in Runs(workspace).list() for step in Runs(workspace).steps(run.id)]
    assert statuses == ["finished", "crashed", "crashed"]
    assert steps.count("crashed") == 2
