"""PROMISES B1 to B3 for materialization and streams: kills at any time, stores that refuse, events in any order."""

import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from intonaco.core.errors import UnavailableError
from intonaco.infra.features.definitions import (
    Entity,
    FeatureSet,
    FeatureView,
    StreamSource,
    TableSource,
    columns,
    count,
    first,
    last,
    mean,
    sum_,
)
from intonaco.infra.features.recorded.progress import Progress
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.features.writing import moves
from intonaco.infra.workspace import Workspace

pytestmark = pytest.mark.slow

HOUR = 3_600_000_000
STAMP = pa.timestamp("us", tz="UTC")
RIDER = Entity("rider", {"rider": "int64"})
FEATURES = [mean("fare", over=["6h", "7d"]), count(over=["1d", "400d"]), columns("fare")]
VIEW = FeatureView(name="rides", entity=RIDER, source=TableSource("trips", {"fare": "float64"}, time="at"), features=FEATURES)
SET = FeatureSet(name="all", features=[VIEW])
KILLS = 20
RIDERS = 3_000

MATERIALIZE = """
import sys
from intonaco.infra.features.writing import moves
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.workspace import Workspace

moves.ROWS = 3_000
with Workspace.open(sys.argv[1]) as workspace:
    store = FeatureStore(workspace)
    print("ready", flush=True)
    store.materialize("rides", int(sys.argv[2]))
"""


def trips(rows: int, seed: int = 7, riders: int = RIDERS) -> pa.Table:
    generator = np.random.default_rng(seed)
    times = generator.integers(0, 200 * HOUR, rows)
    fares = np.round(generator.normal(20, 9, rows), 2)
    return pa.table({"rider": generator.integers(0, riders, rows), "at": pa.array(times).view(STAMP), "fare": fares})


def started(script: str, *arguments: object) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def agree(store: FeatureStore, features: FeatureSet, moment: int, riders: int) -> int:
    """How many values differ between online and offline."""
    asked = {"rider": np.arange(riders)}
    online = store.read(features, asked, np.full(riders, moment))
    offline = store.read_offline(features, asked, moment)
    differ = 0
    for name in features.names:
        one, other = np.asarray(online.columns[name]), np.asarray(offline.columns[name])
        alike = (one == other) | ((one != one) & (other != other))
        differ += int((~alike | (online.statuses[name] != offline.statuses[name])).sum())
    return differ


def test_after_kills_at_any_time_a_plain_rerun_makes_online_equal_to_offline(tmp_path: Path) -> None:
    """B1: the watermark is never ahead of the data, online or in the hops."""
    events = trips(40_000)
    with Workspace.open(tmp_path) as workspace:
        FeatureStore(workspace).apply([SET])
        for start in range(0, events.num_rows, 10_000):
            workspace.tables.write("default/trips", events.slice(start, 10_000))
    wait, ahead = random.Random(7), 0
    for kill in range(KILLS):
        with started(MATERIALIZE, tmp_path, (60 + 7 * kill) * HOUR) as process:
            time.sleep(wait.uniform(0, 0.5))
            process.kill()
        ahead += missing(tmp_path, events)
    assert ahead == 0
    with started(MATERIALIZE, tmp_path, 200 * HOUR) as process:
        assert process.wait(60) == 0
    with Workspace.open(tmp_path) as workspace:
        assert agree(FeatureStore(workspace), SET, 200 * HOUR, RIDERS) == 0
        hops = workspace.tables.read(workspace.tables.snapshot("default/features.rides.v1.hops"))
        assert sum(hops["count:"].to_pylist()) == events.num_rows


def missing(root: Path, events: pa.Table) -> int:
    """Events that the watermark says are stored and that are not."""
    times, riders = events["at"].cast(pa.int64()).to_numpy(), events["rider"].to_numpy()
    with Workspace.open(root) as workspace:
        store = FeatureStore(workspace)
        marks = {place: Progress(workspace.catalog, "default", "rides", 1, place).mark() for place in ("online", "hops")}
        due = np.bincount(riders[times < marks["online"].until_us], minlength=RIDERS)
        online = store.read(SET, {"rider": np.arange(RIDERS)}, np.full(RIDERS, 300 * HOUR)).columns["count_400d"]
        counted = np.nan_to_num(np.asarray(online))
        lost = int(np.maximum(due - counted, 0).sum())
        if marks["hops"].sequence:
            hops = workspace.tables.read(workspace.tables.snapshot("default/features.rides.v1.hops"))
            lost += max(0, int((times < marks["hops"].until_us).sum()) - sum(hops["count:"].to_pylist()))
    return lost


