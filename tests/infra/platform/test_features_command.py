"""Definitions, materialization and reads from the command line."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from intonaco.infra.features.store import FeatureStore
from intonaco.infra.platform.pipelines import pipelines
from intonaco.infra.workspace import Workspace

Ask = Callable[..., tuple[int, dict[str, Any]]]
Run = Callable[..., tuple[int, str, str]]

DEFINITIONS = """
from intonaco.infra.features.definitions import *
stop = Entity("stop", {"stop": "str", "platform": "int64"})
passed = TableSource("passed", {"late": "float64", "line": "str?"}, time="when")
delays = FeatureView(
    name="delays", entity=stop, source=passed, valid_for="2h", owner="maps", description="How late the last ones were", tags=["city"],
    features=[mean("late", over="1h"), columns("line"), count(over="1h", default=0.0)],
)
lateness = FeatureSet(name="lateness", features=[delays], request=[RequestColumn("rain")], functions=[hour_of_day()])
outcomes = Labels(name="outcomes", table="trips", keys=["trip"], value="late", final="end", at="begin")
DEFINITIONS = [lateness, outcomes]
"""
EVENTS = """stop,platform,when,late,line
a,1,2024-01-01T00:10:00Z,2,x
a,1,2024-01-01T00:30:00Z,4,
b,2,2024-01-01T00:40:00Z,1,y
"""
ROWS = [{"stop": "a", "platform": 1, "rain": 0.5}, {"stop": "b", "platform": 1}, {"stop": None, "platform": None}]


@pytest.fixture
def events(ask: Ask, root: Path) -> None:
    """Definitions and a table of events; nothing is applied yet."""
    (root / "intonaco.toml").write_text('definitions = ["definitions"]\n')
    (root / "definitions.py").write_text(DEFINITIONS)
    (root / "passed.csv").write_text(EVENTS)
    assert ask("tables", "ingest", "passed", str(root / "passed.csv"))[0] == 0


@pytest.fixture
def applied(ask: Ask, events: None) -> None:
    assert ask("features", "apply")[0] == 0


@pytest.fixture
def stored(ask: Ask, applied: None) -> None:
    assert ask("features", "materialize", "lateness", "--until", "2024-01-01T01:00:00Z")[0] == 0


def test_what_apply_does_is_planned_first_and_a_second_apply_does_nothing(ask: Ask, events: None) -> None:
    code, planned = ask("features", "plan")
    assert (code, planned["counts"]["add"], planned["next"]) == (0, 4, "intonaco features apply")
    assert ask("features", "apply")[1]["steps"] == planned["steps"]
    code, again = ask("features", "apply")
    assert (again["counts"]["same"], again["next"]) == (4, "intonaco features materialize lateness")


def test_a_change_is_planned_with_what_it_drops(ask: Ask, root: Path, applied: None) -> None:
    (root / "definitions.py").write_text(DEFINITIONS.replace('columns("line"), ', ""))
    changed = [step for step in ask("features", "plan")[1]["steps"] if step["action"] == "change"]
    assert [(step["name"], step["version"]) for step in changed] == [("delays", 2), ("lateness", 2)]
    assert "drops line" in changed[0]["detail"]
    assert changed[0]["rows"] == 3
    assert ask("features", "apply")[0] == 0


def test_what_breaks_a_reader_is_refused_unless_it_is_forced(ask: Ask, root: Path, applied: None) -> None:
    without = DEFINITIONS.replace('columns("line"), ', "").replace("DEFINITIONS = [lateness, outcomes]", "DEFINITIONS = [delays, outcomes]")
    (root / "definitions.py").write_text(without)
    code, planned = ask("features", "plan")
    assert code == 0
    steps = {step["name"]: step for step in planned["steps"]}
    assert steps["delays"]["breaks"] == ["set:default/lateness@1 reads line"]
    assert (steps["lateness"]["action"], planned["counts"]["gone"]) == ("gone", 1)
    assert planned["next"].startswith("keep what is read")
    code, refused = ask("features", "apply")
    assert (code, refused["error"]["code"]) == (6, "RefusedError")
    assert refused["error"]["hint"] == planned["next"]
    assert "apply --force" in planned["next"]
    assert "set:default/lateness@1 reads line" in refused["error"]["message"]
    assert [step["version"] for step in ask("features", "plan")[1]["steps"] if step["name"] == "delays"] == [2]
    assert ask("features", "apply", "--force")[0] == 0


def test_a_renamed_view_is_read_from_what_was_stored_before(ask: Ask, root: Path, stored: None) -> None:
    (root / "definitions.py").write_text(DEFINITIONS.replace('name="delays"', 'name="lateness_of_stops"'))
    steps = {step["name"]: step for step in ask("features", "apply")[1]["steps"]}
    assert (steps["lateness_of_stops"]["action"], steps["lateness_of_stops"]["was"]) == ("rename", "delays@1")
    assert "delays" not in steps
    keys = ("features", "get", "lateness", "--keys", json.dumps(ROWS), "--at", "2024-01-01T01:00:00Z")
    online, offline = ask(*keys)[1], ask(*keys, "--offline")[1]
    assert online["rows"] == offline.get("rows"), offline
    assert ask("features", "materialize", "lateness_of_stops", "--until", "2024-01-01T01:00:00Z")[1]["rows"] == 0
    assert {step["action"] for step in ask("features", "plan")[1]["steps"]} == {"same"}


def test_materializing_tells_rows_watermarks_and_seconds_and_goes_on_from_there(ask: Ask, applied: None) -> None:
    code, first = ask("features", "materialize", "delays", "--until", "2024-01-01T00:35:00Z")
    assert (code, first["rows"], first["views"][0]["watermark"]) == (0, 2, "2024-01-01T00:35:00Z")
    assert first["seconds"] > 0
    code, second = ask("features", "materialize", "lateness", "--until", "2024-01-01T01:00:00Z")
    assert (second["rows"], second["views"][0]["watermark"]) == (1, "2024-01-01T01:00:00Z")
    assert ask("features", "materialize", "lateness", "--until", "2024-01-01T01:00:00Z")[1]["rows"] == 0


@pytest.mark.parametrize("place", [(), ("--offline",)], ids=["online", "offline"])
def test_reading_tells_value_status_and_age_of_each_feature(ask: Ask, stored: None, place: tuple[str, ...]) -> None:
    code, answer = ask("features", "get", "lateness", "--keys", json.dumps(ROWS), "--at", "2024-01-01T01:00:00Z", *place)
    assert (code, answer["at"]) == (0, "2024-01-01T01:00:00Z")
    known, unknown, nobody = (row["features"] for row in answer["rows"])
    assert known["late_mean_1h"] == {"value": 3.0, "status": "present", "age_s": 1800.0}
    assert known["line"] == {"value": None, "status": "null", "age_s": 1800.0}
    assert known["rain"] == {"value": 0.5, "status": "present", "age_s": None}
    assert unknown["count_1h"] == {"value": 0.0, "status": "defaulted", "age_s": None}
    assert nobody["late_mean_1h"] == {"value": None, "status": "missing", "age_s": None}


def test_what_is_too_old_is_expired(ask: Ask, stored: None) -> None:
    _, answer = ask("features", "get", "lateness", "--keys", json.dumps(ROWS[0]), "--at", "2024-01-01T04:00:00Z")
    assert answer["rows"][0]["features"]["line"]["status"] == "expired"


def test_the_past_is_read_offline(ask: Ask, stored: None) -> None:
    past = ("features", "get", "lateness", "--keys", json.dumps(ROWS[0]), "--at", "2024-01-01T00:20:00Z")
    code, answer = ask(*past)
    assert code == 2
    assert "--offline" in answer["error"]["hint"]
    assert ask(*past, "--offline")[1]["rows"][0]["features"]["late_mean_1h"]["value"] == 2.0


@pytest.mark.parametrize(
    ("keys", "field"),
    [
        ('{"stop": "a"}', "platform"),
        ('{"stop": "a", "platfrom": 1}', "platfrom"),
        ('{"stop": 7, "platform": 1}', "stop"),
        ('{"stop": "a", "platform": "one"}', "platform"),
        ('{"stop": "a", "platform": 1.5}', "platform"),
        ('{"stop": "a", "platform": 1e400}', "platform"),
        ('{"stop": "a", "platform": 1, "rain": NaN}', "rain"),
        ('{"stop": ["a"], "platform": 1}', "stop"),
        ('{"stop": "a"', "keys"),
    ],
)
def test_a_key_that_is_unknown_missing_or_of_another_type_is_named(ask: Ask, applied: None, keys: str, field: str) -> None:
    code, answer = ask("features", "get", "lateness", "--keys", keys)
    assert (code, answer["error"]["code"], answer["error"]["field"]) == (2, "SchemaError", field)
    assert answer["error"]["hint"]


@pytest.mark.parametrize(
    ("keys", "message", "hint"),
    [
        ("[]", "no keys to read features of", '[{"stop": "...", "platform": 1}]'),
        (
            '[{"stop": "a", "platform": 1}, {"stop": 7, "platform": 1}]',
            "row 1: key 'stop' of view 'delays' is 7, expected str or null",
            'in quotes: "7"',
        ),
        ('{"stop": "a", "platform": "1"}', "row 0: key 'platform' of view 'delays' is \"1\", expected int64", "whole number: 1"),
        ('{"stop": "a", "platform": 1.5}', "is 1.5, expected int64", "whole number"),
        ('{"stop": ["a", "b"], "platform": 1}', "expected str", "a list of objects"),
        ('{"stop": "a"}', "row 0 lacks the key 'platform' of view 'delays' (int64)", "write null"),
        ('{"stop": "a", "platform": 1, "rain": "a lot"}', "row 0: column 'rain' is \"a lot\", expected float64", "without quotes"),
        ("stop=a", "--keys is not JSON", "@FILE"),
        ("null", "--keys is None, expected an object", "@FILE"),
        ("definitions.py", "--keys is not JSON", "@definitions.py reads the file"),
        ("@nowhere.json", "--keys names the file 'nowhere.json', which cannot be read", "@FILE"),
    ],
)
def test_what_is_wrong_with_keys_is_told_with_row_key_value_and_cure(
    ask: Ask, root: Path, monkeypatch: pytest.MonkeyPatch, applied: None, keys: str, message: str, hint: str
) -> None:
    monkeypatch.chdir(root)
    code, answer = ask("features", "get", "lateness", "--keys", keys)
    assert (code, message in answer["error"]["message"], hint in answer["error"]["hint"]) == (2, True, True), answer["error"]


def test_keys_are_read_from_a_file(ask: Ask, root: Path, stored: None) -> None:
    (root / "keys.json").write_text(json.dumps(ROWS))
    code, answer = ask("features", "get", "lateness", "--keys", f"@{root / 'keys.json'}")
    assert (code, len(answer["rows"])) == (0, 3)


def test_a_view_that_is_read_as_a_set_is_told_with_the_sets_of_it(ask: Ask, applied: None) -> None:
    code, answer = ask("features", "get", "delays", "--keys", json.dumps(ROWS[0]))
    assert (code, answer["error"]["field"]) == (2, "delays")
    assert "is a view, which is read through a set" in answer["error"]["message"]
    assert answer["error"]["hint"] == "read one of the sets that use it: lateness"


def test_what_feeds_a_plan_is_told_before_and_after_it_is_filled(ask: Ask, root: Path, applied: None) -> None:
    with Workspace.open(root) as workspace:
        store = FeatureStore(workspace)
        [told] = pipelines(store, store.read_plan("lateness"))
        assert told["command"] == "intonaco features materialize delays@1"
        assert (told["source"], told["fed_by"], told["filled"], told["online_until"]) == (
            "table:default/passed",
            "materialize",
            False,
            None,
        )
        store.materialize("lateness", 1_704_070_800_000_000)
        [told] = pipelines(store, store.read_plan("lateness"))
        assert (told["filled"], told["online_until"]) == (True, "2024-01-01T01:00:00Z")


def test_uses_and_quality_are_told(ask: Ask, root: Path, stored: None) -> None:
    _, told = ask("features", "show", "delays")
    assert {each["feature"]: each["uses"] for each in told["features"]} == {"late_mean_1h": 1, "line": 1, "count_1h": 1}
    assert told["quality"] is None
    _, found = ask("features", "search", "--kind", "view")
    assert [each["uses"] for each in found["found"]] == [1]


def test_a_topic_that_nobody_wrote_to_yet_does_not_hold_up_the_other_views_of_a_set(ask: Ask, root: Path, events: None) -> None:
    streamed = (
        'seen = FeatureView(name="seen", entity=stop, source=StreamSource("seen", {"n": "int64"}, time="at"), features=[columns("n")])'
    )
    text = DEFINITIONS.replace("lateness = FeatureSet", f"{streamed}\nlateness = FeatureSet").replace(
        "features=[delays]", "features=[delays, seen]"
    )
    (root / "definitions.py").write_text(text)
    assert ask("features", "apply")[0] == 0
    code, told = ask("features", "materialize", "lateness", "--until", "2024-01-01T01:00:00Z")
    assert (code, [each["view"] for each in told["views"]], told["rows"], told["waiting"]) == (0, ["delays"], 3, ["seen"])
    code, told = ask("features", "materialize", "seen")
    assert (code, told["next"]) == (2, "intonaco features consume seen --once")


@pytest.mark.parametrize("version", ["0", "2", "99999999999999999999999", "nothing"])
def test_a_version_that_is_not_there_is_told(ask: Ask, applied: None, version: str) -> None:
    code, told = ask("features", "get", f"lateness@{version}", "--keys", json.dumps(ROWS[0]))
    assert (code, told["error"]["hint"]) == (2, "its versions are 1 to 1, its aliases: none")
    assert ask("features", "show", f"lateness@{version}")[0] == 2


def test_an_older_version_is_fed_and_read_by_its_number(ask: Ask, root: Path, applied: None) -> None:
    (root / "definitions.py").write_text(DEFINITIONS.replace('over="1h")', 'over="2h")').replace("late_mean_1h", "late_mean_2h"))
    assert ask("features", "apply")[0] == 0
    code, told = ask("features", "materialize", "delays@1", "--until", "2024-01-01T01:00:00Z")
    assert (code, [(each["view"], each["version"]) for each in told["views"]]) == (0, [("delays", 1)])
    read = ("features", "get", "lateness@1", "--keys", json.dumps(ROWS[0]), "--at", "2024-01-01T01:00:00Z")
    assert ask(*read)[1]["rows"][0]["features"]["late_mean_1h"]["value"] == 3.0


def test_keys_come_from_a_file_too(ask: Ask, stored: None, root: Path) -> None:
    (root / "keys.json").write_text(json.dumps(ROWS))
    assert len(ask("features", "get", "lateness", "--keys", f"@{root / 'keys.json'}")[1]["rows"]) == 3
    assert ask("features", "get", "lateness", "--keys", "@nowhere.json")[0] == 2


def test_each_kind_of_definition_is_shown(ask: Ask, run: Run, stored: None) -> None:
    _, view = ask("features", "show", "delays")
    assert (view["kind"], view["version"], view["valid_for"], view["watermark"]) == ("view", 1, "2h", "2024-01-01T01:00:00Z")
    assert [feature["feature"] for feature in view["features"]] == ["late_mean_1h", "line", "count_1h"]
    _, whole = ask("features", "show", "lateness@1")
    assert [feature["from"] for feature in whole["features"]] == ["view delays"] * 3 + ["request", "hour_of_day"]
    assert [key["name"] for key in ask("features", "show", "stop")[1]["keys"]] == ["stop", "platform"]
    assert ask("features", "show", "outcomes")[1]["source"] == "table:default/trips"
    code, out, _ = run("features", "show", "delays")
    assert (code, "How late the last ones were" in out) == (0, True)


@pytest.mark.parametrize("name", ["delay", "delays@7", "delays@old"])
def test_what_is_not_applied_is_not_shown(ask: Ask, applied: None, name: str) -> None:
    code, answer = ask("features", "show", name)
    assert (code, answer["error"]["code"]) == (2, "MissingError")


def test_definitions_are_found_by_text_kind_tag_and_owner(ask: Ask, applied: None) -> None:
    def names(*options: str) -> list[str]:
        return [found["name"] for found in ask("features", "search", *options)[1]["found"]]

    assert names("last ones", "--kind", "view") == ["delays"]
    assert names("--tag", "city") == ["delays"]
    assert names("--owner", "maps") == ["delays"]
    assert names("--kind", "labels") == ["outcomes"]
    assert names("nothing like it") == []


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        ('{"stopp": "a", "platform": 1}', "stopp"),
        ('{"stop": "a"}', "platform"),
        ('{"stop": 1, "platform": 1}', "stop"),
        ('{"stop": "a", "platform": "1"}', "platform"),
        ('{"stop": "a", "platform": 1.5}', "platform"),
        ('{"stop": "a", "platform": 9223372036854775808}', "platform"),
        ('{"stop": "a", "platform": 1, "rain": NaN}', "rain"),
        ('{"stop": "a", "platform": 1, "wind": 1}', "wind"),
    ],
)
@pytest.mark.parametrize("place", [(), ("--offline",)], ids=["online", "offline"])
def test_keys_that_cannot_be_used_are_named(ask: Ask, stored: None, place: tuple[str, ...], keys: str, names: str) -> None:
    code, answer = ask("features", "get", "lateness", "--keys", keys, "--at", "2024-01-01T01:00:00Z", *place)
    assert (code, answer["error"]["field"]) == (2, names), answer


def test_a_table_without_its_time_column_is_refused_before_anything_is_written(ask: Ask, root: Path, applied: None) -> None:
    (root / "definitions.py").write_text(DEFINITIONS.replace('time="when"', 'time="then"'))
    assert ask("features", "apply")[0] == 0
    code, answer = ask("features", "materialize", "delays")
    assert (code, answer["error"]["field"]) == (2, "then")
    assert "lacks the column 'then', the time of its events" in answer["error"]["message"]
    code, read = ask("features", "get", "lateness", "--keys", json.dumps(ROWS[:1]), "--at", "2024-01-01T01:00:00Z")
    assert (code, read["rows"][0]["features"]["late_mean_1h"]["status"]) == (0, "missing")


def test_decimals_are_told_as_texts_that_lose_no_digit(ask: Ask, root: Path) -> None:
    (root / "intonaco.toml").write_text('definitions = ["definitions"]\n')
    (root / "definitions.py").write_text(
        "from intonaco.infra.features.definitions import *\n"
        'sales = TableSource("sales", {"price": "decimal(20,2)"}, time="when")\n'
        'features = [columns("price"), sum_("price", over="1d", name="total")]\n'
        'view = FeatureView(name="sales", entity=Entity("shop", {"shop": "str"}), source=sales, features=features)\n'
        'DEFINITIONS = [FeatureSet(name="shops", features=[view])]\n'
    )
    prices = pa.array([Decimal("90071992547409.93"), Decimal("0.10")], pa.decimal128(20, 2))
    when = pa.array([1, 2], pa.timestamp("us", tz="UTC"))
    with Workspace.open(root) as workspace:
        workspace.tables.write("default/sales", pa.table({"shop": ["a", "a"], "when": when, "price": prices}))
    assert ask("features", "apply")[0] == 0
    assert ask("features", "materialize", "sales", "--until", "1970-01-01T00:01:00Z")[0] == 0
    for place in ((), ("--offline",)):
        code, read = ask("features", "get", "shops", "--keys", '{"shop": "a"}', "--at", "1970-01-01T00:01:00Z", *place)
        assert (code, {name: each["value"] for name, each in read["rows"][0]["features"].items()}) == (
            0,
            {"price": "0.10", "total": "90071992547410.03"},
        )


def test_views_are_certified_and_the_certificate_is_shown(ask: Ask, applied: None) -> None:
    code, told = ask("features", "certify", "lateness", "--examples", "5")
    assert (code, [(each["view"], each["passed"], each["examples"]) for each in told["certificates"]]) == (0, [("delays", True, 5)])
    assert ask("features", "show", "delays")[1]["certificate"]["passed"] is True
