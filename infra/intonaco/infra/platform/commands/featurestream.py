"""`intonaco features consume` and `intonaco features dead`: streams of events, and those of them that could not take effect."""

import json
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from intonaco.infra.platform.answers import Answer, answering, say
from intonaco.infra.platform.cli import open_workspace
from intonaco.infra.platform.featureviews import views_named
from intonaco.infra.platform.moments import iso

if TYPE_CHECKING:
    from types import FrameType

    from intonaco.infra.features.streams.consumer import Consumed
    from intonaco.infra.features.streams.deadletters import DeadLetter

__all__ = ["consume", "dead"]

_PREVIEW = 200


@click.command()
@click.argument("names", metavar="SET_OR_VIEW...", nargs=-1, required=True)
@click.option("--once", is_flag=True, help="Take what waits now, and end.")
@click.option("--land-every", "land_every_s", type=click.FloatRange(min=0.05), default=10.0, help="Seconds until events land in tables.")
@answering
def consume(names: Sequence[str], once: bool, land_every_s: float) -> Answer:
    """Take the events of the topics that views read, until Ctrl-C or SIGTERM: online at once, and into tables."""
    import time

    from intonaco.infra.features.store import FeatureStore

    began = time.perf_counter()
    with open_workspace() as workspace:
        store = FeatureStore(workspace, workspace.settings.project)
        views = [view for name in names for view in views_named(store, name)]
        with store.consumer(views, land_every_s=land_every_s) as consumer:
            if once:
                consumer.drain()
            else:
                with _until_stopped() as stop:
                    as_json = click.get_current_context().params.get("as_json")
                    click.echo(f"Consuming {', '.join(consumer.state().lag)}; Ctrl-C stops it.", err=bool(as_json))
                    consumer.run(stop, _tell, every_s=5.0)
            state = consumer.state()
    seconds = round(time.perf_counter() - began, 3)
    data = {
        "names": list(names),
        "events": state.events,
        "dead": state.dead,
        "ahead": state.ahead,
        "lag": dict(state.lag),
        "seconds": seconds,
    }
    lines = [f"{state.events:,} events took effect in {seconds:.1f} s, {state.dead:,} were kept aside.", *_lagging(state)]
    following = f"dead {next(iter(state.lag))}" if state.dead else f"show {names[0]}"
    return Answer(data=data, lines=lines, next=f"intonaco features {following}")


@click.command()
@click.argument("name", metavar="VIEW_OR_TOPIC")
@click.option("--replay", is_flag=True, help="Append them to their topic again, once what kept them aside is mended.")
@answering
def dead(name: str, replay: bool) -> Answer:
    """Show the events of a topic that could not take effect, each with its reason."""
    from intonaco.infra.features.store import FeatureStore

    with open_workspace() as workspace:
        store = FeatureStore(workspace, workspace.settings.project)
        letters = store.dead_letters(name)
        events = store.events_of(name, letters)
        replayed = store.replay(name, letters) if replay else 0
    rows = [_told(letter, *event) for letter, event in zip(letters, events, strict=True)]
    lines = [f"{len(rows):,} events were kept aside." if rows else "Nothing was kept aside."]
    lines += [f"{replayed:,} were appended again; a consumer takes them."] if replay else []
    following = f"intonaco features consume {name}" if replay or not rows else f"intonaco features dead {name} --replay"
    if any(row["replay_of"] for row in rows) and not replay:
        lines += ["What was replayed before met the same fault: mend the definition, or append these events corrected."]
        following = f"{following}, once they can take effect"
    shown = [{**{key: row[key] for key in ("place", "at", "reason", "field")}, "event": _preview(row)} for row in rows]
    return Answer(data={"name": name, "dead": rows, "replayed": replayed}, lines=lines, rows=shown, next=following)


def _told(letter: "DeadLetter", event: Any, replay_of: str) -> dict[str, Any]:
    """A letter; `event` is null where its bytes are none."""
    place = f"{letter.partition}.{letter.offset}.{letter.row}"
    about = {"place": place, "at": iso(letter.at_us), "reason": letter.reason, "field": letter.field}
    return {**about, "event": event, "bytes": len(letter.event), "replay_of": replay_of}


def _preview(row: Mapping[str, Any]) -> str:
    text = json.dumps(row["event"], ensure_ascii=False) if row["event"] is not None else f"{row['bytes']} bytes that are no event"
    return text if len(text) <= _PREVIEW else f"{text[: _PREVIEW - 1]}…"


def _tell(state: "Consumed") -> None:
    for line in _lagging(state) or [f"{state.events:,} events, {state.dead:,} kept aside, nothing waits"]:
        say(line)


def _lagging(state: "Consumed") -> list[str]:
    lines = [f"{topic}: {records:,} records wait" for topic, records in state.lag.items() if records]
    lines += [f"{state.ahead:,} events are ahead of the clock and wait for their time"] if state.ahead else []
    return lines + ([f"trying again: {state.fault}"] if state.fault else [])


@contextmanager
def _until_stopped() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, so that what is under way is finished and landed."""
    stop = threading.Event()

    def stopped(_: int, __: "FrameType | None") -> None:
        stop.set()

    before = {number: signal.signal(number, stopped) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