def intonaco(root: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "intonaco.infra.platform.cli", "-C", str(root), *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_store_that_is_full_is_named_and_a_plain_rerun_completes(tmp_path: Path) -> None:
    """B2: the watermark does not move."""
    settings = tmp_path / "intonaco.toml"
    settings.write_text('[stores]\nkeyvalue = "lmdb:.intonaco/online?map_size_gb=0.001"\n')
    with Workspace.open(tmp_path) as workspace:
        FeatureStore(workspace).apply([SET])
        workspace.tables.write("default/trips", trips(20_000))
    code, told = intonaco(tmp_path, "features", "materialize", "rides", "--until", "1970-01-09T08:00:00Z")
    assert (code, told["error"]["code"]) == (5, "UnavailableError")
    assert str(tmp_path / ".intonaco" / "online") in told["error"]["message"]
    assert "map_size_gb" in told["next"]
    assert "0 of 20,000 rows" in told["next"]
    with Workspace.open(tmp_path) as workspace:
        assert Progress(workspace.catalog, "default", "rides", 1, "online").mark().sequence == 0
    settings.write_text("")
    code, told = intonaco(tmp_path, "features", "materialize", "rides", "--until", "1970-01-09T08:00:00Z")
    assert (code, told["rows"]) == (0, 20_000)
    with Workspace.open(tmp_path) as workspace:
        assert agree(FeatureStore(workspace), SET, 200 * HOUR, RIDERS) == 0


FULL_DISK = """
import json, os, sys
from intonaco.core.errors import UnavailableError
from intonaco.infra.features.writing import moves
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.workspace import Workspace
sys.path.insert(0, sys.argv[2])
from test_features import SET, RIDERS, HOUR, agree, trips

moves.ROWS = 1_000
small = sys.argv[1]
with Workspace.open(small, overrides={"stores.keyvalue": f"lmdb:{small}/disk/online"}) as workspace:
    store = FeatureStore(workspace)
    store.apply([SET])
    workspace.tables.write("default/trips", trips(20_000))
    found = {"refused": "", "rows": []}
    open(f"{small}/disk/filler", "wb").write(bytes(22_000_000))
    for attempt in range(2):
        try:
            found["rows"].append(store.materialize(SET, 200 * HOUR)[0].rows)
        except UnavailableError as error:
            found["refused"] = str(error)
            os.unlink(f"{small}/disk/filler")
    found["differ"] = agree(store, SET, 200 * HOUR, RIDERS)
print(json.dumps(found))
"""


def test_a_full_disk_under_the_online_store_is_named_and_a_plain_rerun_completes(tmp_path: Path) -> None:
    """B2, on a small tmpfs in a mount namespace of its own."""
    unshare, disk = shutil.which("unshare"), tmp_path / "disk"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=24m tmpfs {disk}"
    allowed = unshare and not subprocess.run([unshare, "-m", "sh", "-c", mount], capture_output=True, timeout=60, check=False).returncode
    if unshare is None or not allowed:
        pytest.skip("unshare is missing or may not mount here")
    command = [unshare, "-m", "sh", "-c", f'{mount} && exec "$0" "$@"', sys.executable, "-c", FULL_DISK, tmp_path, Path(__file__).parent]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert "no space" in found["refused"]
    assert str(disk) in found["refused"]
    assert (len(found["rows"]), found["differ"]) == (1, 0)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    local = pytest.importorskip("intonaco.ext.redis.local")
    pytest.importorskip("redis")
    server = local.LocalRedis.start(tmp_path_factory.mktemp("redis"))
    try:
        yield server
    finally:
        server.stop()


def test_a_store_that_dies_half_way_is_named_and_a_plain_rerun_completes(
    tmp_path: Path, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B2, on Redis."""
    monkeypatch.setattr(moves, "ROWS", 4_000)
    with Workspace.open(tmp_path, overrides={"stores.keyvalue": redis.url}) as workspace:
        store = FeatureStore(workspace)
        store.apply([SET])
        workspace.tables.write("default/trips", trips(20_000))

        def die(advance: moves.Advance) -> None:
            if advance.done == 12_000:
                redis.kill()

        with pytest.raises(UnavailableError, match=redis.url.partition("@")[2] or "redis") as caught:
            store.materialize(SET, 200 * HOUR, listener=die)
        assert "12,000 of 20,000 rows" in caught.value.hint
        assert Progress(workspace.catalog, "default", "rides", 1, "online").mark().sequence == 0
        redis.restart()
        store.materialize(SET, 200 * HOUR)
        assert agree(store, SET, 200 * HOUR, RIDERS) == 0


HARD = FeatureView(
    name="hard",
    entity=RIDER,
    source=TableSource("hard", {"fare": "float64"}, time="at", created="known"),
    features=[sum_("fare", over=["1h", "1d"]), count(over="1d"), first("fare", over="1d"), last("fare", over="1d"), columns("fare")],
)


def hard_events(generator: np.random.Generator) -> pa.Table:
    """Few riders, few times, few values: events are often equal in some or all of them."""
    n = 300
    times, known = generator.choice([0, 1, HOUR, 5 * HOUR, 20 * HOUR], n), generator.choice([0, 1, 2], n)
    columns = {"rider": generator.integers(0, 20, n), "at": pa.array(times).view(STAMP), "known": pa.array(known).view(STAMP)}
    return pa.table({**columns, "fare": generator.choice([0.5, 0.25, -3.0], n)})


@pytest.mark.parametrize("kind", ["lmdb", "redis"])
def test_every_order_and_batching_of_events_gives_one_value(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    """B3: late, duplicate and simultaneous events; no key diverges."""
    url = "lmdb:online" if kind == "lmdb" else request.getfixturevalue("redis").url
    generator = np.random.default_rng(3)
    events, features = hard_events(generator), FeatureSet(name="hard", features=[HARD])
    asked, moment, answers = {"rider": np.arange(20)}, np.full(20, 21 * HOUR), set()
    with Workspace.open(tmp_path, overrides={"stores.keyvalue": url}) as workspace:
        for turn in range(12):
            store = FeatureStore(workspace, f"project{turn}")
            store.apply([features])
            shuffled = events.take(pa.array(generator.permutation(events.num_rows)))
            cuts = [0, *np.sort(generator.integers(0, events.num_rows, generator.integers(0, 12))).tolist(), events.num_rows]
            with store.writer([HARD]) as writer:
                for sequence, (start, end) in enumerate(pairwise(cuts), 1):
                    batch = {"hard": shuffled.slice(start, end - start)}
                    writer.push(batch, sequence=sequence)
                    writer.push(batch, sequence=sequence)
            answers.add(json.dumps({name: str(column) for name, column in store.read(features, asked, moment).columns.items()}))
    assert len(answers) == 1


STREAM = FeatureView(
    name="streamed",
    entity=RIDER,
    source=StreamSource("passing", {"fare": "float64"}, time="at", partitions=2),
    features=[sum_("fare", over="400d"), count(over="400d")],
)
CONSUME = """
import sys, threading
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.workspace import Workspace

with Workspace.open(sys.argv[1]) as workspace, FeatureStore(workspace).consumer(["streamed"], land_every_s=0.1) as consumer:
    print("ready", flush=True)
    consumer.run(threading.Event())
"""


def test_a_consumer_that_is_killed_again_and_again_loses_and_repeats_nothing(tmp_path: Path) -> None:
    """C4 for features: online and in the table, with poison in between."""
    features, wait, generator = FeatureSet(name="passing", features=[STREAM]), random.Random(3), np.random.default_rng(3)
    appended = np.zeros(50, dtype=np.int64)
    poisoned = 0
    with Workspace.open(tmp_path) as workspace:
        store = FeatureStore(workspace)
        store.apply([features])
        for kill in range(8):
            with started(CONSUME, tmp_path) as process:
                until = time.monotonic() + wait.uniform(0.05, 0.8)
                while time.monotonic() < until:
                    riders = generator.integers(0, 50, 20)
                    rows = pa.table(
                        {"rider": riders, "at": pa.array(generator.integers(0, 200 * HOUR, 20)).view(STAMP), "fare": np.ones(20)}
                    )
                    store.append(STREAM, rows, partition=kill % 2)
                    workspace.stream.append("default/events/passing", [b'{"rider": "poison"}'], 1 - kill % 2)
                    np.add.at(appended, riders, 1)
                    poisoned += 1
                process.kill()
        with store.consumer([STREAM]) as consumer:
            consumer.drain()
        counted = np.asarray(store.read(features, {"rider": np.arange(50)}, np.full(50, 300 * HOUR)).columns["count_400d"])
        assert counted.tolist() == appended.tolist()
        assert workspace.tables.snapshot("default/passing").rows == appended.sum()
        assert agree(store, features, 300 * HOUR, 50) == 0
        assert len(store.dead_letters(STREAM)) == poisoned
