"""What `features show` tells of a view beside its definition, and what writes and materialization tell of their rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from intonaco.infra.features.checking.certificates import Certificates, certify
from intonaco.infra.features.definitions import FeatureView
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.monitoring.alerts import Alerts
from intonaco.infra.workspace import Workspace

Ask = Callable[..., tuple[int, dict[str, Any]]]
Run = Callable[..., tuple[int, str, str]]

DEFINITIONS = """
from intonaco.core.schema import Field, Schema
from intonaco.infra.features.definitions import *
held = Schema((Field("late", "float64", nullable=True), Field("driver", "str", tags=("private",))))
delays = FeatureView(
    name="delays", entity=Entity("stop", {"stop": "str"}), source=TableSource("passed", held, time="when"),
    features=[mean("late", over="1h"), columns("driver")], owner="maps", tags=["city"],
    expectations=[aside(InRange("late", -60, 600)), warn(Fresh("when", "2h"))],
)
DEFINITIONS = [FeatureSet(name="lateness", features=[delays])]
"""
EVENTS = "stop,when,late,driver\n" + "".join(
    f"{stop},2024-01-0{day}T0{hour}:00:00Z,{day * hour + 0.5},Ada Lovelace {hour}\n" for day in (1, 2) for hour in range(4) for stop in "ab"
)


@pytest.fixture(autouse=True)
def applied(ask: Ask, root: Path) -> None:
    (root / "intonaco.toml").write_text('definitions = ["definitions"]\n')
    (root / "definitions.py").write_text(DEFINITIONS)
    assert ask("features", "apply")[0] == 0


def ingest(ask: Ask, root: Path, text: str) -> dict[str, Any]:
    (root / "passed.csv").write_text(text)
    code, told = ask("tables", "ingest", "passed", str(root / "passed.csv"))
    assert code == 0, told
    return told


def materialize(ask: Ask) -> dict[str, Any]:
    code, told = ask("features", "materialize", "lateness", "--until", "2024-01-02T04:00:00Z")
    assert code == 0, told
    return told


def test_rows_that_are_kept_aside_are_told_listed_and_alerted(ask: Ask, root: Path) -> None:
    told = ingest(ask, root, EVENTS + "c,2024-01-02T03:00:00Z,9999.5,Bob\n")
    assert (told["rows"], told["aside"], told["kept"]) == (16, 1, "table:default/passed.refused@0")
    assert "violate InRange" in told["warnings"][0]
    _, listed = ask("tables", "list")
    assert [each["table"] for each in listed["tables"]] == ["default/passed"]
    assert [each["rows"] for each in listed["refused"]] == [1]
    with Workspace.open(root) as workspace:
        monitors = {alert.monitor for alert in Alerts(workspace).list()}
    assert "quality passed InRange(column='late', low=-60, high=600)" in monitors


def test_a_view_tells_statistics_readers_freshness_and_the_last_verdicts(ask: Ask, root: Path) -> None:
    ingest(ask, root, EVENTS)
    materialize(ask)
    _, told = ask("features", "show", "delays")
    assert told["used_by"] == ["set:default/lateness@1"]
    assert told["newest_event"] == "2024-01-02T03:00:00Z"
    assert told["certificate"] is None
    late = next(each for each in told["statistics"] if each["column"] == "late")
    assert (late["rows"], late["days"], late["min"], late["max"], late["mean"]) == (16, 2, 0.5, 6.5, pytest.approx(2.75))
    assert [(each["mode"], each["last"]["violations"]) for each in told["expectations"]] == [("aside", 0), ("warn", 16)]
    assert [each["tags"] for each in told["features"]] == [[], ["private"]]
    assert told["quality"] == 0.0, "no row was fresh"


def test_personal_data_of_bad_rows_are_in_no_message_verdict_or_alert(ask: Ask, run: Run, root: Path) -> None:
    (root / "bad.csv").write_text(EVENTS + "c,2024-01-02T03:00:00Z,9999.5,Lovelace\n")
    code, out, err = run("tables", "ingest", "passed", str(root / "bad.csv"))
    assert code == 0
    _, shown, _ = run("features", "show", "delays")
    logs = "".join(path.read_text() for path in (root / ".intonaco" / "log").glob("*"))
    assert "***" in out
    assert "Lovelace" not in out + err + shown + logs


def test_personal_data_are_on_no_page_and_in_no_statistics(ask: Ask, run: Run, root: Path) -> None:
    ingest(ask, root, EVENTS)
    materialize(ask)
    page = root / "page.html"
    code, out, _ = run("features", "show", "delays", "--html", str(page))
    assert code == 0
    assert "Lovelace" not in out + page.read_text()
    _, told = ask("features", "show", "delays")
    driver = next(each for each in told["statistics"] if each["column"] == "driver")
    assert driver == {"column": "driver", "rows": 16, "nulls": 0, "null_share": 0.0, "distinct": 4, "days": 2}


def test_the_picture_shows_features_and_events(ask: Ask, run: Run, root: Path) -> None:
    ingest(ask, root, EVENTS)
    materialize(ask)
    _, out, _ = run("features", "show", "delays")
    assert "late_mean_1h" in out
    assert "█" in out
    assert "aside InRange" in out
    assert "used by: set:default/lateness@1" in out


def test_what_was_measured_and_certified_is_told(ask: Ask, run: Run, root: Path) -> None:
    ingest(ask, root, EVENTS)
    materialize(ask)
    assert ask("features", "get", "lateness", "--keys", '{"stop": "a"}', "--at", "2024-01-02T04:00:00Z")[0] == 0
    assert ask("features", "consistency", "lateness")[1]["share"] == 1.0
    with Workspace.open(root) as workspace:
        store = FeatureStore(workspace)
        view = store.registry.get("view", "delays").definition
        assert isinstance(view, FeatureView)
        Certificates(workspace.catalog, "default").record(certify(view, 1, workspace.engine, examples=2))
    _, out, _ = run("features", "show", "delays")
    assert "equal online and offline, set lateness: 100.00 %" in out
    assert "certified: one answer by every way on" in out
    assert ask("features", "show", "lateness")[1]["consistency"][0]["equal"] == 1.0


def test_a_table_that_is_older_than_expected_is_told_when_it_is_materialized(ask: Ask, root: Path) -> None:
    ingest(ask, root, EVENTS)
    assert materialize(ask)["views"][0]["warnings"] == []
    code, told = ask("features", "materialize", "lateness", "--until", "2024-01-02T09:00:00Z")
    assert code == 0
    assert told["views"][0]["warnings"] == ["the newest event of default/passed is 6h old, expected Fresh(column='when', within=2h)"]


def test_an_alias_names_a_version(ask: Ask, root: Path) -> None:
    with Workspace.open(root) as workspace:
        FeatureStore(workspace).registry.set_alias("view", "delays", "proved", 1)
    assert ask("features", "show", "delays@proved")[1]["version"] == 1
    assert ask("features", "show", "delays@nobody")[1]["error"]["code"] == "MissingError"


def test_definitions_are_found_by_who_reads_them_and_by_tags_of_columns(ask: Ask) -> None:
    def names(*options: str) -> list[str]:
        return [found["name"] for found in ask("features", "search", *options)[1]["found"]]

    assert names("--used-by", "lateness", "--kind", "view") == ["delays"]
    assert names("--tag", "private", "--kind", "view") == ["delays"]


@pytest.mark.parametrize("width", [80, 100, 120])
def test_figures_fit_a_terminal_and_a_page_is_small(ask: Ask, run: Run, root: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    ingest(ask, root, EVENTS)
    materialize(ask)
    monkeypatch.setenv("COLUMNS", str(width))
    _, shown, _ = run("features", "show", "delays", "--html", str(root / "delays.html"))
    figures = shown.partition("statistics")[2].partition("\n feature")[0].splitlines()
    assert max(len(line.rstrip()) for line in figures) <= width
    for name in ("late_mean_1h", "driver"):
        [line] = [line for line in figures if f" {name} " in line]
        assert "%" in line
    assert "…" not in "".join(figures)
    page = (root / "delays.html").read_text()
    assert len(page) < 100_000
    assert "<script" not in page
