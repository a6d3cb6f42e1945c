"""`intonaco features materialize`: events of tables to hops and online entries, piece by piece, with progress shown."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from intonaco.infra.platform.answers import Answer, answering, say
from intonaco.infra.platform.cli import open_workspace
from intonaco.infra.platform.featureviews import views_named
from intonaco.infra.platform.moments import iso, moment

if TYPE_CHECKING:
    from intonaco.infra.features.defined.sets import FeatureSet
    from intonaco.infra.features.defined.views import FeatureView
    from intonaco.infra.features.store import FeatureStore
    from intonaco.infra.features.writing.materialization import Materialized
    from intonaco.infra.features.writing.moves import Advance

__all__ = ["materialize"]


@click.command()
@click.argument("name", metavar="SET_OR_VIEW")
@click.option("--until", "until_us", type=moment, help="Only events before this moment; now by default.")
@click.option("--rebuild", is_flag=True, help="Build anew, from a table that was replaced, while the old values are served.")
@answering
def materialize(name: str, until_us: int | None, rebuild: bool) -> Answer:
    """Store the events of a view, or of all views of a set, that are not stored yet.

    Whatever cuts it short, the same command goes on where it was.
    """
    import time

    from intonaco.infra.features.store import FeatureStore
    from intonaco.infra.platform.qualityalerts import alerting

    end_us = time.time_ns() // 1000 if until_us is None else until_us
    with open_workspace() as workspace:
        store = FeatureStore(workspace, workspace.settings.project)
        views = views_named(store, name)
        waiting = _not_landed(store, views)
        given = name if len(waiting) in (0, len(views)) else _all_of([view for view in views if view.name not in waiting])
        with alerting(workspace, {view.source.table for view in views}), _progress() as listener:
            done = [_told(each) for each in (store.rebuild if rebuild else store.materialize)(given, end_us, listener=listener)]
    for each in done:
        say(f"{each['view']}: {each['rows']:,} events in {each['seconds']:.1f} s")
    rows, seconds = sum(each["rows"] for each in done), sum(each["seconds"] for each in done)
    lines = [f"{rows:,} events were stored in {seconds:.1f} s; a later run goes on from each view's watermark."]
    lines += [warning for each in done for warning in each["warnings"]]
    lines += [f"Nothing of the topic of {view} has landed yet: intonaco features consume {view}" for view in waiting]
    data = {"name": name, "waiting": waiting, "until": iso(end_us), "rows": rows, "seconds": round(seconds, 3), "views": done}
    shown = [{key: value for key, value in each.items() if key not in ("warnings", "resumes")} for each in done]
    return Answer(data=data, lines=lines, rows=shown, next=f"intonaco features show {name}")


def _not_landed(store: "FeatureStore", views: "Sequence[FeatureView]") -> list[str]:
    """The views of topics of which no event has come into a table yet."""
    from intonaco.core.errors import MissingError
    from intonaco.infra.features.defined.sources import StreamSource

    waiting = []
    for view in views:
        if isinstance(view.source, StreamSource):
            try:
                store.workspace.tables.snapshot(f"{store.project}/{view.source.table}")
            except MissingError:
                waiting.append(view.name)
    return waiting


def _all_of(views: "Sequence[FeatureView]") -> "FeatureSet":
    """A set that reads all of these views, to name them together."""
    from intonaco.infra.features.defined.sets import FeatureSet

    return FeatureSet(name="together", features=[view.using(view.features[0].name, prefix=f"{view.name} ") for view in views])


def _told(done: "Materialized") -> dict[str, Any]:
    return {
        "view": done.view,
        "version": done.version,
        "rows": done.rows,
        "watermark": iso(done.until_us),
        "source": done.source,
        "seconds": round(done.seconds, 3),
        "resumes": {"row": done.source_rows, "from": iso(done.until_us)},
        "warnings": list(done.warnings),
    }


@contextmanager
def _progress() -> "Iterator[Callable[[Advance], None]]":
    """A bar for each table on standard error, where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("rows"), TimeRemainingColumn())
    tasks: dict[tuple[str, ...], Any] = {}
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bars:

        def told(advance: "Advance") -> None:
            if advance.views not in tasks:
                tasks[advance.views] = bars.add_task(", ".join(advance.views), total=advance.total)
            bars.update(tasks[advance.views], completed=advance.done, total=advance.total)

        yield told
