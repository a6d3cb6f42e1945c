"""A store of features that hangs, dies, is emptied or comes back while its features are served: B4."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from attrs import frozen

from intonaco.ext.redis.local import LocalRedis
from intonaco.infra.features.definitions import Entity, FeatureSet, FeatureView, TableSource, columns, count, mean
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.testing.servers import RunningServer, running_server
from intonaco.infra.workspace import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.servers]

AT = datetime(2024, 1, 1, 1, tzinfo=UTC)
FEATURES_S = 0.2
#: For a machine that does other things too.
SLACK_S = 0.5
BODY = json.dumps({"keys": {"stop": "a"}, "at": AT.isoformat()}).encode()
PRESENT = {"late_mean_1h": "present", "line": "present", "count_1h": "present"}
WITHOUT = {"late_mean_1h": "missing", "line": "missing", "count_1h": "defaulted"}


@frozen
class Served:
    """A server of features in Redis."""

    redis: LocalRedis
    store: FeatureStore
    http: RunningServer

    def get(self) -> tuple[int, dict[str, Any], float]:
        """Status, answer and seconds."""
        began = time.monotonic()
        status, told = self.http.ask("POST", "/features/lateness:get", BODY)
        return status, told, time.monotonic() - began

    def statuses(self) -> dict[str, str]:
        _, told, _ = self.get()
        return {name: cell["status"] for name, cell in told["rows"][0]["features"].items()} if "rows" in told else {}

    def ready(self) -> bool:
        return self.http.ask("GET", "/v2/health/ready")[0] == 200

    def wait(self, until: Callable[[], bool], seconds: float) -> float:
        """How long it took to be so."""
        began = time.monotonic()
        while not until():
            assert time.monotonic() - began < seconds, (self.get(), self.http.ask("GET", "/v2/health/ready"))
            time.sleep(0.02)
        return time.monotonic() - began


@contextmanager
def serve(redis: LocalRedis, root: Path, **settings: Any) -> Iterator[Served]:
    root.mkdir(exist_ok=True)
    overrides = {"stores.keyvalue": redis.url, "serving.features_s": FEATURES_S, **settings}
    with Workspace.open(root, overrides=overrides) as workspace:
        store = FeatureStore(workspace)
        fill(store)
        spelled = {name.replace(".", "__"): value for name, value in overrides.items()}
        with running_server(root, **spelled) as http:
            served = Served(redis, store, http)
            served.wait(lambda: served.get()[0] == 200, 30)
            yield served


def fill(store: FeatureStore) -> None:
    source = TableSource("passed", {"late": "float64", "line": "str"}, time="when")
    features = [mean("late", over="1h"), columns("line"), count(over="1h", default=0.0)]
    view = FeatureView(name="delays", entity=Entity("stop", {"stop": "str"}), source=source, features=features)
    when = pa.array([datetime(2024, 1, 1, 0, 30, tzinfo=UTC)])
    store.workspace.tables.write("default/passed", pa.table({"stop": ["a"], "when": when, "late": [2.0], "line": ["x"]}))
    store.apply([FeatureSet(name="lateness", features=[view])])
    store.materialize("lateness", AT)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[LocalRedis]:
    with LocalRedis.start(tmp_path / "redis") as redis:
        yield redis


@pytest.fixture
def served(redis: LocalRedis, tmp_path: Path) -> Iterator[Served]:
    with serve(redis, tmp_path / "workspace") as served:
        yield served


def test_a_store_that_hangs_is_answered_for_in_time_and_read_again_when_it_is_back(served: Served) -> None:
    assert served.statuses() == PRESENT
    served.redis.pause()
    seconds = []
    for _ in range(30):
        status, told, took = served.get()
        assert status == 200
        assert told["degraded"]
        assert {name: cell["status"] for name, cell in told["rows"][0]["features"].items()} == WITHOUT
        assert told["rows"][0]["features"]["count_1h"]["value"] == 0.0
        seconds.append(took)
    assert max(seconds) < FEATURES_S + SLACK_S
    assert sorted(seconds)[-5] < SLACK_S / 2  # once it is known to hang, nobody waits for it
    served.wait(lambda: not served.ready(), 3)
    assert served.http.ask("GET", "/v2/health/ready")[1]["code"] == "degraded"
    assert served.http.ask("GET", "/v2/health/live")[0] == 200
    served.redis.resume()
    assert served.wait(lambda: served.statuses() == PRESENT, 5) < 1 + SLACK_S
    served.wait(served.ready, 3)


def test_a_store_that_is_killed_and_started_again_is_read_again(served: Served) -> None:
    served.redis.kill()
    status, told, took = served.get()
    assert (status, bool(told["degraded"])) == (200, True)
    assert took < FEATURES_S + SLACK_S
    assert served.redis.password not in json.dumps(told)
    served.redis.restart()
    assert served.wait(lambda: served.statuses() == PRESENT, 5) < 1 + SLACK_S


def test_a_store_that_is_emptied_knows_nothing_and_says_so(served: Served) -> None:
    served.store.clear_online("lateness")
    assert served.statuses() == WITHOUT
    _, told, _ = served.get()
    assert told["degraded"] == []  # the store answered
    served.store.materialize("lateness", AT)
    assert served.statuses() == PRESENT


def test_who_wants_no_defaults_gets_503_at_once(redis: LocalRedis, tmp_path: Path) -> None:
    with serve(redis, tmp_path / "workspace", **{"serving.degrade": False}) as served:
        redis.pause()
        for _ in range(10):
            status, told, took = served.get()
            assert (status in (503, 504), took < FEATURES_S + SLACK_S) == (True, True)
            assert told["error"]
        redis.resume()
        assert served.wait(lambda: served.get()[0] == 200, 5) < 1 + SLACK_S
