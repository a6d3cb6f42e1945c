"""`intonaco train`: every task of every installed platform, its fields as options."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from intonaco.infra.platform.answers import Answer, answering, say
from intonaco.infra.platform.cli import open_workspace
from intonaco.infra.platform.groups import Commands
from intonaco.infra.platform.options import of_fields, with_fields

if TYPE_CHECKING:
    from intonaco.infra.platform.platform import Platform
    from intonaco.infra.platform.task import Task

__all__ = ["train"]


#: Options of every task's command; a field of such a name becomes `--task-NAME`.
_OWN = ("examples", "held-out", "set", "table", "at", "aside", "category", "labels", "register", "trials", "seed", "json", "help")


class TaskTable(Commands):
    """One command for each task, `PLATFORM.TASK`; platforms are imported when they are asked for."""

    noun = "task"

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_tasks())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = _tasks().get(cmd_name)
        return None if found is None else _command(cmd_name, *found)


@click.command(cls=TaskTable)
def train() -> None:
    """Train a task of a platform: search, fit, package, evaluate, register."""


def _tasks() -> dict[str, tuple[type["Platform"], type["Task"]]]:
    from intonaco.core.plugins import load_path, platforms

    found = [(name, load_path(path)) for name, path in platforms().items()]
    return {f"{name}.{_dashed(task.__name__)}": (platform, task) for name, platform in found for task in platform.tasks}


def _command(name: str, platform: type["Platform"], task: type["Task"]) -> click.Command:
    @click.option("--examples", metavar="MODULE:STEP", help="Import path of a step that makes the examples.")
    @click.option(
        "--held-out", metavar="MODULE:STEP", help="Import path of a step that makes held-out examples; by default the task splits them off."
    )
    @click.option("--set", "feature_set", help="A feature set, whose features make the examples.")
    @click.option("--table", help="A table, whose columns are the features: wine, or wine@3.")
    @click.option("--labels", help="The labels of the feature set's examples; of a table the columns to be told, by default the target.")
    @click.option("--at", default="", metavar="COLUMN", help="Of a table, the column of moments; the last rows are held out.")
    @click.option("--aside", multiple=True, metavar="COLUMN", help="Of a table, a column that the model does not see.")
    @click.option("--category", multiple=True, metavar="COLUMN", help="Of a table, a text column whose values are all that there are.")
    @click.option("--register", help="Register the result as a version of this model.")
    @click.option("--trials", default=0, show_default=True, help="How many parameters to try.")
    @click.option("--seed", default=0, show_default=True, help="Of the search.")
    @answering
    def command(**given: Any) -> Answer:
        return _train(platform, task, given)

    summary = (task.__doc__ or "").strip().split("\n")[0]
    return click.command(name, help=summary)(with_fields(command, task, _OWN))


def _train(platform: type["Platform"], task: type["Task"], given: Mapping[str, Any]) -> Answer:
    chosen = of_fields(task, given)
    with platform(open_workspace()) as opened:
        examples, held_out = _examples(opened, given)
        say("training")
        trained = opened.train(chosen, examples, held_out=held_out, trials=given["trials"], seed=given["seed"])
        version = trained.register(given["register"]) if given["register"] else None
    overall = [cell for cell in trained.cells.to_json() if not cell["segment"]]
    told = version.short if version else "nothing (give --register NAME)"
    lines = [
        f"Every step had its result already; {told} is as it was."
        if trained.memoized
        else f"Trained {told}, package {trained.package[:12]}."
    ]
    data = {
        "run": trained.run_id,
        "package": trained.package,
        "params": trained.params,
        "cells": trained.cells.to_json(),
        "memoized": trained.memoized,
    }
    following = (
        f"intonaco report {version.short}, or intonaco deploy {version.model}" if version else f"intonaco runs show {trained.run_id}"
    )
    return Answer(data={**data, "version": version.reference if version else None}, lines=lines, rows=overall, next=following)


def _examples(platform: "Platform", given: Mapping[str, Any]) -> tuple[Any, Any]:
    from intonaco.core.errors import InvalidError

    if given["feature_set"]:
        if not given["labels"]:
            raise InvalidError("a feature set needs labels to make examples", hint="--labels NAME", field="labels")
        return platform.training_set(given["feature_set"], labels=given["labels"]), None
    if given["table"]:
        return _of_table(platform, given), None
    if not given["examples"]:
        hint = "give --table and --labels, --set and --labels, or --examples MODULE:STEP"
        raise InvalidError("there is nothing to learn from", hint=hint, field="examples")
    with platform.runs.start(f"examples {given['examples']}") as run:
        made = [run.call(_step(path)) if path else None for path in (given["examples"], given["held_out"])]
    return made[0], made[1]


def _of_table(platform: "Platform", given: Mapping[str, Any]) -> Any:
    from intonaco.core.errors import InvalidError

    labels = [name.strip() for name in (given["labels"] or given.get("field_target") or "").split(",") if name.strip()]
    if not labels:
        raise InvalidError("a table needs labels, the columns to be told", hint="--labels COLUMN", field="labels")
    return platform.examples(given["table"], labels=labels, at=given["at"], aside=given["aside"], categories=given["category"])


def _step(path: str) -> Any:
    import os
    import sys

    from intonaco.core.errors import InvalidError
    from intonaco.core.plugins import load_path
    from intonaco.infra.lineage.runs.steps import Step

    sys.path.insert(0, os.environ.get("INTONACO_WORKSPACE") or os.getcwd())
    found = load_path(path)
    if not isinstance(found, Step):
        raise InvalidError(f"{path} is not a step", hint="decorate the function with @step", field="examples")
    return found


def _dashed(name: str) -> str:
    return "".join(f"-{char.lower()}" if char.isupper() and place else char.lower() for place, char in enumerate(name))
