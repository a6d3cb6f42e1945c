import pkgutil
from importlib import import_module
from pathlib import Path

import pytest

MODULES = [module.name for module in pkgutil.walk_packages([str(Path(__file__).parents[2] / "core/intonaco/core")], "intonaco.core.")]


@pytest.mark.parametrize("name", MODULES)
def test_every_name_in_all_is_there(name: str) -> None:
    module = import_module(name)
    assert [each for each in module.__all__ if not hasattr(module, each)] == []
    assert module.__all__ == sorted(module.__all__)


def test_core_offers_its_names_when_they_are_used() -> None:
    core = import_module("intonaco.core")
    assert [name for name in core.__all__ if getattr(core, name) is None] == []
    with pytest.raises(AttributeError, match="no attribute 'Plugin'"):
        core.Plugin  # noqa: B018
