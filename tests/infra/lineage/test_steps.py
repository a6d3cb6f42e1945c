from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from intonaco.core.errors import CorruptError, DefinitionError, InvalidError
from intonaco.infra.lineage.artifacts import Artifacts
from intonaco.infra.lineage.runs.runs import Runs
from intonaco.infra.lineage.runs.steps import Outcome, Step, step
from intonaco.infra.storage.blobs import blob_name

Write = Callable[..., ModuleType]

_HEAD = "from attrs import frozen\nfrom intonaco.infra.lineage.runs.steps import step\ncalls = []\n"
_STEPS = (
    _HEAD
    + """
@frozen
class Scale:
    by: float = 1.0
    _name: str = "s"
    def apply(self, rows):
        return [row * self.by for row in rows]

def clean(rows):
    return [row for row in rows if row > 0]

@step
def fit(rows, scale=Scale(), seed=0):
    calls.append("fit")
    return {"mean": sum(scale.apply(clean(rows)))}

@step
def total(models, extra=None):
    calls.append("total")
    return sum(model["mean"] for model in models)

@step
def width(columns):
    calls.append("width")
    return int(columns["x"].sum())

@step
def rows_of(table, workspace):
    return workspace.tables.read(table).num_rows

@step(memoize=False)
def send(what):
    calls.append("send")
    return what

@step
def outer(rows, run):
    run.log("seen", len(rows))
    return run.call(fit, rows=rows).value

@step
def apply(function, to):
    return function(to)

@step
def fails():
    raise KeyError("gone")

@step
def unkept():
    return object()
"""
)


def _call(runs: Runs, step: Step[..., Any], **inputs: Any) -> Outcome[Any]:
    with runs.start("test") as run:
        return run.call(step, **inputs)


def test_a_call_is_not_repeated(written: Write, runs: Runs) -> None:
    module = written(steps_m=_STEPS)
    first, second = _call(runs, module.fit, rows=[1, -1, 2]), _call(runs, module.fit, rows=[1, -1, 2])
    assert (first.value, second.value) == ({"mean": 3.0}, {"mean": 3.0})
    assert (first.memoized, second.memoized) == (False, True)
    assert (first.key, first.artifact) == (second.key, second.artifact)
    assert module.calls == ["fit"]
    assert first.seconds > 0 == second.seconds


def test_defaults_are_arguments(written: Write, runs: Runs) -> None:
    module = written(steps_m=_STEPS)
    assert _call(runs, module.fit, rows=[1]).key == _call(runs, module.fit, rows=[1], seed=0, scale=module.Scale(by=1.0)).key


@pytest.mark.parametrize(("inputs"), [{"rows": [1, 2]}, {"rows": [1.0]}, {"rows": (1,)}, {"rows": [1], "seed": 1}])
def test_another_argument_runs_again(written: Write, runs: Runs, inputs: dict[str, Any]) -> None:
    module = written(steps_m=_STEPS)
    assert not _call(runs, module.fit, rows=[1]).memoized
    assert not _call(runs, module.fit, **inputs).memoized


def test_an_attrs_value_is_an_argument_with_its_code(written: Write, runs: Runs) -> None:
    module = written(steps_m=_STEPS)
    assert _call(runs, module.fit, rows=[1], scale=module.Scale(2.0)).value == {"mean": 2.0}
    assert not _call(runs, module.fit, rows=[1], scale=module.Scale(3.0)).memoized
    module = written(steps_m=_STEPS.replace("row * self.by", "row * self.by + 1"))
    assert not _call(runs, module.fit, rows=[1], scale=module.Scale(2.0)).memoized


def test_changing_a_helper_of_a_step_runs_it_again(written: Write, runs: Runs) -> None:
    assert not _call(runs, written(steps_m=_STEPS).fit, rows=[1]).memoized
    assert not _call(runs, written(steps_m=_STEPS.replace("row > 0", "row >= 0")).fit, rows=[1]).memoized
    assert _call(runs, written(steps_m=_STEPS).fit, rows=[1]).memoized


def test_comments_and_other_steps_do_not_run_it_again(written: Write, runs: Runs) -> None:
    _call(runs, written(steps_m=_STEPS).fit, rows=[1])
    changed = _STEPS.replace("def clean", "# tidy\ndef clean").replace("return what", "return [what]")
    assert _call(runs, written(steps_m=changed).fit, rows=[1]).memoized


