"""The main job from the command line, once as new and once more, and what can be asked of it afterwards."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from intonaco.ext.postgres.local import LocalPostgres
from intonaco.ext.redis.local import LocalRedis
from intonaco.ext.s3.local import LocalS3

pytestmark = pytest.mark.slow

TIMEOUT_S = 900
FIGURES = ("timetable_mae", "corrected_mae", "rows_train", "rows_test", "rows_compared", "online_equals_batch", "alerts", "version")

TABLES = ("flights", "weather_raw", "planes", "airports", "arrivals", "departures", "weather", "routes", "outcomes")


@frozen
class Told:
    """What a command printed."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def answer(self) -> dict[str, Any]:
        """The one JSON object."""
        made: dict[str, Any] = json.loads(self.out)
        return made


def intonaco(*arguments: str, environ: Mapping[str, str] | None = None) -> Told:
    began = time.monotonic()
    command = [sys.executable, "-m", "intonaco.infra.platform.cli", *arguments]
    streams: dict[str, Any] = {"capture_output": True, "text": True, "stdin": subprocess.DEVNULL}
    ran = subprocess.run(command, **streams, timeout=TIMEOUT_S, env={**os.environ, **(environ or {})}, check=False)
    return Told(ran.returncode, ran.stdout, ran.stderr, time.monotonic() - began)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("main-job") / "intonaco-demo"


@pytest.fixture(scope="module")
def first(folder: Path) -> Told:
    told = intonaco("demo", str(folder), "--json")
    assert told.code == 0, told.err
    return told


@pytest.fixture(scope="module")
def second(folder: Path, first: Told) -> Told:
    told = intonaco("demo", str(folder), "--json")
    assert told.code == 0, told.err
    return told


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The settings that put every store on a server, as variables of the environment."""
    home = tmp_path_factory.mktemp("servers")
    with LocalRedis.start(home / "redis") as redis, LocalS3.start(home / "s3") as s3, LocalPostgres.start(home / "postgres") as postgres:
        urls = {
            "BLOBS": f"{s3.url}/blobs",
            "TABLES": f"{s3.url}/tables",
            "KEYVALUE": redis.url,
            "STREAM": redis.url,
            "CATALOG": postgres.url,
        }
        yield {**s3.environ, **postgres.environ, **{f"INTONACO_STORES__{name}": url for name, url in urls.items()}}


class References(HTMLParser):
    """What a page would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {"script": "src", "img": "src", "iframe": "src", "link": "href", "source": "src", "object": "data"}
        found = dict(attrs).get(named.get(tag, ""))
        if found and not found.startswith("data:"):
            self.fetched.append(found)


