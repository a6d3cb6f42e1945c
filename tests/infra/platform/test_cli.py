"""What every command promises, and how each kind of error ends."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from intonaco.infra.platform import cli
from intonaco.infra.platform.answers import Answer, answering

Ask = Callable[..., tuple[int, dict[str, Any]]]
Run = Callable[..., tuple[int, str, str]]


@click.command()
@answering
def broken() -> Answer:
    raise ZeroDivisionError("nothing to divide by")


@pytest.mark.parametrize("arguments", ["--help", "plugins", "plugins --json"])
def test_that_nobody_reads_is_no_fault(root: Path, arguments: str) -> None:
    command = f"{sys.executable} -m intonaco.infra.platform.cli {arguments} | true; exit ${{PIPESTATUS[0]}}"
    assert subprocess.run(["bash", "-c", command], check=False, capture_output=True).returncode == 141


@click.command()
@answering
def endless() -> Answer:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "command",
    ["init OTHER", "status", "plugins", "doctor", "tables list", "features search", "runs list", "models list", "gc", "fsck"],
)
def test_every_command_prints_one_object_with_a_next_step(ask: Ask, command: str, tmp_path: Path) -> None:
    code, answer = ask(*command.replace("OTHER", str(tmp_path / "other")).split())
    assert code == 0
    assert answer["next"]


def test_every_kind_of_offer_is_shown(ask: Ask) -> None:
    _, answer = ask("plugins")
    page = (Path(__file__).parents[3] / "docs/reference/hooks.md").read_text(encoding="utf-8")
    providers = re.findall(r"^\| `(\w+)\(\)` \|", page, re.MULTILINE)
    assert sorted(answer["offers"]) == sorted(providers)


def test_people_are_told_the_next_step_too(run: Run) -> None:
    code, out, _ = run("status")
    assert code == 0
    assert out.splitlines()[-1].startswith("Next: intonaco ")


def test_a_setting_of_a_wrong_type_names_key_file_and_what_is_allowed(ask: Ask, root: Path) -> None:
    (root / "intonaco.toml").write_text('[serving]\nport = "eighty"\n')
    code, answer = ask("status")
    assert code == 2
    assert answer["error"]["field"] == "serving.port"
    for part in ("serving.port", str(root / "intonaco.toml"), "'eighty'", "a whole number"):
        assert part in answer["error"]["message"]


def test_an_unknown_setting_is_named_with_the_nearest(ask: Ask, root: Path) -> None:
    (root / "intonaco.toml").write_text("[serving]\nprot = 80\n")
    code, answer = ask("status")
    assert (code, answer["error"]["field"]) == (2, "serving.prot")
    assert "port" in answer["error"]["hint"]


def test_an_unknown_kind_of_store_lists_those_that_there_are(ask: Ask, root: Path) -> None:
    (root / "intonaco.toml").write_text('[stores]\nkeyvalue = "reddis://here"\ntables = "fiel:tables"\n')
    code, answer = ask("tables", "list")
    assert code == 2
    assert "no table store named 'fiel'; registered: file" in answer["error"]["message"]
    code, answer = ask("doctor")
    assert code == 5
    assert [finding["check"] for finding in answer["findings"] if not finding["ok"]] == ["tables", "keyvalue"]


def _ingest(ask: Ask, root: Path, text: str, *options: str) -> tuple[int, dict[str, Any]]:
    (root / "rides.csv").write_text(text)
    return ask("tables", "ingest", "rides", str(root / "rides.csv"), *options)


@pytest.mark.parametrize(
    ("text", "field"),
    [("km\n1.5\n", "fare"), ("km,fare,tip\n1.5,2.0,1\n", "tip"), ("km,fare\nnear,2.0\n", "km")],
    ids=["missing", "unknown", "mistyped"],
)
def test_rows_that_do_not_fit_the_table_are_refused_and_nothing_is_written(ask: Ask, root: Path, text: str, field: str) -> None:
    assert _ingest(ask, root, "km,fare\n1.5,2.0\n")[0] == 0
    code, answer = _ingest(ask, root, text)
    assert (code, answer["error"]["field"]) == (2, field)
    assert ask("tables", "show", "rides")[1]["version"] == 0


def test_rows_that_violate_a_check_are_refused_by_policy_and_nothing_is_written(ask: Ask, root: Path) -> None:
    code, answer = _ingest(ask, root, "km,fare\n1.5,2.0\n,3.0\n", "--not-null", "km")
    assert (code, answer["error"]["code"]) == (6, "QualityError")
    assert "km" in answer["error"]["message"]
    assert ask("tables", "list")[1]["tables"] == []


def test_an_empty_field_of_a_csv_file_is_missing_and_other_words_where_one_says_so(ask: Ask, root: Path) -> None:
    text = 'zone,km\nNA,1\n,2\n"",NA\n'
    assert _ingest(ask, root, text)[0] == 0
    assert [row["zone"] for row in ask("tables", "show", "rides")[1]["first"]] == ["NA", None, ""]
    assert _ingest(ask, root, text, "--replace", "--null", "NA")[0] == 0
    assert [row["zone"] for row in ask("tables", "show", "rides")[1]["first"]] == [None, None, ""]


def test_a_file_that_is_no_table_is_named(ask: Ask, root: Path) -> None:
    (root / "rides.parquet").write_text("no parquet")
    code, answer = ask("tables", "ingest", "rides", str(root / "rides.parquet"))
    assert code == 2
    assert "rides.parquet" in answer["error"]["message"]


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("models show eta", "eta"),
        ("deploy eta", "eta"),
        ("predict eta {}", "eta"),
        ("report eta@3", "eta"),
        ("reproduce eta", "eta"),
        ("tables show eta", "eta"),
        ("ledger eta", "eta"),
        ("runs show 2013", "2013"),
        ("why 2013", "2013"),
        ("features show eta", "eta"),
        ("features materialize eta", "eta"),
        ("features get eta --keys {}", "eta"),
    ],
)
def test_what_is_not_there_is_named(ask: Ask, command: str, name: str) -> None:
    code, answer = ask(*command.split())
    assert (code, answer["error"]["code"]) == (2, "MissingError")
    assert name in answer["error"]["message"]
    assert answer["next"]


def test_a_port_in_use_is_named(ask: Ask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, answer = ask("serve", "--port", str(port))
    assert (code, answer["error"]["code"]) == (5, "PortInUseError")
    assert str(port) in answer["error"]["message"]


def test_damage_is_found_and_named(ask: Ask, root: Path) -> None:
    from intonaco.infra.lineage.artifacts import Artifacts
    from intonaco.infra.workspace import Workspace

    with Workspace.open(root) as workspace:
        kept = Artifacts(workspace).save({"a": 1})
    path = next(path for path in (root / ".intonaco" / "blobs").rglob("*") if path.is_file() and path.name == kept.digest)
    path.chmod(0o644)
    path.write_bytes(b"?" + path.read_bytes()[1:])
    code, answer = ask("fsck")
    assert (code, answer["sound"]) == (4, False)
    assert [kept.digest in damage["name"] for damage in answer["damages"]] == [True]


def test_what_nothing_refers_to_is_told_first_and_removed_when_asked_for(ask: Ask, root: Path) -> None:
    from intonaco.infra.storage.blobs import put
    from intonaco.infra.workspace import Workspace

    with Workspace.open(root) as workspace:
        put(workspace.blobs, b"left over")
    code, planned = ask("gc", "--older-than-hours", "0")
    assert (code, len(planned["removals"])) == (0, 1)
    assert planned["next"] == "intonaco gc --apply --older-than-hours 0"
    assert len(ask(*planned["next"].split()[1:])[1]["removals"]) == 1
    assert ask("gc", "--older-than-hours", "0")[1]["removals"] == []


def test_an_unexpected_fault_has_an_id_and_a_traceback_in_the_log(ask: Ask, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cli.COMMANDS, "status", f"{__name__}:broken")
    code, answer = ask("status")
    log = root / ".intonaco" / "log" / "intonaco-errors.log"
    assert code == 1
    assert answer["error"]["error_id"] in answer["error"]["message"]
    assert str(log) in answer["error"]["hint"]
    for part in (answer["error"]["error_id"], "intonaco status", "Traceback", "ZeroDivisionError: nothing to divide by"):
        assert part in log.read_text()


def test_people_see_no_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cli.COMMANDS, "status", f"{__name__}:broken")
    code, out, err = run("status")
    assert (code, out) == (1, "")
    assert [line.split()[0] for line in err.splitlines()] == ["Error:", "Try:"]


def test_an_interruption_says_what_holds(run: Run, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cli.COMMANDS, "status", f"{__name__}:endless")
    code, out, err = run("status")
    assert (code, out) == (130, "")
    assert "what was finished is kept" in err
    assert ask("status")[1]["error"]["code"] == "Interrupted"


@pytest.mark.parametrize(
    ("command", "meant"),
    [
        ("statsu", "did you mean 'status'?"),
        ("features aply", "did you mean 'apply'?"),
        ("status --jsno", "--json"),
        ("train general.regresion", "did you mean 'general.regression'?"),
        ("predict eta {} --at 2013-10-19", "2013-10-19T18:00:00Z"),
        ("features get eta", "--keys"),
        ("runs list --limit many", "'many' is not a valid integer"),
    ],
)
def test_a_wrong_word_is_a_usage_error_that_says_what_may_be_meant(run: Run, ask: Ask, command: str, meant: str) -> None:
    code, out, err = run(*command.split())
    assert (code, out) == (2, "")
    assert meant in err
    assert ask(*command.split())[1]["error"]["code"] == "UsageError"


def test_a_folder_that_is_not_there_is_named(ask: Ask, tmp_path: Path) -> None:
    code, answer = ask("-C", str(tmp_path / "nowhere"), "status")
    assert (code, answer["error"]["code"]) == (2, "SettingsError")
    assert "intonaco init" in answer["next"]


@pytest.mark.parametrize("command", ["", "features"])
def test_no_command_at_all_shows_the_help(run: Run, command: str) -> None:
    code, out, err = run(*command.split())
    assert (code, err) == (2, "")
    assert out.startswith("Usage: intonaco")


def test_help_shows_why_a_command_cannot_be_loaded_and_all_others(run: Run, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cli.COMMANDS, "status", "intonaco.nowhere:status")
    code, out, _ = run("--help")
    assert code == 0
    assert "No module named 'intonaco.nowhere'" in " ".join(out.split())
    assert all(name in out for name in cli.COMMANDS)
    assert ask("status")[0] == 2


def test_making_a_workspace_twice_changes_nothing(ask: Ask, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    assert ask("init", str(folder))[1]["made"] == ["intonaco.toml", "definitions.py"]
    (folder / "definitions.py").write_text("DEFINITIONS = ()\n")
    assert ask("init", str(folder))[1]["made"] == []
    assert (folder / "definitions.py").read_text() == "DEFINITIONS = ()\n"


@pytest.mark.slow
def test_the_installed_command_keeps_progress_off_standard_output(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "intonaco.infra.platform.cli", "fsck", "--json"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, json.loads(done.stdout)["sound"]) == (0, True)
    assert "reading catalog" in done.stderr
