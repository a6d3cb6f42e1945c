"""Training: search, fit, evaluate and describe, each a recorded step, alike for every task."""

from collections.abc import Mapping
from typing import Any

from attrs import define, field

from intonaco.core.columns import Column
from intonaco.core.errors import DefinitionError
from intonaco.infra.features.offline.examples import Examples
from intonaco.infra.features.recorded.readers import feature_reference
from intonaco.infra.lineage.cells import Cells
from intonaco.infra.lineage.registry.registry import Registry, Version
from intonaco.infra.lineage.reports.report import Report
from intonaco.infra.lineage.runs.run import Run
from intonaco.infra.lineage.runs.runs import Runs
from intonaco.infra.lineage.runs.steps import Outcome, step
from intonaco.infra.lineage.search.tuner import Tuner
from intonaco.infra.monitoring.reference import Reference
from intonaco.infra.monitoring.watch import REFERENCE
from intonaco.infra.platform.description import describe
from intonaco.infra.platform.task import Task
from intonaco.infra.serving.packages import packages
from intonaco.infra.serving.packages.flavors import flavor_of
from intonaco.infra.serving.packages.loading import load_servable
from intonaco.infra.serving.packages.servable import Servable, Signature
from intonaco.infra.workspace import Workspace

__all__ = ["Trained", "evaluate", "fit", "refer", "search", "train"]

_REFERENCE_ROWS = 40_000


@define(eq=False, kw_only=True)
class Trained:
    """What a training came to, not yet registered.

    Parameters
    ----------
    package
        Digest of the model's package.
    rows
        How many examples it learned from.
    cells
        What the evaluation on held-out examples returned.
    held_out
        Whether it was evaluated on other examples than those it learned from.
    memoized
        Whether every step had its result already.
    """

    workspace: Workspace = field(repr=False)
    project: str
    run_id: str
    package: str
    params: Mapping[str, Any]
    rows: int
    cells: Cells = field(repr=False)
    report: Report = field(repr=False)
    reports: Mapping[str, str] = field(repr=False)
    uses: tuple[str, ...] = ()
    held_out: bool = True
    memoized: bool = False

    def register(self, model: str, *, notes: str = "") -> Version:
        """The new version of a model; the newest one, if that has this very package."""
        return Registry(self.workspace, self.project).register(
            model,
            self.package,
            run_id=self.run_id,
            cells=self.cells,
            reports=self.reports,
            uses=self.uses,
            held_out=self.held_out,
            notes=notes,
        )


def train(
    workspace: Workspace,
    task: Task,
    examples: "Examples | Outcome[Examples]",
    *,
    held_out: "Examples | Outcome[Examples] | None" = None,
    params: Mapping[str, Any] | None = None,
    trials: int = 0,
    seed: int = 0,
    project: str = "",
    run: Run | None = None,
) -> Trained:
    """Search parameters, fit, package, and evaluate on rows that the model has not seen.

    Parameters
    ----------
    held_out
        What the model is evaluated on; by default the task splits it off the examples.
    params
        Given parameters, which the search leaves alone.
    trials
        How many to try in the task's space; 0 takes the task's defaults.
    run
        The run that records it; by default one of its own.
    """
    if run is None:
        with Runs(workspace, project).start(f"train {type(task).__name__}") as own:
            return train(workspace, task, examples, held_out=held_out, params=params, trials=trials, seed=seed, project=project, run=own)
    if held_out is None:
        examples, held_out = task.split(_value(examples))
    searched = run.call(search, task=task, examples=examples, given=dict(params or {}), trials=trials, seed=seed) if trials > 0 else None
    chosen = {**(params or {}), **(searched.value["params"] if searched else {})}
    fitted = run.call(fit, task=task, examples=examples, params=chosen)
    package, explained = fitted.value["package"], fitted.value["explained"]
    evaluated = run.call(evaluate, task=task, package=package, examples=held_out)
    reference = run.call(refer, package=package, examples=examples)
    tried = searched.value["trials"] if searched else []
    described = run.call(describe, task=task, evaluated=evaluated.value, explained=explained, params=chosen, trials=tried)
    return Trained(
        workspace=workspace,
        project=run.project,
        run_id=run.id,
        package=package,
        params=chosen,
        rows=fitted.value["rows"],
        cells=Cells.from_json(evaluated.value["cells"]),
        report=described.value,
        reports={"evaluation": described.artifact.digest, REFERENCE: reference.artifact.digest},
        uses=tuple(fitted.value["uses"]),
        held_out=_are_apart(run, fitted.number, evaluated.number),
        memoized=all(each is None or each.memoized for each in (searched, fitted, evaluated, reference, described)),
    )


