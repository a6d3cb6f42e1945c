"""`intonaco why`: which part of a step's key changed, so that it ran again."""

from typing import TYPE_CHECKING, Any

import click

from intonaco.infra.platform.answers import Answer, answering
from intonaco.infra.platform.cli import open_workspace

if TYPE_CHECKING:
    from intonaco.infra.lineage.runs.records import StepRecord
    from intonaco.infra.workspace import Workspace

__all__ = ["why"]

_SHOWN = 60


@click.command()
@click.argument("run")
@click.argument("step", default="")
@answering
def why(run: str, step: str) -> Answer:
    """Tell what made a run's steps run again.

    Each step's key is compared with that of the latest finished call before; STEP is the number of one, or its function's name.
    """
    from intonaco.infra.lineage.runs.runs import Runs

    with open_workspace() as workspace:
        runs = Runs(workspace)
        record = runs.get(run)
        told = [_told(workspace, each) for each in _chosen(runs.steps(record.id), step, record.id)]
    rows = [row for each in told for row in _rows(each)]
    lines = [] if rows else [f"Run {record.id} called no step."]
    return Answer(data={"run": record.id, "steps": told}, lines=lines, rows=rows, next=f"intonaco runs show {record.id}")


def _chosen(steps: "list[StepRecord]", wanted: str, run: str) -> "list[StepRecord]":
    from intonaco.core.errors import MissingError
    from intonaco.core.schema import suggestion

    found = [each for each in steps if wanted in ("", str(each.number), _name(each))]
    if wanted and not found:
        raise MissingError(f"run {run} has no step {wanted!r}", hint=suggestion(wanted, {_name(each) for each in steps}), field=wanted)
    return found


def _name(step: "StepRecord") -> str:
    return step.function.rpartition(":")[2]


def _told(workspace: "Workspace", step: "StepRecord") -> dict[str, Any]:
    """What became of a step, the call that it is compared with, and what differs."""
    from attrs import asdict

    from intonaco.core.errors import MissingError
    from intonaco.infra.lineage.runs import why as lineage

    before = lineage.previous(workspace, step)
    shown = {"step": step.number, "function": step.function, "status": step.status, "memoized": step.memoized}
    if before is None:
        return {**shown, "before": None, "changed": [], "summary": "never called before"}
    compared = {**shown, "before": {"run": before.run, "step": before.number}}
    try:
        changed = lineage.why(workspace, step, before)
    except MissingError as error:
        return {**compared, "changed": [], "summary": error.message}
    summary = "; ".join(map(str, changed)) or ("same key: the result was there" if step.memoized else "same key: it ran again all the same")
    return {**compared, "changed": [asdict(each) for each in changed], "summary": summary}


def _rows(told: dict[str, Any]) -> list[dict[str, Any]]:
    """One line for each difference, or one that says why there is none."""
    status = "memoized" if told["memoized"] else told["status"]
    shown = {"step": told["step"], "function": told["function"].rpartition(":")[2], "status": status}
    changed = [{name: text[:_SHOWN] for name, text in each.items()} for each in told["changed"]]
    return [{**shown, **each} for each in changed or [{"what": told["summary"], "name": "", "before": "", "after": ""}]]
