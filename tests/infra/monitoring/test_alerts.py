"""Alerts are recorded once and told to every listener."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from intonaco.core.plugins import as_plugin, hookimpl
from intonaco.infra.monitoring.alerts import Alert, Alerts
from intonaco.infra.monitoring.tables import ROOM
from intonaco.infra.storage.catalog.catalog import Room
from intonaco.infra.testing.catalog import RoomContract
from intonaco.infra.workspace import Workspace

HOUR_US = 3_600_000_000
ALERT = Alert(monitor="accuracy mae", from_us=0, to_us=24 * HOUR_US, value=20, threshold=15, endpoint="eta", version="eta@3")


class TestMonitoringRoom(RoomContract):
    @pytest.fixture
    def room(self) -> Room:
        return ROOM


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(tmp_path) as workspace:
        yield workspace


class Listener:
    def __init__(self) -> None:
        self.told: list[Alert] = []

    @hookimpl
    def alert_raised(self, alert: Alert) -> None:
        self.told.append(alert)


class Failing:
    @hookimpl
    def alert_raised(self, alert: Any) -> None:
        raise ValueError("no connection")


def test_a_recorded_alert_comes_back_equal(workspace: Workspace) -> None:
    alerts = Alerts(workspace)
    assert alerts.raise_([ALERT], at_us=1) == [ALERT]
    assert alerts.list() == [ALERT]


def test_the_same_finding_is_recorded_and_told_once_whatever_its_value(workspace: Workspace) -> None:
    listener = Listener()
    workspace.plugins.add(as_plugin(listener, "listener"))
    alerts = Alerts(workspace)
    alerts.raise_([ALERT], at_us=1)
    assert alerts.raise_([evolve(ALERT, value=21.0)], at_us=2) == []
    assert alerts.list() == listener.told == [ALERT]


def test_another_stretch_segment_or_endpoint_is_another_alert(workspace: Workspace) -> None:
    other = [evolve(ALERT, segment="origin=JFK"), evolve(ALERT, endpoint="b"), evolve(ALERT, from_us=HOUR_US), evolve(ALERT, to_us=HOUR_US)]
    assert len(Alerts(workspace).raise_([ALERT, *other], at_us=1)) == 5


def test_alerts_are_listed_by_endpoint_and_project(workspace: Workspace) -> None:
    Alerts(workspace).raise_([ALERT, evolve(ALERT, endpoint="b")], at_us=1)
    Alerts(workspace, "maps").raise_([ALERT], at_us=1)
    assert [each.endpoint for each in Alerts(workspace).list("b")] == ["b"]
    assert len(Alerts(workspace, "maps").list()) == 1


def test_a_failing_listener_keeps_nobody_from_being_told(workspace: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    listener = Listener()
    workspace.plugins.add(as_plugin(Failing(), "a-failing"), as_plugin(listener, "z-listener"))
    Alerts(workspace).raise_([ALERT], at_us=1)
    assert listener.told == [ALERT]
    assert "a-failing" in caplog.text


def test_infra_writes_each_alert_as_a_line_of_json(workspace: Workspace) -> None:
    Alerts(workspace).raise_([ALERT, evolve(ALERT, segment="origin=JFK\n")], at_us=1)
    lines = (workspace.home / "log" / "alerts.jsonl").read_text().splitlines()
    assert [json.loads(line)["segment"] for line in lines] == ["", "origin=JFK\n"]
    assert json.loads(lines[0]) == ALERT.to_json()
    assert ALERT.to_json()["from"] == "1970-01-01T00:00Z"


def test_an_alert_over_a_threshold_of_nothing_is_the_worst() -> None:
    assert evolve(ALERT, threshold=0.0).severity > ALERT.severity == pytest.approx(4 / 3)
