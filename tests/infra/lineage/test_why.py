from collections.abc import Callable
from types import ModuleType
from typing import Any

from intonaco.infra.lineage.runs.records import StepRecord
from intonaco.infra.lineage.runs.runs import Runs
from intonaco.infra.lineage.runs.why import differences, previous, why

_STEPS = """
from intonaco.infra.lineage.runs.steps import step
LIMIT = 3

def helper(x):
    return x + LIMIT

@step
def fit(rows, rate=0.1, seed=1):
    return [helper(row) for row in rows]

@step
def total(parts):
    return sum(parts)
"""

Write = Callable[..., ModuleType]


def _fit(runs: Runs, module: ModuleType, **inputs: Any) -> StepRecord:
    with runs.start("r") as run:
        run.call(module.fit, **inputs)
    return runs.steps(run.id)[0]


def _told(runs: Runs, step: StepRecord) -> list[str]:
    return [str(each) for each in why(runs.workspace, step)]


def test_nothing_differs_at_first_nor_when_memoized(written: Write, runs: Runs) -> None:
    module = written(why_m=_STEPS)
    first, second = _fit(runs, module, rows=[1]), _fit(runs, module, rows=[1])
    assert previous(runs.workspace, first) is None
    assert previous(runs.workspace, second) == first
    assert (why(runs.workspace, first), why(runs.workspace, second)) == ([], [])


def test_arguments_and_seeds_are_named(written: Write, runs: Runs) -> None:
    module = written(why_m=_STEPS)
    _fit(runs, module, rows=[1])
    assert _told(runs, _fit(runs, module, rows=[2], rate=0.2, seed=5)) == [
        "argument rows: [1] → [2]",
        "argument rate: 0.1 → 0.2",
        "seed seed: 1 → 5",
    ]


def test_code_is_named_by_function_and_constant(written: Write, runs: Runs) -> None:
    _fit(runs, written(why_m=_STEPS), rows=[1])
    changed = _STEPS.replace("LIMIT = 3", "LIMIT = 4").replace("x + LIMIT", "other(x) + LIMIT") + "\ndef other(x):\n    return x\n"
    step = _fit(runs, written(why_m=changed), rows=[1])
    assert _told(runs, step) == [
        "the code of why_m:LIMIT changed",
        "the code of why_m:helper changed",
        "the code of why_m:other is new",
    ]


def test_an_input_is_told_by_its_digest(written: Write, runs: Runs) -> None:
    module = written(why_m=_STEPS)
    with runs.start("r") as run:
        outcomes = [run.call(module.fit, rows=[n]) for n in (1, 2)]
        for outcome in outcomes:
            run.call(module.total, parts=outcome)
    (found,) = why(runs.workspace, runs.steps(run.id)[3])
    assert (found.what, found.name) == ("input", "parts")
    assert found.before == f"json {outcomes[0].artifact.digest[:12]}"


def test_a_failed_call_is_no_predecessor(written: Write, runs: Runs) -> None:
    module = written(why_m=_STEPS)
    first = _fit(runs, module, rows=[1])
    try:
        _fit(runs, module, rows=["x"])
    except TypeError:
        pass
    assert previous(runs.workspace, _fit(runs, module, rows=[2])) == first


def test_a_distribution_is_told_by_its_versions() -> None:
    parts: dict[str, Any] = {name: {} for name in ("arguments", "seeds", "code")} | {"function": "m:f", "version": "", "python": "3.11"}
    before, after = parts | {"distributions": {"numpy": "2.3"}}, parts | {"distributions": {"numpy": "2.4"}}
    assert [str(each) for each in differences(before, after)] == ["distribution numpy: 2.3 → 2.4"]
