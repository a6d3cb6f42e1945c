"""What pages say of the code is so."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

from attrs import fields, has

from intonaco.infra.settings import Settings

_DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_of_the_conformance_kit_names_each_contract_and_its_fixtures() -> None:
    text = (_DOCS / "how-to" / "run-the-conformance-kit.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| .* \| `(\w+)\.(\w+Contract)` \| (.*) \|$", text, re.MULTILINE)
    for module, name, fixtures in rows:
        contract = getattr(import_module(f"intonaco.infra.testing.{module}"), name)
        for fixture in re.findall(r"`(\w+)`", fixtures):
            assert hasattr(contract, fixture), f"{name} has no fixture {fixture!r}"
    folder = Path(str(import_module("intonaco.infra.testing").__file__)).parent
    known = {name for path in folder.glob("*.py") for name in re.findall(r"^class (\w+Contract)\b", path.read_text(), re.MULTILINE)}
    assert {name for _, name, _ in rows} == known


def test_each_promise_is_shown_by_a_test_that_stands() -> None:
    text = (_DOCS / "reference" / "promises.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", text)
    assert len(named) == text.count("::") > 40
    for path, test in named:
        assert f"def {test}(" in (_DOCS.parent / path).read_text(encoding="utf-8"), f"{path} has no {test}"


def test_links_between_pages_lead_somewhere() -> None:
    made = re.compile(r"^intonaco\.[\w.]+\.md$")
    for page in _DOCS.rglob("*.md"):
        for target in re.findall(r"\]\(([^)#:\s]+\.md)\)", page.read_text(encoding="utf-8")):
            assert made.match(target) or (page.parent / target).exists(), f"{page} links to {target}"


def test_the_architecture_page_names_each_table_of_the_catalog_in_its_room() -> None:
    text = (_DOCS.parent / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rooms = [import_module(f"intonaco.infra.{name}.tables").ROOM for name in ("features", "launch", "lineage", "monitoring", "serving")]
    for room in (import_module("intonaco.infra.storage.record").ROOM, *rooms):
        line = next(line for line in text.splitlines() if line.startswith(f"| {room.name} |"))
        for table in room.tables.tables:
            assert f"_{table.removeprefix(f'{room.name}_')}`" in line, f"{table} is not named in the room {room.name}"


def test_the_page_of_settings_names_each_setting() -> None:
    text = (_DOCS / "how-to" / "use-settings.md").read_text(encoding="utf-8")
    tables: dict[str, Any] = {each.name: type(each.default) for each in fields(Settings) if has(type(each.default))}
    for table, kind in tables.items():
        assert f"\n[{table}]" in text
        for each in fields(kind):
            assert f"\n{each.name} = " in text or f"{table}.{each.name}" in text, f"{table}.{each.name} is not on the page"
