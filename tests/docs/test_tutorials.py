"""Each tutorial, followed to the letter in an empty folder."""

from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

_PAGES = sorted((Path(__file__).parents[2] / "docs" / "tutorials").glob("*.md"))


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.stem)
def test_a_tutorial_holds_to_the_letter(page: Path, follow: Callable[[Path], Path]) -> None:
    assert any(follow(page).iterdir())
