"""Consistency and selection from the command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Ask = Callable[..., tuple[int, dict[str, Any]]]
Run = Callable[..., tuple[int, str, str]]

DEFINITIONS = """
from intonaco.infra.features.definitions import *
stop = Entity("stop", {"stop": "str"})
passed = TableSource("passed", {"late": "float64", "line": "str?"}, time="when")
delays = FeatureView(name="delays", entity=stop, source=passed, features=[mean("late", over="1h"), columns("line")])
lateness = FeatureSet(name="lateness", features=[delays], request=[RequestColumn("rain")])
outcomes = Labels(name="outcomes", table="trips", keys=["trip"], value="end_late", final="end", at="begin")
DEFINITIONS = [lateness, outcomes]
"""
EVENTS = "stop,when,late,line\n" + "".join(
    f"{stop},2024-01-01T{hour:02}:{minute:02}:00Z,{hour + minute / 60},{line}\n"
    for hour in range(6)
    for minute in range(0, 60, 10)
    for stop, line in (("a", "x"), ("b", "y"))
)
TRIPS = "trip,stop,rain,begin,end,end_late\n" + "".join(
    f"{hour}-{minute}-{stop},{stop},{minute % 7 + 0.5},2024-01-01T{hour:02}:{minute:02}:30Z,2024-01-02T00:00:00Z,{hour + minute / 60}\n"
    for hour in range(1, 6)
    for minute in range(0, 60, 5)
    for stop in "ab"
)


@pytest.fixture(autouse=True)
def stored(ask: Ask, root: Path) -> None:
    (root / "intonaco.toml").write_text('definitions = ["definitions"]\n')
    (root / "definitions.py").write_text(DEFINITIONS)
    for name, text in (("passed", EVENTS), ("trips", TRIPS)):
        (root / f"{name}.csv").write_text(text)
        assert ask("tables", "ingest", name, str(root / f"{name}.csv"))[0] == 0
    assert ask("features", "apply")[0] == 0
    assert ask("features", "materialize", "lateness", "--until", "2024-01-01T03:00:00Z")[0] == 0


def read(ask: Ask, at: str) -> None:
    assert ask("features", "get", "lateness", "--keys", '[{"stop": "a"}, {"stop": "b"}]', "--at", at)[0] == 0


def test_reads_are_compared_with_the_tables_as_of_the_same_moments(ask: Ask, root: Path) -> None:
    read(ask, "2024-01-01T03:00:00Z")
    code, told = ask("features", "consistency", "lateness")
    assert (code, told["reads"], told["share"]) == (0, 2, 1.0)
    assert [(row["feature"], row["equal"], row["not_yet"]) for row in told["features"]] == [("late_mean_1h", 2, 0), ("line", 2, 0)]
    assert told["series"][0]["from"] == "2024-01-01T03:00:00Z"
    read(ask, "2024-01-01T04:00:00Z")
    assert [row["not_yet"] for row in ask("features", "consistency", "lateness")[1]["features"]] == [2, 2]
    assert ask("features", "materialize", "lateness", "--until", "2024-01-01T04:00:00Z")[0] == 0
    _, late = ask("features", "consistency", "lateness", "--since", "2024-01-01T03:30:00Z", "--html", str(root / "page.html"))
    assert (late["reads"], late["counts"]["equal"] < late["counts"]["compared"]) == (2, True)
    assert "materialize more often" in late["advice"]
    assert "Values that are not equal" in (root / "page.html").read_text()


def test_a_set_that_was_never_read_says_what_to_do(run: Run) -> None:
    code, out, _ = run("features", "consistency", "lateness")
    assert (code, "No read of lateness is logged yet" in out) == (0, True)


def test_an_endpoint_without_a_ledger_is_told(ask: Ask) -> None:
    code, answer = ask("features", "consistency", "lateness", "--endpoint", "eta")
    assert (code, answer["error"]["code"]) == (2, "MissingError")


def test_features_are_rated_by_what_they_tell_of_labels(ask: Ask, root: Path) -> None:
    code, told = ask("features", "select", "lateness", "--target", "outcomes", "--html", str(root / "page.html"))
    assert (code, told["target"], told["rows"]) == (0, "end_late", 120)
    assert told["features"][0]["feature"] == "late_mean_1h"
    assert "Redundancy" in (root / "page.html").read_text()
