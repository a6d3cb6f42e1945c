"""Tutorials and how-to pages, followed to the letter in an empty folder."""

from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

_DOCS = Path(__file__).parents[2] / "docs"
_FIRST = _DOCS / "tutorials" / "first-model.md"
_TUTORIALS = [page for page in sorted(_FIRST.parent.glob("*.md")) if page != _FIRST]
_HOW_TO = [page for page in sorted((_DOCS / "how-to").glob("*.md")) if page.stem != "add-an-extension"]


@pytest.mark.parametrize("page", _TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_holds_to_the_letter(page: Path, follow: Callable[..., Path]) -> None:
    assert any(follow(page).iterdir())


def test_the_first_tutorial_holds_and_how_to_pages_go_on_in_its_workspace(follow: Callable[..., Path]) -> None:
    folder = follow(_FIRST, *_HOW_TO)
    assert {"report.html", "capabilities.json"} <= {path.name for path in folder.iterdir()}
