"""Modules of definitions, as the settings name them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Ask = Callable[..., tuple[int, dict[str, Any]]]
STOP = 'from intonaco.infra.features.definitions import Entity\nDEFINITIONS = [Entity("stop", {"stop": "str"})]\n'


def _write(root: Path, text: str, name: str = "definitions") -> None:
    (root / "intonaco.toml").write_text('definitions = ["definitions"]\n')
    (root / f"{name}.py").write_text(text)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("a = 1\nimport nowhere_at_all\n", "definitions.py line 2: ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("DEFINITIONS = [\n", "definitions.py line 1: SyntaxError: '[' was never closed"),
        ("raise SystemExit('no')\n", "SystemExit: no"),
        ("from intonaco.infra.features.definitions import Entity\nEntity('a', {})\n", "entity 'a' has no keys"),
        ("", "has no DEFINITIONS"),
        ("DEFINITIONS = 'all'\n", "has DEFINITIONS that are str"),
        ("DEFINITIONS = ['a view']\n", "hold 'a view'"),
    ],
    ids=["import", "syntax", "exit", "definition", "none", "no list", "other"],
)
def test_a_module_that_cannot_be_used_is_one_error_that_names_module_and_cause(ask: Ask, root: Path, text: str, cause: str) -> None:
    _write(root, text)
    code, answer = ask("features", "plan")
    assert (code, answer["error"]["code"], answer["error"]["field"]) == (2, "DefinitionError", "definitions")
    assert "module 'definitions'" in answer["error"]["message"]
    assert cause in answer["error"]["message"]


def test_a_module_that_is_not_there_is_named_with_where_it_was_looked_for(ask: Ask, root: Path) -> None:
    (root / "intonaco.toml").write_text('definitions = ["features_of_ours"]\n')
    code, answer = ask("features", "apply")
    assert code == 2
    assert "features_of_ours" in answer["error"]["message"]
    assert str(root) in answer["error"]["hint"]


def test_settings_that_name_no_module_say_what_to_write(ask: Ask, root: Path) -> None:
    code, answer = ask("features", "plan")
    assert (code, answer["error"]["field"]) == (2, "definitions")
    assert "DEFINITIONS" in answer["error"]["hint"]


def test_a_module_of_another_workspace_does_not_stand_for_this_one(ask: Ask, root: Path) -> None:
    other = root / "other"
    other.mkdir()
    _write(other, STOP.replace("stop", "line"))
    _write(root, STOP)
    assert [step["name"] for step in ask("features", "plan")[1]["steps"]] == ["stop"]
    assert [step["name"] for step in ask("-C", str(other), "features", "plan")[1]["steps"]] == ["line"]
    assert [step["name"] for step in ask("-C", str(root), "features", "plan")[1]["steps"]] == ["stop"]


def test_a_failing_apply_records_nothing(ask: Ask, root: Path) -> None:
    _write(root, STOP + 'DEFINITIONS.append(Entity("stop", {"stop": "int64"}))\n')
    assert ask("features", "apply")[0] == 2
    assert ask("features", "search")[1]["found"] == []


def test_what_is_applied_is_counted_in_the_status(ask: Ask, root: Path) -> None:
    _write(root, STOP)
    assert ask("status")[1]["definitions"] == 0
    assert ask("features", "apply")[0] == 0
    assert ask("status")[1]["definitions"] == 1
