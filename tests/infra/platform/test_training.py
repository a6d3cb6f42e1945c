"""Training a task: each part a step, packaged, evaluated on rows that the model has not seen, registered."""

from collections.abc import Iterator

import numpy as np
import pytest
import toys  # type: ignore[import-not-found, unused-ignore]
from attrs import evolve

from intonaco.core.errors import DefinitionError, RefusedError
from intonaco.infra.launch.gate import check_before_deploy
from intonaco.infra.lineage.registry.registry import Version
from intonaco.infra.lineage.reports.report import Report
from intonaco.infra.platform.training import Trained
from intonaco.infra.workspace import Workspace

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[toys.ToyPlatform]:
    with toys.ToyPlatform(Workspace.open(tmp_path_factory.mktemp("work"))) as platform:
        yield platform


@pytest.fixture(scope="module")
def trained(platform: toys.ToyPlatform) -> Trained:
    with platform.runs.start("points") as run:
        made = run.call(toys.points)
    trained: Trained = platform.train(toys.Line(), made, trials=3)
    return trained


@pytest.fixture(scope="module")
def version(trained: Trained) -> Version:
    return trained.register("line", notes="the first one")


def test_a_task_is_fitted_searched_and_evaluated(trained: Trained) -> None:
    assert 0.001 <= trained.params["alpha"] <= 1.0
    assert trained.rows == 48
    assert trained.cells.pick("absolute_error").value < 0.1
    assert [cell.segment for cell in trained.cells] == ["", "side=left", "side=right"]


def test_without_more_the_rows_that_came_last_are_held_out() -> None:
    learn, held_out = toys.Line().split(toys.points(60))
    assert (len(learn), len(held_out)) == (48, 12)
    assert learn.moments.max() < held_out.moments.min()


def test_without_times_a_fixed_fifth_is_held_out() -> None:
    examples = evolve(toys.points(60), at_us=None)
    parts = [toys.Line().split(examples) for _ in range(2)]
    assert [len(part) for part in parts[0]] == [48, 12]
    assert all(np.array_equal(np.asarray(one.columns["x"]), np.asarray(two.columns["x"])) for one, two in zip(*parts, strict=True))


def test_the_report_shows_the_search_and_what_explains_the_model(trained: Trained) -> None:
    text = trained.report.text()
    for part in ("slope 2.0", "The search", "alpha", "12 held-out rows", "right"):
        assert part in text


def test_a_version_knows_its_run_cells_and_reports(platform: toys.ToyPlatform, trained: Trained, version: Version) -> None:
    assert (version.number, version.held_out, version.notes, version.new) == (1, True, "the first one", True)
    assert (version.run_id, version.package, version.cells) == (trained.run_id, trained.package, trained.cells)
    assert isinstance(platform.report("line@1"), Report)
    assert {"evaluation", "reference"} <= set(version.reports)


def test_training_again_repeats_no_step_and_registers_no_version(platform: toys.ToyPlatform, version: Version) -> None:
    with platform.runs.start("points again") as run:
        made = run.call(toys.points)
    again = platform.train(toys.Line(), made, trials=3)
    assert again.memoized
    same = again.register("line")
    assert (same.number, same.new) == (1, False)
    assert len(platform.registry.versions("line")) == 1


def test_other_parameters_are_another_version_fitted_anew(platform: toys.ToyPlatform, version: Version) -> None:
    other = platform.train(toys.Line(), toys.points(60), params={"alpha": 50.0})
    assert not other.memoized
    assert dict(other.params) == {"alpha": 50.0}
    assert other.package != version.package
    assert other.register("line").number == 2


def test_given_parameters_are_not_searched(platform: toys.ToyPlatform) -> None:
    trained = platform.train(toys.Line(), toys.points(60), params={"alpha": 7.0}, trials=2)
    assert trained.params["alpha"] == 7.0


def test_given_held_out_rows_are_what_the_model_is_evaluated_on(platform: toys.ToyPlatform) -> None:
    trained = platform.train(toys.Line(), toys.points(60), held_out=toys.points(10))
    assert (trained.rows, trained.cells.pick("absolute_error").n) == (60, 10)


def test_an_evaluation_on_the_rows_that_were_learned_is_not_held_out(platform: toys.ToyPlatform) -> None:
    points = toys.points(60)
    assert platform.train(toys.Line(), points, held_out=toys.points(10)).held_out
    version = platform.train(toys.Line(), points, held_out=toys.points(60)).register("line")
    assert not version.held_out
    with pytest.raises(RefusedError, match="evaluated on rows that it had learned from"):
        platform.deploy("line", version)


def test_a_task_that_returns_no_cells_is_an_error_that_names_it(platform: toys.ToyPlatform) -> None:
    with pytest.raises(DefinitionError, match=r"Silent.evaluate returned no cells"):
        platform.train(toys.Silent(), toys.points(60))


@pytest.mark.parametrize("lacks", ["held-out rows", "cells"])
def test_a_version_that_nobody_knows_enough_of_is_not_deployed(version: Version, lacks: str) -> None:
    poor = evolve(version, held_out=False) if lacks == "held-out rows" else evolve(version, cells=type(version.cells)())
    check_before_deploy(version)
    with pytest.raises(RefusedError, match=r"line@1|line"):
        check_before_deploy(poor)
