"""`intonaco models`: models, their versions, and who moved which alias when."""

from typing import TYPE_CHECKING, Any

import click

from intonaco.infra.platform.answers import Answer, answering
from intonaco.infra.platform.cli import open_workspace
from intonaco.infra.platform.groups import Commands

if TYPE_CHECKING:
    from intonaco.infra.lineage.registry.registry import Version

__all__ = ["models"]


@click.group(cls=Commands)
def models() -> None:
    """List models and versions, move aliases, see who uses what."""


@models.command("list")
@answering
def list_models() -> Answer:
    """List the project's models with their newest versions."""
    from intonaco.infra.lineage.registry.registry import Registry

    with open_workspace() as workspace:
        registry = Registry(workspace)
        rows = [{**_summary(registry.version(name)), "aliases": registry.aliases(name)} for name in registry.models()]
    lines = [] if rows else ["There are no models yet."]
    return Answer(data={"models": rows}, lines=lines, rows=rows, next="intonaco models show NAME" if rows else "intonaco train --help")


@models.command()
@click.argument("reference")
@answering
def show(reference: str) -> Answer:
    """Show one version: eta, eta@3 or eta@champion."""
    from intonaco.infra.lineage.registry.registry import Registry

    with open_workspace() as workspace:
        version = Registry(workspace).version(reference)
    cells = version.cells.to_json()
    overall = [cell for cell in cells if not cell["segment"]]
    data = {**_summary(version), "run": version.run_id, "package": version.package, "parents": version.parents, "cells": cells}
    lines = [f"{version.reference}, package {version.package[:12]}, run {version.run_id}"]
    return Answer(
        data=data, lines=lines, rows=overall, next=f"intonaco report {version.short}, or intonaco deploy {version.model} {version.short}"
    )


@models.command()
@click.argument("model")
@answering
def versions(model: str) -> Answer:
    """List all versions of a model."""
    from intonaco.infra.lineage.registry.registry import Registry

    with open_workspace() as workspace:
        rows = [_summary(version) for version in Registry(workspace).versions(model)]
    return Answer(data={"versions": rows}, rows=rows, next=f"intonaco models show {model}@{rows[-1]['version']}")


@models.command()
@click.argument("model")
@click.argument("alias")
@click.argument("number", type=int)
@click.option("--why", default="", help="The reason, for the history.")
@answering
def alias(model: str, alias: str, number: int, why: str) -> Answer:
    """Let an alias name a version; the move is kept for good."""
    import getpass

    from attrs import asdict

    from intonaco.infra.lineage.registry.registry import Registry

    with open_workspace() as workspace:
        move = Registry(workspace).set_alias(model, alias, number, by=getpass.getuser(), why=why)
    return Answer(data=asdict(move), lines=[f"{model}@{alias} is version {number} now."], next=f"intonaco models history {model}")


@models.command()
@click.argument("model")
@answering
def history(model: str) -> Answer:
    """Tell who moved which alias of a model when, and why."""
    from attrs import asdict

    from intonaco.infra.lineage.registry.registry import Registry

    with open_workspace() as workspace:
        rows = [asdict(move) for move in Registry(workspace).history(model)]
    return Answer(
        data={"moves": rows}, rows=rows, lines=[] if rows else ["No alias was ever moved."], next=f"intonaco models versions {model}"
    )


@models.command()
@click.argument("reference")
@answering
def uses(reference: str) -> Answer:
    """List the versions that read a table or a feature view: table:default/flights, view:default/weather_now."""
    from intonaco.infra.lineage.registry.registry import Registry

    with open_workspace() as workspace:
        rows = [_summary(version) for version in Registry(workspace).uses(reference)]
    return Answer(
        data={"versions": rows},
        rows=rows,
        lines=[] if rows else [f"No version uses {reference}."],
        next="intonaco models show NAME@VERSION",
    )


def _summary(version: "Version") -> dict[str, Any]:
    first = next((cell for cell in version.cells if not cell.segment), None)
    metric = {"metric": first.metric, "value": first.value} if first else {"metric": "", "value": None}
    return {"model": version.model, "version": version.number, "held_out": version.held_out, **metric, "package": version.package[:12]}