def test_outcomes_and_artifacts_are_inputs_by_digest(written: Write, runs: Runs) -> None:
    module = written(steps_m=_STEPS)
    with runs.start("test") as run:
        fits = [run.call(module.fit, rows=[n]) for n in (1, 2)]
        whole = run.call(module.total, models=fits)
        again = run.call(module.total, models=[each.artifact for each in fits])
    assert (whole.value, again.value, again.memoized) == (3.0, 3.0, True)
    recorded = [(each.step, each.name, each.digest) for each in runs.inputs(run.id)]
    assert recorded[:2] == [(3, "models[0]", fits[0].artifact.digest), (3, "models[1]", fits[1].artifact.digest)]


def test_columns_and_tables_are_kept_as_inputs(written: Write, runs: Runs) -> None:
    module = written(steps_m=_STEPS)
    assert _call(runs, module.width, columns={"x": np.arange(4)}).value == 6
    assert _call(runs, module.width, columns={"x": np.arange(4)}).memoized
    assert not _call(runs, module.width, columns={"x": np.arange(4.0)}).memoized


def test_a_long_plain_argument_is_kept_as_an_artifact(written: Write, runs: Runs) -> None:
    module = written(steps_m=_STEPS)
    rows = [1] * 50_000
    outcome = _call(runs, module.fit, rows=rows)
    assert outcome.value == {"mean": 50_000.0}
    assert [(each.name, each.kind) for each in runs.inputs(outcome.run)] == [("rows", "json")]
    assert _call(runs, module.fit, rows=rows).memoized


def test_a_snapshot_is_an_input_and_the_workspace_is_given(written: Write, runs: Runs) -> None:
    module = written(steps_m=_STEPS)
    snapshot = runs.workspace.tables.write("default/t", pa.table({"a": [1, 2]}))
    assert _call(runs, module.rows_of, table=snapshot).value == 2
    newer = runs.workspace.tables.write("default/t", pa.table({"a": [3]}))
    assert _call(runs, module.rows_of, table=newer).value == 3
    assert _call(runs, module.rows_of, table=snapshot).memoized


def test_functions_are_arguments_with_their_code(written: Write, runs: Runs) -> None:
    module = written(steps_m=_STEPS)
    assert _call(runs, module.apply, function=module.clean, to=[-1, 1]).value == [1]
    module = written(steps_m=_STEPS.replace("row > 0", "row < 0"))
    assert _call(runs, module.apply, function=module.clean, to=[-1, 1]).value == [-1]


def test_what_a_step_finds_through_a_hook_counts_if_it_says_so(written: Write, runs: Runs) -> None:
    from intonaco.core.plugins import as_plugin, hookimpl

    class Plugin:
        @staticmethod
        @hookimpl
        def flavors() -> dict[str, str]:
            return {"own": "flavors_m:Own"}

    runs.workspace.plugins.add(as_plugin(Plugin, "own"))
    steps = _STEPS.replace("@step\ndef width", '@step(hooks=("flavors",))\ndef width')
    memoized = []
    for flavor in ("class Own:\n    name = 1\n", "class Own:\n    name = 1\n", "class Own:\n    name = 2\n"):
        module = written(steps_m=steps, flavors_m=flavor)
        memoized.append((_call(runs, module.width, columns={"x": np.arange(2)}).memoized, _call(runs, module.fit, rows=[1]).memoized))
    assert memoized == [(False, False), (True, True), (False, True)]


def test_a_step_that_acts_outside_always_runs(written: Write, runs: Runs) -> None:
    module = written(steps_m=_STEPS)
    assert [_call(runs, module.send, what=1).memoized for _ in range(2)] == [False, False]
    assert module.calls == ["send", "send"]


def test_a_fresh_run_runs_everything(written: Write, runs: Runs) -> None:
    module = written(steps_m=_STEPS)
    _call(runs, module.fit, rows=[1])
    with runs.start("again", fresh=True) as run:
        assert not run.call(module.fit, rows=[1]).memoized


def test_steps_called_by_steps_form_a_tree(written: Write, runs: Runs) -> None:
    module = written(steps_m=_STEPS)
    outcome = _call(runs, module.outer, rows=[1])
    assert [(each.number, each.parent, each.function) for each in runs.steps(outcome.run)] == [
        (1, 0, "steps_m:outer"),
        (2, 1, "steps_m:fit"),
    ]
    assert [each.value for each in runs.metrics(outcome.run)] == [1.0]


