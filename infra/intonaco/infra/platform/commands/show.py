"""`intonaco features show`: one definition, who uses it, and what its values look like."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from intonaco.infra.platform.answers import Answer, answering
from intonaco.infra.platform.cli import open_workspace

if TYPE_CHECKING:
    from intonaco.infra.features.store import FeatureStore
    from intonaco.infra.features.writing.statistics import Statistics

__all__ = ["show"]

#: What to do with a definition that was shown.
_NEXT = {
    "view": "intonaco features materialize {}",
    "set": "intonaco features get {} --keys JSON",
    "entity": "intonaco features search {}",
    "labels": "intonaco train PLATFORM.TASK --set SET --labels {}",
}
_WORDS = ("owner", "source", "watermark", "online", "newest_event")


@click.command()
@click.argument("name", metavar="NAME")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write one self-contained page there.")
@answering
def show(name: str, html: Path | None) -> Answer:
    """Show a view, a set, an entity or labels: NAME, NAME@VERSION or NAME@ALIAS."""
    from intonaco.infra.features.store import FeatureStore
    from intonaco.infra.platform.featurepages import page
    from intonaco.infra.platform.featurereports import picture, view_report

    with open_workspace() as workspace:
        store = FeatureStore(workspace, workspace.settings.project)
        shown = page(store, name)
        found, fault = _statistics(store, shown)
    if html:
        view_report(shown, found).save(html)
    lines = [*_lines(shown), *([f"Its features cannot be read: {fault}"] if fault else []), *([f"Wrote {html}."] if html else [])]
    following = f"open {html} in a browser" if html else _NEXT[shown["kind"]].format(shown["name"])
    rows = [{key: ", ".join(value) if isinstance(value, list) else value for key, value in row.items()} for row in _rows(shown)]
    data = {**shown, "fault": fault or None, "file": str(html.absolute()) if html else None}
    return Answer(data=data, lines=lines, picture=picture(found), rows=rows, next=following)


def _rows(shown: dict[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = shown["features"] or shown["keys"]
    return rows


def _lines(shown: dict[str, Any]) -> list[str]:
    lines = [f"{shown['kind']} {shown['name']}, version {shown['version']}: {shown['description'] or 'without a description'}"]
    lines += [f"{word.replace('_', ' ')}: {shown[word]}" for word in _WORDS if shown.get(word)]
    lines += [f"used by: {', '.join(shown['used_by'])}"] if shown.get("used_by") else []
    lines += [f"quality: {shown['quality']:.4g}"] if shown.get("quality") is not None else []
    lines += [_certified(shown["certificate"])] if shown.get("certificate") else []
    for told in shown.get("consistency", ()):
        lines.append(f"equal online and offline, set {told['set']}: {100 * told['equal']:.2f} %, measured {told['measured_at']}")
    for each in shown.get("expectations", ()):
        last = each["last"]
        how = "not tried yet" if last is None else f"{last['violations']:,} of {last['rows']:,} rows violated it, {last['at']}"
        lines.append(f"{each['mode']} {each['check']}: {how}")
    return lines


def _certified(told: dict[str, Any]) -> str:
    if told["passed"]:
        return f"certified: one answer by every way on {told['examples']:,} generated streams, {told['certified_at']}"
    return f"refuted, {told['certified_at']}: {told['difference']}"


def _statistics(store: "FeatureStore", shown: dict[str, Any]) -> "tuple[dict[str, Statistics], str]":
    """Of a view's features as of a sample of moments, and of all its events; and why the features cannot be read, if they cannot."""
    from intonaco.core.errors import IntonacoError
    from intonaco.infra.features.defined.views import FeatureView
    from intonaco.infra.features.samples import feature_statistics
    from intonaco.infra.features.writing.statistics import statistics

    if shown["kind"] != "view":
        return {}, ""
    view = store.registry.get("view", shown["name"], shown["version"]).definition
    assert isinstance(view, FeatureView)
    stored, number = store.registry.stored(view, shown["version"])
    found = {"events, as they were materialized": statistics(store.workspace.tables, store.project, stored.name, number)}
    try:
        return {"features, as of a sample of events": feature_statistics(store, view), **found}, ""
    except IntonacoError as error:
        return found, error.message
