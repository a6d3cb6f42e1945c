import ast
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PORTIONS = sorted([*ROOT.glob("*/intonaco"), *ROOT.glob("*/*/intonaco")])
FILES = {
    ".".join(path.relative_to(portion.parent).with_suffix("").parts): path
    for portion in PORTIONS
    for path in sorted(portion.rglob("[a-z]*.py"))
}
LAZY = ["intonaco.core", "intonaco.infra"]


@pytest.mark.parametrize("name", [name for name, path in FILES.items() if "\n__all__" in path.read_text()])
def test_every_name_in_all_is_there(name: str) -> None:
    module = import_module(name)
    assert [each for each in module.__all__ if not hasattr(module, each)] == []


@pytest.mark.parametrize("name", LAZY)
def test_a_package_offers_its_names_when_they_are_used(name: str) -> None:
    package = import_module(name)
    assert [each for each in package.__all__ if getattr(package, each) is None] == []
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'Plaster'"):
        package.Plaster  # noqa: B018


@pytest.mark.parametrize("name", LAZY)
def test_type_checkers_see_the_names_that_are_offered(name: str) -> None:
    package = import_module(name)
    assert package.__file__ is not None
    tree = ast.walk(ast.parse(Path(package.__file__).read_text()))
    typed = {
        alias.asname: node.module for node in tree if isinstance(node, ast.ImportFrom) for alias in node.names if alias.asname == alias.name
    }
    assert typed == {each: f"{name}.{home}" for each, home in package._HOMES.items()}
