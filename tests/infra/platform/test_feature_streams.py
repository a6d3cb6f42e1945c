"""`intonaco features materialize`, `consume` and `dead`: what they tell, and that they go on where they were."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from intonaco.infra.features.definitions import FeatureView
from intonaco.infra.features.store import FeatureStore
from intonaco.infra.workspace import Workspace

Ask = Callable[..., tuple[int, dict[str, Any]]]

DEFINITIONS = """
from intonaco.infra.features.definitions import *
stop = Entity("stop", {"stop": "str"})
stream = StreamSource("passing", {"late": "float64"}, time="when")
passed = FeatureView(name="passed", entity=stop, source=stream, features=[count(over="1d")])
table = TableSource("delayed", {"late": "float64"}, time="when")
delays = FeatureView(name="delays", entity=stop, source=table, features=[mean("late", over="1h")])
DEFINITIONS = [FeatureSet(name="lateness", features=[passed]), FeatureSet(name="delayed", features=[delays])]
"""
EVENTS = [{"stop": "a", "when": "2024-01-01T00:00:00Z", "late": 1.5}, {"stop": "b", "when": "2024-01-01T01:00:00Z", "late": 2.5}]


@pytest.fixture(autouse=True)
def applied(ask: Ask, root: Path) -> None:
    (root / "intonaco.toml").write_text('definitions = ["definitions"]\n')
    (root / "definitions.py").write_text(DEFINITIONS)
    assert ask("features", "apply")[0] == 0


def append(root: Path, *events: Any) -> None:
    with Workspace.open(root) as workspace:
        workspace.stream.append("default/events/passing", [json.dumps(event).encode() for event in events])


def ingest(ask: Ask, root: Path, *extra: str) -> None:
    lines = ["stop,when,late", *(f"{event['stop']},{event['when']},{event['late']}" for event in EVENTS)]
    (root / "delayed.csv").write_text("\n".join(lines) + "\n")
    assert ask("tables", "ingest", "delayed", str(root / "delayed.csv"), *extra)[0] == 0


def test_what_waits_is_taken_and_what_cannot_be_is_shown_and_replayed(ask: Ask, root: Path) -> None:
    append(root, *EVENTS, {"stop": "c", "when": "yesterday", "late": 1.0})
    code, told = ask("features", "consume", "lateness", "--once")
    assert (code, told["events"], told["dead"], told["lag"]) == (0, 2, 1, {"passing": 0})
    assert told["next"] == "intonaco features dead passing"
    code, letters = ask("features", "dead", "passing")
    assert (code, [each["place"] for each in letters["dead"]], letters["replayed"]) == (0, ["0.3.0"], 0)
    assert (
        letters["dead"][0]["reason"] == "'when' is \"yesterday\", expected timestamp: microseconds since 1970, or ISO 8601 with a timezone"
    )
    assert letters["dead"][0]["event"] == {"stop": "c", "when": "yesterday", "late": 1.0}
    assert ask("features", "dead", "passed", "--replay")[1]["replayed"] == 1
    assert ask("features", "consume", "passed", "--once")[1]["dead"] == 1
    code, letters = ask("features", "dead", "passed")
    assert [(each["replay_of"], each["event"]["stop"]) for each in letters["dead"]] == [("0.3.0", "c")]
    assert "once they can take effect" in letters["next"]
    code, values = ask("features", "get", "lateness", "--keys", '{"stop": "a"}', "--at", "2024-01-01T02:00:00Z")
    assert values["rows"][0]["features"]["count_1d"]["value"] == 1


def test_an_event_that_came_as_arrow_is_shown_as_json_without_personal_data(ask: Ask, root: Path) -> None:
    changed = (root / "definitions.py").read_text().replace('{"late": "float64"}', "HELD", 1)
    held = 'HELD = Schema((Field("late", "float64"), Field("driver", "str", tags=("private",))))'
    text = changed.replace("stream =", f"from intonaco.core.schema import Field, Schema\n{held}\nstream =", 1)
    (root / "definitions.py").write_text(text)
    assert ask("features", "apply")[0] == 0
    with Workspace.open(root) as workspace:
        at = pa.array([1_704_067_200_000_000]).cast(pa.timestamp("us", tz="UTC"))
        events = pa.table({"stop": pa.array([None], pa.string()), "when": at, "late": [1.0], "driver": ["Ada Lovelace"]})
        FeatureStore(workspace).append("passing", events)
        workspace.stream.append("default/events/passing", [b"\x00\x01", b'{"stop": "a", "when": 1, "late": "x", "driver": "Ada Lovelace"}'])
    assert ask("features", "consume", "passed", "--once")[1]["dead"] == 3
    _, told = ask("features", "dead", "passing")
    shown = [each["event"] for each in told["dead"]]
    first = {"stop": None, "when": "2024-01-01T00:00:00Z", "late": 1.0, "driver": "***"}
    assert all(each in shown for each in [first, None, {"stop": "a", "when": 1, "late": "x", "driver": "***"}])
    assert "Lovelace" not in json.dumps(told)


@pytest.mark.slow
def test_a_consumer_lands_what_it_took_when_it_is_told_to_stop(ask: Ask, root: Path) -> None:
    command = [sys.executable, "-m", "intonaco.infra.platform.cli", "-C", str(root), "features", "consume", "passed", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert "Ctrl-C" in process.stderr.readline()
    append(root, *EVENTS)
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, json.loads(out)["events"]) == (0, 2)
    with Workspace.open(root) as workspace:
        assert workspace.tables.snapshot("default/passing").rows == 2


def test_a_materialization_tells_rows_watermark_and_where_it_resumes(ask: Ask, root: Path) -> None:
    ingest(ask, root)
    code, told = ask("features", "materialize", "delayed", "--until", "2024-01-01T00:30:00Z")
    [view] = told["views"]
    assert (code, told["rows"], view["watermark"]) == (0, 1, "2024-01-01T00:30:00Z")
    assert view["resumes"] == {"row": 2, "from": "2024-01-01T00:30:00Z"}
    assert ask("features", "materialize", "delayed", "--until", "2024-01-02T00:00:00Z")[1]["rows"] == 1


def test_a_replaced_table_is_refused_with_the_cure_and_the_cure_works(ask: Ask, root: Path) -> None:
    ingest(ask, root)
    ask("features", "materialize", "delayed")
    ingest(ask, root, "--replace")
    code, told = ask("features", "materialize", "delayed")
    assert (code, told["next"].split(" fills")[0]) == (2, "intonaco features materialize delays --rebuild")
    assert ask("features", "materialize", "delays", "--rebuild")[1]["rows"] == 2


def test_views_of_tables_cannot_be_consumed(ask: Ask) -> None:
    code, told = ask("features", "consume", "delayed")
    assert (code, told["error"]["code"]) == (2, "InvalidError")
    assert ask("features", "dead", "delays")[1]["error"]["code"] == "MissingError"


def test_a_view_in_python_and_on_the_command_line_are_one(ask: Ask, root: Path) -> None:
    with Workspace.open(root) as workspace:
        store = FeatureStore(workspace)
        view = store.registry.get("view", "passed").definition
        assert isinstance(view, FeatureView)
        store.append(view, EVENTS)
    assert ask("features", "consume", "passed", "--once")[1]["events"] == 2
