"""Every hook and each of its arguments is documented, and implemented by a plugin of ours."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from intonaco.core import Plugins

MODULES = sorted(
    ".".join(path.relative_to(path.parents[3]).with_suffix("").parts) for path in Path(__file__).parents[2].glob("*/intonaco/**/hooks.py")
)
PLUGINS = Plugins.discover()
HOOKS = sorted(name for name in vars(PLUGINS.hook) if not name.startswith("_"))


@pytest.fixture
def page(root: Path) -> str:
    return (root / "docs/reference/hooks.md").read_text()


@pytest.mark.parametrize("module", MODULES)
def test_every_module_of_hooks_is_found_through_its_entry_point(module: str) -> None:
    assert set(import_module(module).__all__) <= set(HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented_with_its_arguments(hook: str, page: str) -> None:
    arguments = getattr(PLUGINS.hook, hook).spec.argnames
    assert f"| `{hook}({', '.join(arguments)})` |" in page
    assert [argument for argument in arguments if f"`{argument}`" not in page] == []


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_plugin_of_ours(hook: str) -> None:
    assert [each.plugin_name for each in getattr(PLUGINS.hook, hook).get_hookimpls()] != []


def test_the_page_documents_no_hook_that_is_gone(page: str) -> None:
    assert set(re.findall(r"^\| `(\w+)\(", page, re.MULTILINE)) == set(HOOKS)
