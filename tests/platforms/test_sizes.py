"""A platform and its tasks are short, for all else comes from infra."""

from pathlib import Path

import pytest

PLATFORMS = Path(__file__).parents[2] / "platforms"
FILES = [path for folder in PLATFORMS.glob("*/intonaco/*") for path in folder.glob("*.py") if path.name != "__init__.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(path.parts[-2:]))
def test_a_platform_and_each_of_its_tasks_take_less_than_150_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 150
