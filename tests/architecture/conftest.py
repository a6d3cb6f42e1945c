"""The repository as these tests see it."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def root() -> Path:
    return ROOT


@pytest.fixture
def workspace() -> dict[str, Any]:
    """The root's pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture
def distributions() -> dict[Path, dict[str, Any]]:
    """The pyproject.toml of each distribution but the root's, by its folder."""
    files = sorted([*ROOT.glob("*/pyproject.toml"), *ROOT.glob("platforms/*/pyproject.toml"), *ROOT.glob("extensions/*/pyproject.toml")])
    return {file.parent.relative_to(ROOT): tomllib.loads(file.read_text()) for file in files}