def test_a_lost_artifact_is_made_again(written: Write, runs: Runs) -> None:
    module = written(steps_m=_STEPS)
    first = _call(runs, module.fit, rows=[1])
    runs.workspace.blobs.delete(blob_name(first.artifact.digest))
    second = _call(runs, module.fit, rows=[1])
    assert not second.memoized
    assert second.artifact == first.artifact
    assert _call(runs, module.fit, rows=[1]).memoized


def test_two_calls_of_a_key_at_once_record_one_result(written: Write, runs: Runs) -> None:
    text = _HEAD + "import time, random\n@step\ndef draw():\n    calls.append(1)\n    time.sleep(0.3)\n    return random.random()\n"
    module = written(steps_m=text)
    with runs.start("both") as run, ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda _: run.call(module.draw), range(2)))
        later = run.call(module.draw)
    assert len(module.calls) == 2
    assert later.memoized
    assert later.artifact in [each.artifact for each in outcomes]
    assert [each.status for each in runs.steps(run.id)] == ["finished"] * 3


def test_a_memo_from_another_project_is_not_used(written: Write, runs: Runs) -> None:
    module = written(steps_m=_STEPS)
    _call(runs, module.fit, rows=[1])
    assert not _call(Runs(runs.workspace, "maps"), module.fit, rows=[1]).memoized


def test_a_changed_memo_is_seen(written: Write, runs: Runs) -> None:
    from intonaco.infra.lineage.tables import MEMOS

    module = written(steps_m=_STEPS)
    _call(runs, module.fit, rows=[1])
    other = Artifacts(runs.workspace).save({"mean": 99.0})
    with runs.workspace.catalog.transaction() as connection:
        connection.execute(MEMOS.update().values(digest=other.digest))
    with pytest.raises(CorruptError, match="memos"):
        _call(runs, module.fit, rows=[1])


def test_a_failing_step_is_recorded_and_raises(written: Write, runs: Runs) -> None:
    module = written(steps_m=_STEPS)
    with pytest.raises(KeyError), runs.start("bad") as run:
        run.call(module.fails)
    (failed,) = runs.steps(run.id)
    assert (failed.status, failed.error, failed.artifact) == ("failed", "KeyError: 'gone'", None)
    assert (runs.get(run.id).status, runs.get(run.id).error) == ("failed", "KeyError: 'gone'")


def test_a_result_without_a_format_is_refused_naming_the_hook(written: Write, runs: Runs) -> None:
    with pytest.raises(InvalidError, match="artifact_formats"):
        _call(runs, written(steps_m=_STEPS).unkept)


@pytest.mark.parametrize(("inputs", "message"), [({}, "rows"), ({"rows": [1], "rowz": 1}, "rowz"), ({"rows": {1, 2}}, "set")])
def test_arguments_that_do_not_fit_are_refused(written: Write, runs: Runs, inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        _call(runs, written(steps_m=_STEPS).fit, **inputs)


def test_a_step_called_by_itself_is_a_function(written: Write) -> None:
    assert written(steps_m=_STEPS).fit([1, 2]) == {"mean": 3.0}


def test_a_step_must_be_at_the_top_of_a_module_and_name_its_arguments() -> None:
    with pytest.raises(DefinitionError, match="inner"):

        @step
        def inner() -> None: ...

    with pytest.raises(DefinitionError, match="without names"):
        step(_unnamed)


def _unnamed(*rows: int) -> None: ...


def test_recorded_arguments_can_be_had_again(written: Write, runs: Runs) -> None:
    module = written(steps_m=_STEPS)
    with runs.start("test") as run:
        fits = [run.call(module.fit, rows=(n, 2.5), scale=module.Scale(2.0)) for n in (1, 2)]
        run.call(module.total, models=fits, extra={"a": b"x", 1: None})
        run.call(module.apply, function=module.clean, to=[1])
    steps = runs.steps(run.id)
    assert runs.arguments(steps[0]) == {"rows": (1, 2.5), "scale": module.Scale(2.0), "seed": 0}
    assert runs.arguments(steps[2]) == {"models": [{"mean": 7.0}, {"mean": 9.0}], "extra": {"a": b"x", 1: None}}
    assert runs.arguments(steps[3]) == {"function": module.clean, "to": [1]}
