"""`intonaco demo`: the main job in one command."""

from pathlib import Path

import click

from intonaco.infra.platform.answers import Answer, answering, say

__all__ = ["demo"]


@click.command()
@click.argument("folder", default="./intonaco-demo", type=click.Path(file_okay=False, path_type=Path))
@click.option("--fresh", is_flag=True, help="Start over; what an earlier run left in FOLDER is removed.")
@answering
def demo(folder: Path, fresh: bool) -> Answer:
    """Correct the arrival times of a year of flights: data, features, training, serving, monitoring."""
    from attrs import asdict

    from intonaco.general.demo.job import Job

    result = Job(folder, fresh, say).run()
    where = f"-C {folder}"
    new = "new" if result.new_version else "as before: no new version"
    error = f"from {result.timetable_mae:.2f} to {result.corrected_mae:.2f} minutes, by {result.fell_by:.0%}"
    lines = [
        "",
        f"{result.version} ({new}) corrects the timetable at the endpoint {result.endpoint!r}.",
        f"On {result.rows_test:,} held-out flights the error fell {error}.",
        f"Online equals batch for {result.rows_compared:,} flights: {'yes, to the bit' if result.online_equals_batch else 'NO'}.",
        f"{len(result.alerts)} alerts; the report: {result.report}",
        f"{result.seconds} s, {result.peak_rss_mb:.0f} MB at most.",
    ]
    following = f"open {result.report}, then intonaco {where} serve"
    return Answer(data=asdict(result), lines=lines, next=following, exit_code=0 if result.online_equals_batch else 1)