class TestMainJob:
    def test_the_error_of_the_timetable_more_than_halves(self, first: Told) -> None:
        told = first.answer
        assert told["timetable_mae"] == pytest.approx(22.26, abs=0.005)
        assert told["corrected_mae"] < 9.9
        assert (told["rows_train"], told["rows_dropped"], told["rows_test"]) == (261_744, 132, 65_470)

    def test_online_equals_batch(self, first: Told) -> None:
        assert first.answer["online_equals_batch"] is True
        assert first.answer["rows_compared"] >= 2_000

    def test_a_handful_of_alerts_names_the_worst_days(self, first: Told) -> None:
        alerts = first.answer["alerts"]
        assert 3 <= len(alerts) <= 30
        for alert in alerts:
            assert {"monitor", "segment", "from", "to", "value", "threshold"} <= alert.keys()
            assert datetime.fromisoformat(alert["from"]) < datetime.fromisoformat(alert["to"])
            assert alert["value"] > alert["threshold"]
        days = [alert for alert in alerts if alert["monitor"] == "accuracy mae"]
        assert days
        assert all((datetime.fromisoformat(day["to"]) - datetime.fromisoformat(day["from"])).days == 1 for day in days)

    def test_its_memory_stays_below_a_gigabyte_and_a_half(self, first: Told) -> None:
        assert 100 < first.answer["peak_rss_mb"] < 1_536

    def test_the_report_is_one_page_that_fetches_nothing(self, first: Told, folder: Path) -> None:
        report = Path(first.answer["report"])
        assert report.parent == folder
        text = report.read_text(encoding="utf-8")
        assert References(text).fetched == []
        for shown in ("error of the timetable", "error, corrected", "online equals batch", "Accuracy over time", "What the trees use"):
            assert shown in text

    def test_standard_output_is_one_object_and_the_progress_goes_elsewhere(self, first: Told) -> None:
        assert first.out.count("\n") == 1
        assert first.answer["next"].startswith("open ")
        assert (first.answer["endpoint"], first.answer["version"]) == ("eta", "eta@1")
        assert 0 < first.answer["seconds"] <= first.seconds
        assert "training examples" in first.err
        assert "Traceback" not in first.err

    def test_a_second_run_finds_everything_done(self, first: Told, second: Told) -> None:
        assert {name: second.answer[name] for name in FIGURES} == {name: first.answer[name] for name in FIGURES}
        assert (first.answer["new_version"], second.answer["new_version"]) == (True, False)
        assert second.answer["seconds"] < first.answer["seconds"] / 3
        assert "nothing new to register" in second.err

    def test_no_table_was_written_twice(self, folder: Path, second: Told) -> None:
        told = intonaco("-C", str(folder), "tables", "list", "--json")
        assert told.code == 0, told.err
        versions = {table["table"].partition("/")[2]: table["version"] for table in told.answer["tables"]}
        assert {name: versions.get(name) for name in TABLES} == dict.fromkeys(TABLES, 0)

    def test_its_version_and_its_deployment_are_listed(self, folder: Path, second: Told) -> None:
        models = intonaco("-C", str(folder), "models", "list", "--json")
        versions = intonaco("-C", str(folder), "models", "versions", "eta", "--json")
        status = intonaco("-C", str(folder), "status", "--json")
        assert (models.code, versions.code, status.code) == (0, 0, 0), models.err + versions.err + status.err
        assert "eta" in models.out
        assert [version["version"] for version in versions.answer["versions"]] == [1]
        assert "eta" in status.out

    def test_the_ledger_holds_every_held_out_flight(self, folder: Path, second: Told) -> None:
        told = intonaco("-C", str(folder), "ledger", "eta", "--json", "--limit", "2")
        assert told.code == 0, told.err
        assert told.answer["matching"] >= 65_470
        assert len(told.answer["last"]) == 2

    def test_the_evaluation_can_be_written_as_a_page(self, folder: Path, second: Told, tmp_path: Path) -> None:
        page = tmp_path / "evaluation.html"
        told = intonaco("-C", str(folder), "report", "eta@1", "--html", str(page), "--json")
        assert told.code == 0, told.err
        assert References(page.read_text(encoding="utf-8")).fetched == []

    def test_the_endpoint_answers_in_this_process_too(self, folder: Path, second: Told) -> None:
        row = {
            "carrier": "UA",
            "flight": "1545",
            "tailnum": "N14228",
            "origin": "EWR",
            "dest": "IAH",
            "dep_delay": 12,
            "scheduled_block": 244,
        }
        told = intonaco("-C", str(folder), "predict", "eta", json.dumps(row), "--at", "2014-01-01T12:00Z", "--json")
        assert told.code == 0, told.err
        assert -60 < told.answer["predictions"][0]["error_min"] < 300

    def test_nothing_that_is_stored_is_damaged(self, folder: Path, second: Told) -> None:
        told = intonaco("-C", str(folder), "fsck", "--json")
        assert told.code == 0, told.out

    def test_the_version_is_reproduced_to_the_digest(self, folder: Path, second: Told) -> None:
        told = intonaco("-C", str(folder), "reproduce", "eta@1", "--json")
        assert told.code == 0, told.out
        verdicts = {node["function"].rpartition(":")[2]: node["verdict"] for node in told.answer["nodes"]}
        assert {"ingest", "derive", "examples", "search", "fit"} <= verdicts.keys()
        assert set(verdicts.values()) == {told.answer["verdict"]} == {"identical"}


class TestMainJobOnServers:
    """The same on Redis, S3 and PostgreSQL, by settings alone."""

    def test_every_figure_is_that_of_the_embedded_stores(
        self, first: Told, servers: dict[str, str], tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        folder = tmp_path_factory.mktemp("on-servers") / "demo"
        told = intonaco("demo", str(folder), "--json", environ=servers)
        assert told.code == 0, told.err
        assert {name: told.answer[name] for name in FIGURES} == {name: first.answer[name] for name in FIGURES}
        kept = [path.name for path in (folder / ".intonaco").iterdir()]
        assert not {"blobs", "tables", "online", "streams.db", "catalog.db"} & set(kept)
        for secret in (servers["INTONACO_STORES__KEYVALUE"], servers["INTONACO_STORES__CATALOG"], servers["AWS_SECRET_ACCESS_KEY"]):
            assert secret.partition("@")[0].rpartition(":")[2] not in told.out + told.err
        checked = intonaco("-C", str(folder), "fsck", "--json", environ=servers)
        assert checked.code == 0, checked.out
