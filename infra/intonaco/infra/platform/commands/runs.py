"""`intonaco runs`: what was done, step by step."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from intonaco.infra.platform.answers import Answer, answering
from intonaco.infra.platform.cli import open_workspace
from intonaco.infra.platform.groups import Commands

if TYPE_CHECKING:
    from intonaco.infra.lineage.runs.records import InputRecord, StepRecord

__all__ = ["runs"]


@click.group(cls=Commands)
def runs() -> None:
    """List runs and show their steps."""


@runs.command("list")
@click.option("--limit", default=20, show_default=True, help="How many, the newest first.")
@answering
def list_runs(limit: int) -> Answer:
    """List the project's runs, the newest first."""
    from intonaco.infra.lineage.runs.runs import Runs

    with open_workspace() as workspace:
        found = Runs(workspace).list(limit=limit)
    rows = [
        {
            "run": each.id,
            "name": each.name,
            "status": each.status,
            "started": f"{each.started_at:%Y-%m-%d %H:%M:%S}",
            "seconds": each.seconds,
        }
        for each in found
    ]
    return Answer(
        data={"runs": rows},
        rows=rows,
        lines=[] if rows else ["Nothing has run yet."],
        next="intonaco runs show RUN" if rows else "intonaco demo",
    )


@runs.command()
@click.argument("run")
@answering
def show(run: str) -> Answer:
    """Show a run's steps, what they were given and what they made."""
    from intonaco.infra.lineage.runs.runs import Runs

    with open_workspace() as workspace:
        found = Runs(workspace)
        record = found.get(run)
        steps, inputs, metrics = found.steps(record.id), found.inputs(record.id), found.metrics(record.id)
    rows = [_step(each, inputs) for each in steps]
    data = {name: getattr(record, name) for name in ("name", "status", "error", "code", "params")}
    logged = [{"name": each.name, "step": each.step, "value": each.value} for each in metrics]
    return Answer(
        data={"run": record.id, **data, "steps": rows, "metrics": logged},
        lines=[f"{record.name}: {record.status} {record.error}".rstrip()],
        rows=rows,
        next=f"intonaco why {record.id} tells what a step's key is made of",
    )


def _step(step: "StepRecord", inputs: "Sequence[InputRecord]") -> dict[str, Any]:
    return {
        "step": step.number,
        "function": step.function.rpartition(":")[2],
        "status": "memoized" if step.memoized else step.status,
        "seconds": step.seconds,
        "result": f"{step.artifact.kind} {step.artifact.digest[:12]}" if step.artifact else "",
        "inputs": ", ".join(f"{each.name}={each.reference or each.digest[:12]}" for each in inputs if each.step == step.number),
    }
