import subprocess
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from intonaco.core.errors import ConflictError, InvalidError
from intonaco.infra.compute.tasks import Call, reporting_to
from intonaco.infra.lineage.runs.runs import Runs
from intonaco.infra.lineage.search.tuner import Choice, Float, Int, Search, Trial, Tuner
from intonaco.infra.workspace import Workspace

_SPACE = {"x": Float(0, 1), "kind": Choice("good", None, [1, 2]), "depth": Int(1, 100, log=True)}


def _score(params: dict[str, Any]) -> float:
    return float((params["x"] - 0.3) ** 2 + (params["kind"] != "good") + 0.001 * params["depth"])


@pytest.fixture
def tuner(workspace: Workspace) -> Tuner:
    return Tuner(workspace)


def test_a_search_finds_what_is_good(tuner: Tuner) -> None:
    search = tuner.search(_score, _SPACE, trials=30, seed=1)
    assert len(search.trials) == 30
    assert search.params["kind"] == "good"
    assert search.best.score is not None
    assert search.best.score < 0.05


_LET_GO = """
import gc, weakref
from intonaco.infra.lineage.search.samplers import open_sampler
from intonaco.infra.lineage.search.space import Float

class Held:
    pass

def search():
    held = Held()
    open_sampler("tpe", {"x": Float(0, 1)}, 0, maximize=False)
    return weakref.ref(held)

found = search()
gc.collect()
assert found() is None
"""


def test_loading_the_sampler_s_library_keeps_nothing_that_the_caller_held() -> None:
    subprocess.run([sys.executable, "-c", _LET_GO], check=True, timeout=60)


def test_the_best_may_be_the_greatest(tuner: Tuner) -> None:
    search = tuner.search(lambda params: -_score(params), _SPACE, trials=15, seed=1, maximize=True)
    assert search.best.score == max(trial.score for trial in search.trials if trial.score is not None)


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_the_same_seed_gives_the_same_trials(tuner: Tuner, sampler: str) -> None:
    searches = [tuner.search(_score, _SPACE, trials=15, seed=seed, sampler=sampler) for seed in (1, 1, 2)]
    assert searches[0] == searches[1] != searches[2]


def test_a_grid_tries_everything_once(tuner: Tuner) -> None:
    search = tuner.search(lambda params: params["a"], {"a": Int(1, 3), "b": Choice(True, False)}, trials=99, sampler="grid")
    assert [tuple(trial.params.values()) for trial in search.trials] == [(a, b) for a in (1, 2, 3) for b in (True, False)]
    assert search.params == {"a": 1, "b": True}


@pytest.mark.parametrize("dies_at", [1, 13, 20])
def test_a_search_that_died_resumes_exactly(tuner: Tuner, dies_at: int) -> None:
    calls = 0

    def dies(params: dict[str, Any]) -> float:
        nonlocal calls
        calls += 1
        if calls == dies_at:
            raise KeyboardInterrupt
        return _score(params)

    whole = tuner.search(_score, _SPACE, trials=20, seed=3)
    with pytest.raises(KeyboardInterrupt):
        tuner.search(dies, _SPACE, trials=20, seed=3, study="mine")
    assert tuner.search(dies, _SPACE, trials=20, seed=3, study="mine") == whole
    assert calls == 21


def test_a_finished_study_can_be_continued(tuner: Tuner) -> None:
    tuner.search(_score, _SPACE, trials=5, seed=3, study="mine")
    assert tuner.search(_score, _SPACE, trials=15, seed=3, study="mine") == tuner.search(_score, _SPACE, trials=15, seed=3)


def test_a_study_of_something_else_is_refused(tuner: Tuner) -> None:
    tuner.search(_score, _SPACE, trials=2, study="mine")
    with pytest.raises(ConflictError, match="default/mine"):
        tuner.search(_score, _SPACE, trials=2, study="mine", seed=9)


def test_a_trial_without_a_score_does_not_win(tuner: Tuner) -> None:
    search = tuner.search(
        lambda params: float("nan") if params["a"] == 1 else params["a"], {"a": Int(1, 3)}, trials=3, sampler="grid", study="s"
    )
    assert search.trials[0] == Trial(number=0, params={"a": 1}, score=None)
    assert search.params == {"a": 2}
    assert tuner.search(_score, {"a": Int(1, 3)}, trials=3, sampler="grid", study="s") == search


def test_no_score_at_all_is_told(tuner: Tuner) -> None:
    search = tuner.search(lambda params: float("inf"), _SPACE, trials=2)
    with pytest.raises(InvalidError, match="none of the 2 trials"):
        _ = search.best


def test_a_search_is_plain_values_and_back(tuner: Tuner) -> None:
    search = tuner.search(_score, _SPACE, trials=4)
    assert Search.from_json(search.to_json()) == search


def test_each_trial_is_told(tuner: Tuner) -> None:
    told: list[Trial] = []
    reported: list[tuple[float, float, str]] = []
    with reporting_to(lambda done, total, note: reported.append((done, total, note))):
        search = tuner.search(_score, _SPACE, trials=3, progress=told.append)
    assert tuple(told) == search.trials
    assert [done for done, _, _ in reported] == [1, 2, 3]


def test_trials_run_on_an_engine(tuner: Tuner, written: Callable[..., ModuleType]) -> None:
    written(objective_m="def score(params, shift):\n    return (params['x'] - shift) ** 2\n")
    call = Call(function="objective_m:score", arguments={"shift": 0.5})
    search = tuner.search(call, {"x": Float(0, 1)}, trials=6, seed=1)
    assert search == tuner.search(lambda params: (params["x"] - 0.5) ** 2, {"x": Float(0, 1)}, trials=6, seed=1, batch=2)


_STEP = """
from intonaco.infra.lineage.runs.steps import step
from intonaco.infra.lineage.search.tuner import Float, Tuner
calls = []

def objective(params):
    calls.append(1)
    if len(calls) == 4:
        raise KeyboardInterrupt
    return params["x"]

@step
def search(workspace, seed=0):
    return Tuner(workspace).search(objective, {"x": Float(0, 1)}, trials=8, seed=seed).to_json()
"""


def test_a_search_inside_a_step_resumes_with_it(runs: Runs, written: Callable[..., ModuleType]) -> None:
    module = written(tuning_m=_STEP)
    with pytest.raises(KeyboardInterrupt), runs.start("r") as run:
        run.call(module.search)
    with runs.start("r") as run:
        outcome = run.call(module.search)
    assert len(module.calls) == 9
    with runs.start("r", fresh=True) as run:
        assert run.call(module.search).artifact == outcome.artifact
    assert len(module.calls) == 17


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Float(1, 0), "not in order"),
        (lambda: Float(0, 1, log=True), "logarithmic"),
        (lambda: Float(0, float("inf")), "not in order"),
        (lambda: Choice(), "at least one"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        make()


def test_unknown_samplers_and_endless_grids_are_refused(tuner: Tuner) -> None:
    with pytest.raises(InvalidError, match="did you mean 'tpe'"):
        tuner.search(_score, _SPACE, trials=1, sampler="tpee")
    with pytest.raises(InvalidError, match="parameter 'x' has no end"):
        tuner.search(_score, _SPACE, trials=1, sampler="grid")
