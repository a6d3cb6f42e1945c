"""`intonaco runs`: what was done, step by step."""

import click

from intonaco.infra.platform.answers import Answer, answering
from intonaco.infra.platform.cli import open_workspace
from intonaco.infra.platform.groups import Commands

__all__ = ["runs"]


@click.group(cls=Commands)
def runs() -> None:
    """List runs and show their steps."""


@runs.command("list")
@click.option("--limit", default=20, show_default=True, help="How many, the newest first.")
@answering
def list_runs(limit: int) -> Answer:
    """List the project's runs, the newest first."""
    from intonaco.infra.lineage.runs import Runs

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
    from intonaco.infra.lineage.runs import Runs

    with open_workspace() as workspace:
        found = Runs(workspace)
        record = found.get(run)
        steps, inputs, metrics = found.steps(record.id), found.inputs(record.id), found.metrics(record.id)
    rows = [
        {
            "step": each.number,
            "function": each.function.rpartition(":")[2],
            "status": "memoized" if each.memoized else each.status,
            "seconds": each.seconds,
            "result": f"{each.artifact.kind} {each.artifact.digest[:12]}" if each.artifact else "",
            "inputs": ", ".join(f"{given.name}={given.reference or given.digest[:12]}" for given in inputs if given.step == each.number),
        }
        for each in steps
    ]
    data = {
        "run": record.id,
        "name": record.name,
        "status": record.status,
        "error": record.error,
        "code": record.code,
        "params": record.params,
        "steps": rows,
    }
    logged = [{"name": each.name, "step": each.step, "value": each.value} for each in metrics]
    lines = [f"{record.name}: {record.status} {record.error}".rstrip()]
    return Answer(
        data={**data, "metrics": logged}, lines=lines, rows=rows, next=f"intonaco why {record.id} tells what a step's key is made of"
    )
