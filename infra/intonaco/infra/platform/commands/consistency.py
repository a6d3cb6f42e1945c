"""`intonaco features consistency`: what was read online beside what the tables of events say."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from intonaco.infra.platform.answers import Answer, answering
from intonaco.infra.platform.cli import open_workspace
from intonaco.infra.platform.moments import iso, moment

if TYPE_CHECKING:
    from intonaco.infra.features.checking.consistency import Consistency

__all__ = ["consistency"]

_SHOWN = (
    "compared",
    "equal",
    "mismatch",
    "missing_online",
    "missing_offline",
    "not_yet",
    "greatest_difference",
    "greatest_age_difference_s",
)


@click.command()
@click.argument("name", metavar="SET")
@click.option("--since", "since_us", type=moment, help="Only reads as of this moment or later.")
@click.option("--until", "until_us", type=moment, help="Only reads as of moments before this one.")
@click.option("--every", default="1h", show_default=True, help="Length of the buckets of the time series: 1h, 1d.")
@click.option("--endpoint", default="", help="Reads of this endpoint's predictions, instead of the log of reads.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write one self-contained page there.")
@answering
def consistency(name: str, since_us: int | None, until_us: int | None, every: str, endpoint: str, html: Path | None) -> Answer:
    """Read again offline what was read online, and count what differs."""
    from intonaco.infra.features.checking.consistencyreport import advice, consistency_report
    from intonaco.infra.features.replay import keep, shares
    from intonaco.infra.features.store import FeatureStore
    from intonaco.infra.platform.featurereads import ledger_reads

    with open_workspace() as workspace:
        store = FeatureStore(workspace, workspace.settings.project)
        reads = ledger_reads(workspace, store.read_plan(name), endpoint) if endpoint else None
        found = store.consistency(name, reads, since=since_us, until=until_us, every=every)
        keep(store, found)
        report = consistency_report(found, shares(store, name))
    if html:
        report.save(html)
    told = [{"feature": feature, **figures} for feature, figures in found.features.items()]
    lines = [advice(found), *([f"Wrote {html}."] if html else [])]
    rows = [{"feature": row["feature"], **{key: row[key] for key in _SHOWN}} for row in told]
    following = f"open {html} in a browser" if html else f"intonaco features consistency {name} --html consistency.html"
    return Answer(data=_data(found, told, endpoint, html, advice(found)), lines=lines, rows=rows, next=following)


def _data(found: "Consistency", told: list[dict[str, Any]], endpoint: str, html: Path | None, text: str) -> dict[str, Any]:
    series = [{**row, "from": iso(row["from_us"])} for row in found.series.to_pylist()]
    about = {"set": found.name, "endpoint": endpoint or None, "reads": found.rows, "share": found.share, "counts": found.counts}
    left = {"reads_of_other_versions": found.others, "reads_dropped": found.dropped, "advice": text}
    return {**about, **left, "features": told, "series": series, "file": str(html.absolute()) if html else None}