def _are_apart(run: Run, learned: int, evaluated: int) -> bool:
    """Whether two steps of a run were given different examples, by the digests that it recorded."""
    inputs = Runs(run.workspace, run.project).inputs(run.id)
    digests = {each.step: each.digest for each in inputs if each.name == "examples"}
    return digests[learned] != digests[evaluated]


@step(hooks=("flavors",))
def search(workspace: Workspace, task: Task, examples: Examples, given: dict[str, Any], trials: int, seed: int) -> dict[str, Any]:
    """The parameters with which the task does best on a later part of the examples, and all that were tried."""
    learn, check = task.split(examples)

    def objective(params: Mapping[str, Any]) -> float:
        servable = _servable(workspace, task.fit(learn, {**given, **params}), _signature(task, learn))
        return float(task.evaluate(_predict(servable, check), check)[0].value)

    space = {name: dimension for name, dimension in task.space().items() if name not in given}
    return Tuner(workspace).search(objective, space, trials=trials, seed=seed).to_json()


@step(hooks=("flavors",))
def fit(workspace: Workspace, task: Task, examples: Examples, params: dict[str, Any]) -> dict[str, Any]:
    """The digest of the package of a model that learned from the examples, and what explains it."""
    model = task.fit(examples, params)
    plan = None if examples.plan is None else examples.plan.to_json()
    package = packages.build(workspace, model, _signature(task, examples), samples=examples.features, plan=plan)
    explained = Report("", task.explain(model, examples)).to_json()["blocks"]
    return {"package": package.digest, "rows": len(examples), "explained": explained, "uses": _uses(examples)}


@step(hooks=("flavors",))
def evaluate(workspace: Workspace, task: Task, package: str, examples: Examples) -> dict[str, Any]:
    """The cells of a package on examples, and what people should see of its predictions."""
    servable = load_servable(packages.load(workspace, package), workspace.plugins)
    predictions = _predict(servable, examples)
    cells = Cells(task.evaluate(predictions, examples))
    if not cells:
        raise DefinitionError(f"{type(task).__name__}.evaluate returned no cells", hint="return at least one Cell for all rows")
    return {"cells": cells.to_json(), "rows": len(examples), "shown": Report("", task.show(predictions, examples)).to_json()["blocks"]}


@step(hooks=("flavors",))
def refer(workspace: Workspace, package: str, examples: Examples) -> Reference:
    """What features and predictions looked like in training, to tell drift by; of evenly spaced rows where there are many."""
    servable = load_servable(packages.load(workspace, package), workspace.plugins)
    some = examples.take(slice(None, None, max(1, len(examples) // _REFERENCE_ROWS)))
    return Reference.of({**some.features, **_predict(servable, some)})


def _signature(task: Task, examples: Examples) -> Signature:
    return Signature(inputs=examples.inputs, outputs=task.outputs(examples), tolerance=task.tolerance)


def _servable(workspace: Workspace, model: Any, signature: Signature) -> Servable:
    flavor = flavor_of(workspace.plugins, model)
    return flavor.load(flavor.save(model, signature), signature)


def _predict(servable: Servable, examples: Examples) -> dict[str, Column]:
    return servable.predict(servable.signature.settle(examples.features, "the examples"))


def _value(examples: "Examples | Outcome[Examples]") -> Examples:
    return examples.value if isinstance(examples, Outcome) else examples


def _uses(examples: Examples) -> list[str]:
    """References of the feature views, and of the features of them, that the examples' plan reads."""
    plan = examples.plan
    read = [] if plan is None else [(view, name) for view in plan.views for name in ("", *(each.feature for each in view.outputs))]
    return [feature_reference(examples.read_plan.project, view.view, view.version, name) for view, name in read]
