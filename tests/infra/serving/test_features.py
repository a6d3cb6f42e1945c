"""Features over HTTP: the same cells as from Python, and errors that name what is wrong."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import psutil
import pyarrow as pa
import pytest

from intonaco.infra.features.defined.views import Use
from intonaco.infra.features.definitions import Entity, FeatureSet, FeatureView, RequestColumn, TableSource, columns, count, mean
from intonaco.infra.features.online.answer import Answer
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.serving.features.featurerows import key_columns, read_answer
from intonaco.infra.testing.servers import RunningServer, running_server
from intonaco.infra.workspace import Workspace

pytestmark = pytest.mark.slow

AT = datetime(2024, 1, 1, 1, tzinfo=UTC)
STOP = Entity("stop", {"stop": "str", "platform": "int64"})
DELAYS = FeatureView(
    name="delays",
    entity=STOP,
    source=TableSource("passed", {"late": "float64", "line": "str?"}, time="when"),
    features=[mean("late", over="1h"), columns("line"), count(over="1h", default=0.0)],
    valid_for="40m",
)
ROWS: list[dict[str, Any]] = [
    {"stop": "a", "platform": 1, "rain": 0.5},
    {"stop": "b", "platform": 2},
    {"stop": "b", "platform": 1},
    {"stop": None, "platform": None},
]


def use() -> Use:
    return DELAYS.using()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FeatureStore]:
    with Workspace.open(tmp_path_factory.mktemp("workspace")) as workspace:
        store = FeatureStore(workspace)
        times = [datetime(2024, 1, 1, 0, minute, tzinfo=UTC) for minute in (10, 30, 15)]
        passed = {"stop": ["a", "a", "b"], "platform": [1, 1, 2], "when": times, "late": [2.0, 4.0, 1.0], "line": ["x", None, "y"]}
        workspace.tables.write("default/passed", pa.table(passed))
        store.apply([FeatureSet(name="lateness", features=[use()], request=[RequestColumn("rain")])])
        store.materialize("lateness", AT)
        yield store


@pytest.fixture(scope="module")
def server(store: FeatureStore) -> Iterator[RunningServer]:
    with running_server(store.workspace.root) as server:
        wait_for_sets(server)
        yield server


def wait_for_sets(server: RunningServer, path: str = "/features/lateness:get") -> None:
    until = time.monotonic() + 30
    while server.ask("POST", path, b'{"keys": {"stop": null, "platform": null}}')[0] != 200:
        assert time.monotonic() < until, server.ask("GET", "/v2/health/ready")
        time.sleep(0.05)


def get(server: RunningServer, **body: Any) -> tuple[int, dict[str, Any]]:
    return server.ask("POST", "/features/lateness:get", json.dumps(body).encode())


def test_every_status_and_age_is_that_of_python(store: FeatureStore, server: RunningServer) -> None:
    status, told = get(server, keys=ROWS, at=AT.isoformat())
    at_us = int(AT.timestamp() * 1e6)
    plan = store.read_plan("lateness")
    answer = store.read("lateness", key_columns(plan, ROWS), np.full(len(ROWS), at_us))
    assert (status, told) == (200, json.loads(msgspec.json.encode(read_answer("lateness", ROWS, at_us, answer, offline=False))))
    cells = [[row["features"][name]["status"] for name in ("late_mean_1h", "line", "count_1h")] for row in told["rows"]]
    assert cells == [
        ["present", "null", "present"],
        ["expired", "expired", "defaulted"],
        ["missing", "missing", "defaulted"],
        ["missing", "missing", "defaulted"],
    ]
    assert told["rows"][0]["features"]["late_mean_1h"] == {"value": 3.0, "status": "present", "age_s": 1800.0}


def test_an_infinity_is_told_by_name_and_never_as_null() -> None:
    codes = np.zeros(3, np.uint8)
    found = Answer(columns={"x": np.array([np.inf, -np.inf, 1.5])}, statuses={"x": codes}, ages={"x": np.array([5, 5, 5])})
    told = read_answer("set", [{}, {}, {}], 0, found, offline=False)
    assert [row["features"]["x"]["value"] for row in told["rows"]] == ["Infinity", "-Infinity", 1.5]


def test_what_is_read_over_http_is_compared_with_the_tables(store: FeatureStore, server: RunningServer) -> None:
    assert get(server, keys=ROWS, at=AT.isoformat())[0] == 200
    until = time.monotonic() + 5
    while not (found := store.consistency("lateness")).rows and time.monotonic() < until:
        time.sleep(0.05)
    assert found.rows >= len(ROWS)
    assert found.share == 1.0


def test_the_past_is_refused_online_and_answered_offline(server: RunningServer) -> None:
    for at in ("2024-01-01T00:20:00Z", "2024-01-01T00:59:59Z"):  # before the newest event, and before the watermark
        status, told = get(server, keys=ROWS[:1], at=at)
        assert (status, told["field"], told["hint"].partition(": ")[2]) == (400, "at", '"offline": true')
    status, told = get(server, keys=ROWS[:1], at="2024-01-01T00:20:00Z", offline=True)
    assert (status, told["from"], told["rows"][0]["features"]["late_mean_1h"]["value"]) == (200, "offline", 2.0)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "keys"),
        ({"keys": []}, "keys"),
        ({"keys": [1]}, "keys"),
        ({"keys": {"stop": "a"}}, "platform"),
        ({"keys": {"stop": 1, "platform": 1}}, "stop"),
        ({"keys": {"stop": "a", "platform": "1"}}, "platform"),
        ({"keys": {"stop": "a", "platform": 1, "gate": 2}}, "gate"),
        ({"keys": ROWS[:1], "at": "noon"}, "at"),
        ({"keys": ROWS[:1], "offline": 1}, "offline"),
        ({"keys": ROWS[:1], "of": 1}, "of"),
        ({"keys": {"stop": "a", "platform": 1, "rain": 2**53 + 1}}, "rain"),
        ({"keys": {"stop": "a", "platform": 1, "rain": -(2**63)}, "at": 2**60}, "at"),
        ('{"keys": {"stop": "a", "stop": "b", "platform": 1}}', "stop"),
        ('{"keys": {"stop": "a:b", "platform": 1}, "keys": {}}', "keys"),
    ],
)
def test_what_is_wrong_is_named(server: RunningServer, body: dict[str, Any] | str, field: str) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    status, told = server.ask("POST", "/features/lateness:get", text.encode())
    assert (status, told["field"]) == (400, field)
    assert "parameters" not in told["error"]
    assert "--" not in told["hint"]


def test_every_way_to_write_a_request_is_read_alike(server: RunningServer) -> None:
    at = int(AT.timestamp() * 1e6)
    written = [{"keys": ROWS[0], "at": at}, {"keys": [ROWS[0]], "at": "2024-01-01T02:00:00+01:00", "offline": False}]
    first, second = (get(server, **body)[1] for body in written)
    assert first == second
    assert first["degraded"] == []
    assert get(server, keys={"stop": "a:b", "platform": 1}, at=at)[1]["rows"][0]["keys"] == {"stop": "a:b", "platform": 1}


def test_sets_alone_make_a_server_ready_and_an_unknown_one_is_told_the_known(server: RunningServer) -> None:
    assert server.ask("GET", "/v2/health/ready")[0] == 200
    status, told = server.ask("POST", "/features/latenes:get", b"{}")
    assert (status, "/features/lateness:get" in told["hint"]) == (404, True)
    assert server.ask("GET", "/features/lateness:get")[0] == 405
    status, told = server.ask("POST", "/features/delays:get", b"{}")
    assert (status, "a view is read through a set" in told["hint"]) == (404, True)


def test_a_set_is_read_by_version_and_alias_too(store: FeatureStore, server: RunningServer) -> None:
    store.apply([FeatureSet(name="lines", features=[DELAYS["line"]])])
    store.apply([FeatureSet(name="lines", features=[DELAYS["line", "count_1h"]])])
    store.registry.set_alias("set", "lines", "stable", 1)
    wait_for_sets(server, "/features/lines@stable:get")
    read = {}
    for name in ("lines", "lines@1", "lines@2", "lines@stable", "lines%40stable"):
        keys = {key: ROWS[0][key] for key in ("stop", "platform")}
        for offline in (False, True):
            body = json.dumps({"keys": keys, "at": AT.isoformat(), "offline": offline}).encode()
            status, told = server.ask("POST", f"/features/{name}:get", body)
            assert (status, told["set"]) == (200, name.replace("%40", "@"))
            read[name, offline] = tuple(told["rows"][0]["features"])
    assert {read[name, offline] for name in ("lines", "lines@2") for offline in (False, True)} == {("line", "count_1h")}
    assert {read[name, offline] for name in ("lines@1", "lines@stable", "lines%40stable") for offline in (False, True)} == {("line",)}
    status, told = server.ask("POST", "/features/lines@3:get", b"{}")
    assert (status, "/features/lines@2:get" in told["hint"]) == (404, True)


def test_a_set_that_is_applied_while_serving_is_read_without_a_restart(store: FeatureStore, server: RunningServer) -> None:
    store.apply([FeatureSet(name="later", features=[use()])])
    wait_for_sets(server, "/features/later:get")
    assert get(server, keys=ROWS[:1], at=AT.isoformat())[0] == 200


def test_sets_that_are_applied_one_after_the_other_while_workers_start_are_all_served(store: FeatureStore, server: RunningServer) -> None:
    for number in range(8):
        store.apply([FeatureSet(name=f"hurried_{number}", features=[use()])])
        time.sleep(0.15)  # less than a worker takes to start
    wait_for_sets(server, "/features/hurried_7:get")


def test_the_worker_that_is_killed_comes_back(server: RunningServer) -> None:
    children = psutil.Process(server.process.pid).children(recursive=True)
    alive = [each for each in children if each.status() != psutil.STATUS_ZOMBIE]
    worker = next(each for each in alive if "intonaco.infra.serving.features.featureworker" in each.cmdline())
    worker.kill()
    wait_for_sets(server)
